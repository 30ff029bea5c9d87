/* test_timers.c - charon's timers on a real daemon: what it then does, the file, and the way back; and the kernel's
 * value in one namespace. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipsec/timers.h"
#include "strongswan_lab.h"

static json_t *timers(int timeout_ms, int tries)
{
    return json_pack("{s:i, s:f, s:i, s:i}", "retransmit_timeout_ms", timeout_ms, "retransmit_base", 1.0,
                     "retransmit_tries", tries, "acquire_expires_ms", 7000);
}

static json_t *pending(json_t *document)
{
    json_object_set_new(document, "loaded", json_false());
    return document;
}

static enum stf_kind write_timers(const json_t *state, struct stf_err *err)
{
    json_t *id = json_object();
    enum stf_kind kind = stf_timers_write(self, host(CLIENT), id, state, err);
    json_decref(id);
    return kind;
}

/* Takes over `state`. */
static void set_timers(json_t *state)
{
    struct stf_err err;
    if (write_timers(state, &err))
        fail_msg("%s", err.message);
    json_decref(state);
}

static enum stf_kind read_timers(json_t **state, struct stf_err *err)
{
    json_t *id = json_object();
    *state = NULL;
    enum stf_kind kind = stf_timers_read(self, host(CLIENT), id, state, err);
    json_decref(id);
    return kind;
}

/* Takes over `expected`. */
static void expect_timers(json_t *expected)
{
    struct stf_err err;
    json_t *state;
    if (read_timers(&state, &err))
        fail_msg("%s", err.message);
    char *text = json_dumps(state, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!json_equal(state, expected))
        fail_msg("read %s", text);
    free(text);
    json_decref(state);
    json_decref(expected);
}

static const char *charon_conf(void)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/strongswan.d/staffetta.conf", lab.nodes[CLIENT].dir);
    return path;
}

static char *file_content(void)
{
    static char content[1024];
    FILE *file = fopen(charon_conf(), "r");
    assert_non_null(file);
    content[fread(content, 1, sizeof content - 1, file)] = '\0';
    fclose(file);
    return content;
}

static void write_content(const char *content)
{
    FILE *file = fopen(charon_conf(), "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

/* ---------- what charon does ---------- */

/* Whether charon's log has `words` while it tries for 2 s to negotiate with a dead peer. */
static bool logs_in_vain(const char *words)
{
    size_t index;
    bool is_logged = false;
    json_t *event, *result = NULL;
    struct stf_err err;
    json_t *watch = must_call(CLIENT, "ipsec.watch_start", json_pack("{s:b}", "log", 1));
    assert_int_not_equal(call(CLIENT, "ipsec.initiate", initiate_args(2000), &result, &err), STF_OK);
    json_t *seen = stop_watch(watch);
    json_array_foreach (json_object_get(seen, "events"), index, event) {
        const char *text = json_string_value(json_object_get(event, "text"));
        is_logged = is_logged || (text && strstr(text, words));
    }
    json_decref(seen);
    json_decref(must_call(CLIENT, "ipsec.terminate", terminate_args()));
    return is_logged;
}

static void test_charon_gives_up_when_the_timers_say(void **state)
{
    (void)state;
    set_both_sides();
    fixture_stop_charon(&lab.nodes[SERVER]);
    set_timers(timers(100, 2));
    assert_true(logs_in_vain("giving up after 2 retransmits"));
    set_timers(json_null());
    assert_false(logs_in_vain("giving up after")); /* its own take 165 s */

    set_timers(timers(100, 3));
    restart(CLIENT); /* a daemon that has just been started has them too */
    json_t *outcome = must_call(CLIENT, "ipsec.reload", json_object());
    assert_true(logs_in_vain("giving up after 3 retransmits"));
    set_timers(json_null());
    json_decref(outcome);
    assert_true(fixture_start_charon(&lab.nodes[SERVER]));
}

/* ---------- the state ---------- */

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    expect_timers(json_null());
    set_timers(timers(300, 4));
    expect_timers(timers(300, 4));
    assert_non_null(strstr(file_content(), "    retransmit_timeout = 0.300\n"));
    assert_non_null(strstr(file_content(), "            xfrm_acq_expires = 7\n"));
    set_timers(timers(300, 4));
    expect_timers(timers(300, 4));
    set_timers(pending(timers(500, 1)));
    expect_timers(pending(timers(500, 1)));
    assert_null(strstr(file_content(), "retransmit_timeout = ")); /* and charon has none of it */
    set_timers(json_null());
    expect_timers(json_null());
    assert_int_equal(access(charon_conf(), F_OK), -1);
    set_timers(json_null());
}

/* charon may have read a file that says "not loaded", or not: doing either again makes it sure. */
static void test_a_write_that_ended_half_way(void **state)
{
    char half[1024];
    (void)state;
    for (int to_absent = 0; to_absent < 2; to_absent++) {
        set_timers(timers(300, 4));
        snprintf(half, sizeof half, "%s", file_content());
        char *settings = strstr(half, "charon {");
        assert_non_null(settings);
        set_timers(pending(timers(300, 4)));
        char whole[2048];
        snprintf(whole, sizeof whole, "%s%s", file_content(), settings);
        write_content(whole);
        expect_timers(pending(timers(300, 4)));
        set_timers(to_absent ? json_null() : timers(300, 4));
        expect_timers(to_absent ? json_null() : timers(300, 4));
    }
}

static void test_without_a_daemon_nothing_is_written(void **state)
{
    struct stf_err err;
    json_t *wanted = timers(300, 4), *absent = json_null();
    (void)state;
    fixture_stop_charon(&lab.nodes[CLIENT]);
    assert_int_equal(write_timers(wanted, &err), STF_UNREACHABLE);
    expect_timers(json_null());
    assert_true(fixture_start_charon(&lab.nodes[CLIENT]));
    assert_int_equal(write_timers(wanted, &err), STF_OK);

    fixture_stop_charon(&lab.nodes[CLIENT]);
    assert_int_equal(write_timers(absent, &err), STF_UNREACHABLE);
    expect_timers(timers(300, 4));
    assert_true(fixture_start_charon(&lab.nodes[CLIENT]));
    set_timers(absent);
    json_decref(wanted);
}

static void test_somebody_elses_file_is_left_alone(void **state)
{
    static const char *const contents[] = {"", "charon { retransmit_tries = 1 }\n",
                                           ("# Written by Staffetta; change the policy there, not here.\n"
                                            "# staffetta-document: {}\n")};
    struct stf_err err;
    json_t *found, *wanted = timers(300, 4);
    char edited[1100];
    (void)state;
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        write_content(contents[i]);
        assert_int_equal(read_timers(&found, &err), STF_CONFLICT);
        assert_non_null(strstr(err.message, charon_conf()));
        assert_int_equal(write_timers(wanted, &err), STF_CONFLICT);
        assert_string_equal(file_content(), contents[i]);
    }
    unlink(charon_conf());
    set_timers(timers(300, 4));
    snprintf(edited, sizeof edited, "%s# edited\n", file_content());
    write_content(edited);
    assert_int_equal(read_timers(&found, &err), STF_CONFLICT);
    unlink(charon_conf());
    json_decref(wanted);
}

static void test_what_is_no_such_document(void **state)
{
    static const char *const documents[] = {
        "{}",
        "{\"retransmit_timeout_ms\":300,\"retransmit_base\":1,\"retransmit_tries\":4,\"acquire_expires_ms\":1000}",
        "{\"retransmit_timeout_ms\":0,\"retransmit_base\":1.0,\"retransmit_tries\":4,\"acquire_expires_ms\":1000}",
        ("{\"retransmit_timeout_ms\":300,\"retransmit_base\":1.0,\"retransmit_tries\":4,\"acquire_expires_ms\":1000,"
         "\"loaded\":true}"),
        "{\"retransmit_timeout_ms\":300,\"retransmit_base\":1.0,\"retransmit_tries\":4,\"acquire_expires\":1}",
    };
    struct stf_err err;
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        json_t *document = json_loads(documents[i], 0, NULL);
        assert_int_equal(write_timers(document, &err), STF_INVALID_DATA);
        json_decref(document);
    }
}

static void test_a_host_whose_site_names_no_file(void **state)
{
    struct stf_err err;
    json_t *id = json_object(), *found = NULL;
    json_t *config = json_pack("{s:{s:s, s:s}}", "ipsec", "vici", lab.nodes[CLIENT].socket, "conf_dir", "0/conf.d");
    struct stf_host plain = {.name = "plain", .config = config, .site_dir = lab.dir};
    (void)state;
    assert_int_equal(stf_timers_read(self, &plain, id, &found, &err), STF_UNSUPPORTED);
    assert_non_null(strstr(err.message, "ipsec.charon_conf"));
    json_decref(config);
    json_decref(id);
}

static void expect_words(char *found, const char *expected)
{
    assert_string_equal(found, expected);
    free(found);
}

static void test_the_words_for_a_person(void **state)
{
    json_t *id = json_object(), *set = timers(300, 4), *expires = json_pack("{s:i}", "acquire_expires_ms", 1000);
    json_t *absent = json_null();
    (void)state;
    expect_words(stf_timers_describe(id, NULL), "charon's timers");
    expect_words(stf_timers_describe(id, absent), "absent");
    expect_words(stf_timers_describe(id, set),
                 "a dead peer given up after 1.5 s (300 ms x 1.0, 4 tries), acquires after 7000 ms");
    expect_words(stf_acquire_expires_describe(id, NULL), "net.core.xfrm_acq_expires");
    expect_words(stf_acquire_expires_describe(id, expires), "1 s");
    json_decref(id);
    json_decref(set);
    json_decref(expires);
}

/* ---------- the kernel's value ---------- */

/* As the host's own sysctl sees it. */
static int sysctl_of(int index)
{
    char command[128];
    int seconds = -1;
    snprintf(command, sizeof command, "ip netns exec %s sysctl -n net.core.xfrm_acq_expires", lab.nodes[index].netns);
    FILE *from = popen(command, "r");
    assert_int_equal(fscanf(from, "%d", &seconds), 1);
    pclose(from);
    return seconds;
}

static enum stf_kind write_expires(json_int_t ms, struct stf_err *err)
{
    json_t *id = json_object(), *state = json_pack("{s:I}", "acquire_expires_ms", ms);
    enum stf_kind kind = stf_acquire_expires_write(self, host(CLIENT), id, state, err);
    json_decref(id);
    json_decref(state);
    return kind;
}

static json_int_t read_expires(void)
{
    json_t *id = json_object(), *state = NULL;
    assert_int_equal(stf_acquire_expires_read(self, host(CLIENT), id, &state, NULL), STF_OK);
    json_int_t ms = json_integer_value(json_object_get(state, "acquire_expires_ms"));
    json_decref(id);
    json_decref(state);
    return ms;
}

static void test_acquires_expire_in_one_namespace(void **state)
{
    struct stf_err err;
    int before = sysctl_of(CLIENT), other = sysctl_of(SERVER);
    json_t *id = json_object(), *absent = json_null();
    (void)state;
    assert_int_equal(read_expires(), before * 1000);
    assert_int_equal(write_expires(9000, &err), STF_OK);
    assert_int_equal(sysctl_of(CLIENT), 9);
    assert_int_equal(read_expires(), 9000);
    assert_int_equal(sysctl_of(SERVER), other);
    assert_int_equal(write_expires(1500, &err), STF_INVALID_DATA);
    assert_int_equal(stf_acquire_expires_write(self, host(CLIENT), id, absent, &err), STF_INVALID_DATA);
    assert_int_equal(write_expires(before * 1000, &err), STF_OK);
    assert_int_equal(sysctl_of(CLIENT), before);
    json_decref(id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_LAB(test_charon_gives_up_when_the_timers_say), IN_LAB(test_what_is_written_is_read),
        IN_LAB(test_a_write_that_ended_half_way),         IN_LAB(test_without_a_daemon_nothing_is_written),
        IN_LAB(test_somebody_elses_file_is_left_alone),   IN_LAB(test_what_is_no_such_document),
        IN_LAB(test_a_host_whose_site_names_no_file),     IN_LAB(test_the_words_for_a_person),
        IN_LAB(test_acquires_expire_in_one_namespace),
    };
    const char *obstacle = fixture_obstacle();
    if (obstacle) {
        printf("SKIP: %s\n", obstacle);
        return 0;
    }
    return cmocka_run_group_tests(tests, lab_up, lab_down);
}
