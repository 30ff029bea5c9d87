/* strongswan_lab.c - calls of the driver on two real daemons, and their judgement. SPDX-License-Identifier: MIT */
#include "strongswan_lab.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ipsec/durable.h"

const char secret_text[] = "correct horse battery staple";

struct fixture lab;
void *self;

/* ---------- helpers ---------- */

const struct stf_host *host(int index)
{
    return &lab.nodes[index].host;
}

json_t *named(const char *name)
{
    return json_pack("{s:s}", "name", name);
}

enum stf_kind call(int index, const char *verb, json_t *args, json_t **result, struct stf_err *err)
{
    const struct stf_verb *found = stf_ipsec_verbs;
    while (found->name && strcmp(found->name, verb) != 0)
        found++;
    assert_non_null(found->name);
    *result = NULL;
    enum stf_kind kind = found->call(self, host(index), args, result, err);
    json_decref(args);
    return kind;
}

json_t *must_call(int index, const char *verb, json_t *args)
{
    struct stf_err err;
    json_t *result = NULL;
    if (call(index, verb, args, &result, &err))
        fail_msg("%s: %s", verb, err.message);
    return result;
}

enum stf_kind read_state(reader read_it, int index, json_t **state, struct stf_err *err)
{
    json_t *id = named(NAME);
    *state = NULL;
    enum stf_kind kind = read_it(self, host(index), id, state, err);
    json_decref(id);
    return kind;
}

json_t *must_read(reader read_it, int index)
{
    struct stf_err err;
    json_t *state = NULL;
    if (read_state(read_it, index, &state, &err))
        fail_msg("read: %s", err.message);
    return state;
}

enum stf_kind write_state(writer write_it, int index, const json_t *state, struct stf_err *err)
{
    json_t *id = named(NAME);
    enum stf_kind kind = write_it(self, host(index), id, state, err);
    json_decref(id);
    return kind;
}

void must_write(writer write_it, int index, const json_t *state)
{
    struct stf_err err;
    if (write_state(write_it, index, state, &err))
        fail_msg("write: %s", err.message);
}

void expect_state(reader read_it, int index, const json_t *expected)
{
    json_t *state = must_read(read_it, index);
    char *text = json_dumps(state, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!json_equal(state, expected))
        fail_msg("read %s", text);
    free(text);
    json_decref(state);
}

void expect_not_loaded(reader read_it, int index, const json_t *document)
{
    json_t *expected = json_copy((json_t *)document);
    json_object_set_new(expected, "loaded", json_false());
    expect_state(read_it, index, expected);
    json_decref(expected);
}

void write_secret_file(const char *text, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/mail.psk", lab.dir);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
}

json_t *secret_document(void)
{
    return json_pack("{s:s, s:[s, s]}", "file", "mail.psk", "owners", "fe1", "mail");
}

void set_both_sides(void)
{
    json_t *client = connection_document("client"), *server = connection_document("server");
    json_t *secret = secret_document();
    for (int i = CLIENT; i <= SERVER; i++) {
        must_write(SET_SECRET, i, secret);
        must_write(SET_CONNECTION, i, i == CLIENT ? client : server);
    }
    json_decref(client);
    json_decref(server);
    json_decref(secret);
}

int count_files(int index)
{
    char path[160];
    int count = 0;
    snprintf(path, sizeof path, "%s/conf.d", lab.nodes[index].dir);
    DIR *dir = opendir(path);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

json_t *initiate_args(int timeout_ms)
{
    return json_pack("{s:s, s:i}", "connection", NAME, "timeout_ms", timeout_ms);
}

json_t *terminate_args(void)
{
    return json_pack("{s:s, s:b}", "connection", NAME, "force", 1);
}

void initiate(void)
{
    json_t *took = must_call(CLIENT, "ipsec.initiate", initiate_args(10000));
    assert_true(json_integer_value(json_object_get(took, "took_ms")) >= 0);
    assert_true(json_integer_value(json_object_get(took, "took_ms")) < 10000);
    json_decref(took);
}

bool swanctl_shows(int index, const char *arguments, const char *words)
{
    char *output = fixture_swanctl(&lab.nodes[index], arguments);
    bool is_shown = strstr(output, words);
    free(output);
    return is_shown;
}

void vici(int index, const char *command, struct stf_vici_message *message)
{
    struct stf_strongswan daemon;
    assert_int_equal(stf_strongswan_open(&daemon, host(index), NULL), STF_OK);
    assert_int_equal(stf_strongswan_command(&daemon, command, message, NAME, 5000, NULL, NULL), STF_OK);
    stf_strongswan_close(&daemon);
}

void unload_behind_our_back(int index)
{
    struct stf_vici_message message = {0};
    stf_vici_add_text(&message, "name", NAME);
    vici(index, "unload-conn", &message);
}

void store_by_hand(int index, const json_t *document)
{
    struct stf_durable files;
    struct stf_ipsec_engine engine = {.is_userland = true, .allow_tunnel = true};
    char dir[160];
    json_t *tree = NULL;
    snprintf(dir, sizeof dir, "%s/conf.d", lab.nodes[index].dir);
    assert_int_equal(stf_connection_render(NAME, document, &engine, &tree, NULL), STF_OK);
    char *text = stf_connection_file_text(document, tree);
    assert_int_equal(stf_durable_open(&files, dir, true, NULL), STF_OK);
    assert_int_equal(stf_durable_write(&files, NAME ".conf", text, NULL), STF_OK);
    stf_durable_close(&files);
    free(text);
    json_decref(tree);
}

/* ---------- each test begins and ends with empty daemons ---------- */

int begin(void **state)
{
    (void)state;
    write_secret_file(secret_text, 0600);
    for (int i = CLIENT; i <= SERVER; i++)
        if (!lab.nodes[i].charon && !fixture_start_charon(&lab.nodes[i]))
            return -1;
    return 0;
}

int end(void **state)
{
    json_t *null = json_null();
    (void)state;
    for (int i = CLIENT; i <= SERVER; i++) {
        struct stf_err err;
        if (write_state(SET_CONNECTION, i, null, &err) || write_state(SET_SECRET, i, null, &err)) {
            fprintf(stderr, "clearing the daemons: %s\n", err.message);
            return -1;
        }
        if (count_files(i)) {
            fprintf(stderr, "%d files were left behind\n", count_files(i));
            return -1;
        }
    }
    return 0;
}

json_t *stop_watch(json_t *watch)
{
    return must_call(CLIENT, "ipsec.watch_stop", watch);
}

bool saw(const json_t *result, const char *name, bool is_up)
{
    size_t index;
    json_t *event;
    int64_t last_ns = 0;
    bool is_seen = false;
    json_array_foreach (json_object_get(result, "events"), index, event) {
        int64_t at_ns = json_integer_value(json_object_get(event, "at_ns"));
        assert_true(at_ns >= last_ns);
        last_ns = at_ns;
        assert_string_equal(json_string_value(json_object_get(event, "connection")), NAME);
        if (strcmp(json_string_value(json_object_get(event, "event")), name) == 0 &&
            json_is_true(json_object_get(event, "is_up")) == is_up) {
            const char *child = json_string_value(json_object_get(event, "child"));
            assert_true(strncmp(name, "child", 5) != 0 || (child && strcmp(child, NAME) == 0));
            is_seen = true;
        }
    }
    return is_seen;
}

/* charon raises events on threads of its own, so the last may come after the command's answer. */
void settle(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
}

void restart(int index)
{
    fixture_stop_charon(&lab.nodes[index]);
    assert_true(fixture_start_charon(&lab.nodes[index]));
}

int lab_up(void **state)
{
    (void)state;
    self = stf_ipsec_open();
    return self && fixture_up(&lab, false) ? 0 : -1;
}

int lab_up_in_kernel(void **state)
{
    (void)state;
    self = stf_ipsec_open();
    return self && fixture_up(&lab, true) ? 0 : -1;
}

int lab_down(void **state)
{
    (void)state;
    stf_ipsec_close(self);
    fixture_down(&lab);
    return 0;
}
