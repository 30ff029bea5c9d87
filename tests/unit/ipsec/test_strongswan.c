/* test_strongswan.c - the driver on two real charon daemons: states read as written, SAs, events, and every half-way
 * state that a crash can leave. SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "strongswan_lab.h"

/* ---------- resources ---------- */

/* On the client. */
static void must_write_both(const json_t *connection, const json_t *secret)
{
    must_write(SET_CONNECTION, CLIENT, connection);
    must_write(SET_SECRET, CLIENT, secret);
}

static void expect_both(const json_t *connection, const json_t *secret)
{
    expect_state(CONNECTION, CLIENT, connection);
    expect_state(SECRET, CLIENT, secret);
}

static void test_reads_what_it_wrote(void **state)
{
    json_t *null = json_null(), *document = connection_document("client"), *secret = secret_document();
    (void)state;
    expect_both(null, null);
    for (int i = 0; i < 2; i++) { /* the second time is no change */
        must_write_both(document, secret);
        expect_both(document, secret);
    }
    assert_true(swanctl_shows(CLIENT, "--list-conns", NAME ": IKEv2"));
    assert_true(swanctl_shows(CLIENT, "--list-conns", "remote: 10.9.0.2"));
    for (int i = 0; i < 2; i++) {
        must_write_both(null, null);
        expect_both(null, null);
    }
    assert_false(swanctl_shows(CLIENT, "--list-conns", NAME));
    json_decref(document);
    json_decref(secret);
}

static void test_an_update_replaces(void **state)
{
    json_t *document = connection_document("client");
    (void)state;
    must_write(SET_CONNECTION, CLIENT, document);
    json_object_set_new(document, "remote_id", json_string("mail2"));
    json_object_set_new(document, "traffic", json_pack("[{s:s, s:[i]}]", "protocol", "tcp", "ports", 8080));
    must_write(SET_CONNECTION, CLIENT, document);
    expect_state(CONNECTION, CLIENT, document);
    assert_true(swanctl_shows(CLIENT, "--list-conns", "id: mail2"));
    assert_false(swanctl_shows(CLIENT, "--list-conns", "pop3"));
    json_decref(document);
}

static void test_a_state_that_is_not_loaded_can_be_restored(void **state)
{
    json_t *document = connection_document("client"), *secret = secret_document();
    (void)state;
    must_write_both(document, secret);
    json_object_set_new(document, "loaded", json_false());
    json_object_set_new(secret, "loaded", json_false());
    must_write_both(document, secret);
    expect_both(document, secret);
    assert_false(swanctl_shows(CLIENT, "--list-conns", NAME));
    json_decref(document);
    json_decref(secret);
}

static void test_a_restarted_daemon_is_seen_and_repaired(void **state)
{
    char arguments[256], path[128];
    json_t *document = connection_document("client"), *secret = secret_document();
    (void)state;
    must_write_both(document, secret);
    fixture_stop_charon(&lab.nodes[CLIENT]);
    assert_true(fixture_start_charon(&lab.nodes[CLIENT]));
    expect_not_loaded(CONNECTION, CLIENT, document);
    expect_not_loaded(SECRET, CLIENT, secret);

    /* swanctl, as it runs after a reboot, brings the connection back from our file */
    snprintf(path, sizeof path, "%s/swanctl.conf", lab.dir);
    FILE *file = fopen(path, "w");
    fprintf(file, "include %s/conf.d/*.conf\n", lab.nodes[CLIENT].dir);
    fclose(file);
    snprintf(arguments, sizeof arguments, "--load-conns --file %s", path);
    free(fixture_swanctl(&lab.nodes[CLIENT], arguments));
    expect_state(CONNECTION, CLIENT, document);

    must_write(SET_SECRET, CLIENT, secret);
    expect_state(SECRET, CLIENT, secret);
    json_decref(document);
    json_decref(secret);
}

/* ---------- crashes ---------- */

static void test_a_crash_between_file_and_daemon_is_repaired(void **state)
{
    json_t *before = connection_document("client"), *after = connection_document("client"), *null = json_null();
    json_object_set_new(after, "esp_proposals", json_pack("[s]", "aes256gcm16")); /* charon does not show these */
    json_t *pending = json_copy(after);
    json_object_set_new(pending, "loaded", json_false());
    (void)state;

    for (int i = 0; i < 2; i++) {
        must_write(SET_CONNECTION, CLIENT, before);
        store_by_hand(CLIENT, pending); /* what a crash of write(after) leaves */
        expect_state(CONNECTION, CLIENT, pending);
        must_write(SET_CONNECTION, CLIENT, i ? before : after);
        expect_state(CONNECTION, CLIENT, i ? before : after);
    }
    unload_behind_our_back(CLIENT); /* what a crash of write(null) leaves */
    expect_not_loaded(CONNECTION, CLIENT, before);
    must_write(SET_CONNECTION, CLIENT, null);
    expect_state(CONNECTION, CLIENT, null);
    json_decref(before);
    json_decref(after);
    json_decref(pending);
}

/* Lets a child process write `state` and kills it `delay_us` after it began. */
static void write_and_be_killed(const json_t *state, int delay_us)
{
    int fds[2];
    char byte;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        close(fds[1]); /* tells the parent, once the other end is closed too */
        write_state(SET_CONNECTION, CLIENT, state, NULL);
        _exit(0);
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 0);
    nanosleep(&(struct timespec){.tv_nsec = delay_us * 1000L}, NULL);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(fds[0]);
}

static json_t *document_with_rekey(int rekey_ms)
{
    json_t *document = connection_document("client");
    json_object_set_new(document, "esp_rekey_ms", json_integer(rekey_ms));
    return document;
}

/* What charon has, by the one member of the definition that it shows and that the driver does not compare. */
static int64_t live_rekey_ms(void)
{
    json_t *list = must_call(CLIENT, "ipsec.connections", json_object());
    const json_t *children = json_object_get(json_array_get(list, 0), "children");
    const char *seconds = json_string_value(json_object_get(json_object_get(children, NAME), "rekey_time"));
    int64_t rekey_ms = seconds ? strtoll(seconds, NULL, 10) * 1000 : -1;
    json_decref(list);
    return rekey_ms;
}

static int64_t kept_rekey_ms(const json_t *state)
{
    const json_t *rekey_ms = json_object_get(state, "esp_rekey_ms");
    return rekey_ms ? json_integer_value(rekey_ms) : -1;
}

static void test_a_kill_at_any_moment_is_repaired(void **state)
{
    json_t *targets[] = {document_with_rekey(1800000), document_with_rekey(3600000), json_null()};
    (void)state;

    for (int i = 0; i < 60; i++) {
        const json_t *target = targets[i % 3];
        write_and_be_killed(target, i * 50);
        json_t *found = must_read(CONNECTION, CLIENT);
        if (!json_object_get(found, "loaded"))
            assert_int_equal(live_rekey_ms(), kept_rekey_ms(found));
        json_decref(found);
        must_write(SET_CONNECTION, CLIENT, target);
        expect_state(CONNECTION, CLIENT, target);
        assert_int_equal(live_rekey_ms(), kept_rekey_ms(target));
    }
    json_decref(targets[0]);
    json_decref(targets[1]);
}

/* ---------- what is not ours ---------- */

static void test_a_foreign_connection_is_a_conflict(void **state)
{
    struct stf_vici_message message = {0};
    struct stf_err err;
    json_t *document = connection_document("client"), *found = NULL;
    (void)state;
    stf_vici_begin_section(&message, NAME);
    stf_vici_end_section(&message);
    vici(CLIENT, "load-conn", &message);
    assert_int_equal(read_state(CONNECTION, CLIENT, &found, &err), STF_CONFLICT);
    assert_non_null(strstr(err.message, "did not load"));
    assert_int_equal(write_state(SET_CONNECTION, CLIENT, document, &err), STF_CONFLICT);
    assert_int_equal(count_files(CLIENT), 0);
    unload_behind_our_back(CLIENT);
    json_decref(document);
}

static void test_a_foreign_secret_is_a_conflict(void **state)
{
    struct stf_vici_message message = {0}, unload = {0};
    struct stf_err err;
    json_t *found = NULL;
    (void)state;
    stf_vici_add_text(&message, "id", NAME);
    stf_vici_add_text(&message, "type", "IKE");
    stf_vici_add_text(&message, "data", "x");
    vici(CLIENT, "load-shared", &message);
    assert_int_equal(read_state(SECRET, CLIENT, &found, &err), STF_CONFLICT);
    stf_vici_add_text(&unload, "id", NAME);
    vici(CLIENT, "unload-shared", &unload);
}

static void test_an_edited_file_is_a_conflict(void **state)
{
    char path[192];
    struct stf_err err;
    json_t *document = connection_document("client"), *found = NULL;
    (void)state;
    must_write(SET_CONNECTION, CLIENT, document);
    snprintf(path, sizeof path, "%s/conf.d/" NAME ".conf", lab.nodes[CLIENT].dir);
    FILE *file = fopen(path, "a");
    fputs("# a note of the operator's\n", file);
    fclose(file);
    assert_int_equal(read_state(CONNECTION, CLIENT, &found, &err), STF_CONFLICT);
    assert_non_null(strstr(err.message, "edited"));
    assert_int_equal(write_state(SET_CONNECTION, CLIENT, document, &err), STF_CONFLICT);
    store_by_hand(CLIENT, document);
    expect_state(CONNECTION, CLIENT, document);
    json_decref(document);
}

static void test_other_names_are_never_touched(void **state)
{
    static const struct {
        const char *name;
        enum stf_kind kind;
    } cases[] = {{"mail", STF_DENIED},
                 {"", STF_DENIED},
                 {"staffetta-", STF_INVALID_DATA},
                 {"staffetta-../../x", STF_INVALID_DATA},
                 {"staffetta-a b", STF_INVALID_DATA},
                 {"staffetta-0123456789012345678901234567890123456789012345678901234", STF_INVALID_DATA}};
    json_t *document = connection_document("client"), *secret = secret_document(), *found = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *id = named(cases[i].name);
        assert_int_equal(CONNECTION(self, host(CLIENT), id, &found, NULL), cases[i].kind);
        assert_int_equal(SET_CONNECTION(self, host(CLIENT), id, document, NULL), cases[i].kind);
        assert_int_equal(SET_SECRET(self, host(CLIENT), id, secret, NULL), cases[i].kind);
        assert_int_equal(call(CLIENT, "ipsec.initiate", json_pack("{s:s}", "connection", cases[i].name), &found, NULL),
                         cases[i].kind);
        assert_int_equal(call(CLIENT, "ipsec.terminate", json_pack("{s:s}", "connection", cases[i].name), &found, NULL),
                         cases[i].kind);
        json_decref(id);
    }
    json_decref(document);
    json_decref(secret);
}

/* ---------- secrets ---------- */

static void expect_secret_refused(enum stf_kind kind, const char *words)
{
    struct stf_err err;
    json_t *secret = secret_document();
    assert_int_equal(write_state(SET_SECRET, CLIENT, secret, &err), kind);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
    assert_null(strstr(err.message, "horse"));
    assert_int_equal(count_files(CLIENT), 0);
    json_decref(secret);
}

static void test_a_secret_file_must_be_private_and_sensible(void **state)
{
    char large[16386], path[128];
    (void)state;
    write_secret_file(secret_text, 0640);
    expect_secret_refused(STF_DENIED, "chmod 600");
    write_secret_file("\n", 0600);
    expect_secret_refused(STF_INVALID_DATA, "empty");
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    write_secret_file(large, 0600);
    expect_secret_refused(STF_INVALID_DATA, "over 16384 bytes");
    snprintf(path, sizeof path, "%s/mail.psk", lab.dir);
    unlink(path);
    expect_secret_refused(STF_NOT_FOUND, "mail.psk");
}

static void test_a_secret_document_is_checked(void **state)
{
    struct stf_err err;
    json_t *bad[] = {json_object(),
                     json_pack("{s:s, s:[]}", "file", "mail.psk", "owners"),
                     json_pack("{s:s, s:[s]}", "file", "", "owners", "fe1"),
                     json_pack("{s:s, s:[s]}", "file", "mail.psk", "owners", "a b"),
                     json_pack("{s:s, s:[s], s:s}", "file", "mail.psk", "owners", "fe1", "secret", "in the clear"),
                     json_pack("{s:s, s:[s], s:b}", "file", "mail.psk", "owners", "fe1", "loaded", 1)};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(write_state(SET_SECRET, CLIENT, bad[i], &err), STF_INVALID_DATA);
        assert_null(strstr(err.message, "in the clear"));
        json_decref(bad[i]);
    }
}

static void test_the_secret_is_in_no_file(void **state)
{
    char command[256];
    (void)state;
    set_both_sides();
    snprintf(command, sizeof command, "grep -rq horse %s/conf.d", lab.nodes[CLIENT].dir);
    assert_int_equal(WEXITSTATUS(system(command)), 1);
}

/* ---------- associations ---------- */

static const json_t *first_child(const json_t *sas)
{
    return json_array_get(json_object_get(json_array_get(sas, 0), "children"), 0);
}

static void test_initiate_makes_an_association(void **state)
{
    (void)state;
    set_both_sides();
    initiate();
    json_t *client = must_call(CLIENT, "ipsec.sas", json_object());
    json_t *server = must_call(SERVER, "ipsec.sas", json_object());
    assert_int_equal(json_array_size(client), 1);
    assert_int_equal(json_array_size(server), 1);
    const json_t *sa = json_array_get(client, 0), *ours = first_child(client), *theirs = first_child(server);
    assert_string_equal(json_string_value(json_object_get(sa, "connection")), NAME);
    assert_string_equal(json_string_value(json_object_get(sa, "state")), "ESTABLISHED");
    assert_string_equal(json_string_value(json_object_get(sa, "remote_address")), "10.9.0.2");
    assert_true(json_is_true(json_object_get(sa, "initiator")));
    assert_true(json_is_false(json_object_get(json_array_get(server, 0), "initiator")));
    assert_string_equal(json_string_value(json_object_get(ours, "name")), NAME);
    assert_string_equal(json_string_value(json_object_get(ours, "state")), "INSTALLED");
    assert_string_equal(json_string_value(json_object_get(ours, "mode")), "TUNNEL");
    assert_true(json_equal(json_object_get(ours, "spi_in"), json_object_get(theirs, "spi_out")));
    assert_true(json_is_integer(json_object_get(ours, "bytes_in")));
    assert_int_equal(json_array_size(json_object_get(ours, "remote_ts")), 2);
    assert_true(swanctl_shows(CLIENT, "--list-sas", json_string_value(json_object_get(ours, "spi_in"))));
    json_decref(client);
    json_decref(server);
}

/* As with a peer that has no IKEv2: main mode finds a pre-shared key by address (RFC 2409, 5.4), so those are the
 * identities. */
static void test_ikev1_makes_an_association_for_each_port(void **state)
{
    json_t *secret = json_pack("{s:s, s:[s, s]}", "file", "mail.psk", "owners", "10.9.0.1", "10.9.0.2");
    (void)state;
    for (int i = CLIENT; i <= SERVER; i++) {
        json_t *document = connection_document(i == CLIENT ? "client" : "server");
        json_object_set_new(document, "version", json_integer(1));
        json_object_set_new(document, "ike_proposals", json_pack("[s]", "aes128-sha256-ecp256-modp2048"));
        json_object_set(document, "local_id", json_object_get(document, "local_address"));
        json_object_set(document, "remote_id", json_object_get(document, "remote_address"));
        must_write(SET_SECRET, i, secret);
        must_write(SET_CONNECTION, i, document);
        expect_state(CONNECTION, i, document);
        json_decref(document);
    }
    initiate();
    for (int i = CLIENT; i <= SERVER; i++) {
        json_t *sas = must_call(i, "ipsec.sas", json_object()), *child;
        const json_t *children = json_object_get(json_array_get(sas, 0), "children");
        size_t index;
        assert_int_equal(json_array_size(sas), 1);
        assert_int_equal(json_array_size(children), 2);
        json_array_foreach (children, index, child)
            assert_string_equal(json_string_value(json_object_get(child, "state")), "INSTALLED");
        json_decref(sas);
        assert_true(swanctl_shows(i, "--list-sas", "ESTABLISHED, IKEv1"));
        assert_true(swanctl_shows(i, "--list-sas", "[tcp/pop3]"));
        assert_true(swanctl_shows(i, "--list-sas", "[tcp/imap2]"));
    }
    json_decref(secret);
}

static void test_terminate_counts(void **state)
{
    (void)state;
    set_both_sides();
    for (int expected = 0; expected < 2; expected++) {
        if (expected)
            initiate();
        json_t *result = must_call(CLIENT, "ipsec.terminate", terminate_args());
        assert_int_equal(json_integer_value(json_object_get(result, "terminated")), expected);
        json_decref(result);
    }
    json_t *sas = must_call(CLIENT, "ipsec.sas", json_object());
    assert_int_equal(json_array_size(sas), 0);
    json_decref(sas);
}

static void test_removal_ends_the_associations(void **state)
{
    json_t *null = json_null();
    (void)state;
    set_both_sides();
    initiate();
    must_write(SET_CONNECTION, CLIENT, null);
    json_t *sas = must_call(CLIENT, "ipsec.sas", json_object());
    assert_int_equal(json_array_size(sas), 0);
    json_decref(sas);
}

static void test_removal_tells_the_peer(void **state)
{
    json_t *null = json_null(), *sas = NULL;
    (void)state;
    set_both_sides();
    initiate();
    must_write(SET_CONNECTION, CLIENT, null);
    for (int i = 0; i < 100; i++) {
        json_decref(sas);
        sas = must_call(SERVER, "ipsec.sas", json_object());
        if (json_array_size(sas) == 0)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    assert_int_equal(json_array_size(sas), 0);
    json_decref(sas);
}

static void test_a_dead_peer_needs_force(void **state)
{
    struct stf_err err;
    json_t *result = NULL;
    (void)state;
    set_both_sides();
    initiate();
    fixture_stop_charon(&lab.nodes[SERVER]);
    json_t *args = json_pack("{s:s, s:i}", "connection", NAME, "timeout_ms", 200);
    assert_int_equal(call(CLIENT, "ipsec.terminate", args, &result, &err), STF_TIMEOUT);
    assert_non_null(strstr(err.message, "by force"));
    result = must_call(CLIENT, "ipsec.terminate", terminate_args());
    assert_int_equal(json_integer_value(json_object_get(result, "terminated")), 1);
    json_decref(result);
    json_t *sas = must_call(CLIENT, "ipsec.sas", json_object());
    assert_int_equal(json_array_size(sas), 0);
    json_decref(sas);
    assert_true(fixture_start_charon(&lab.nodes[SERVER]));
}

static void test_removal_does_not_wait_for_a_dead_peer(void **state)
{
    json_t *null = json_null();
    (void)state;
    set_both_sides();
    initiate();
    fixture_stop_charon(&lab.nodes[SERVER]);
    must_write(SET_CONNECTION, CLIENT, null);
    json_t *sas = must_call(CLIENT, "ipsec.sas", json_object());
    assert_int_equal(json_array_size(sas), 0);
    json_decref(sas);
    assert_true(fixture_start_charon(&lab.nodes[SERVER]));
}

static void test_initiate_says_why_it_failed(void **state)
{
    struct stf_err err;
    json_t *result = NULL, *secret = secret_document();
    (void)state;
    assert_int_equal(call(CLIENT, "ipsec.initiate", initiate_args(1000), &result, &err), STF_NOT_FOUND);
    set_both_sides();
    write_secret_file("another secret", 0600);
    must_write(SET_SECRET, CLIENT, secret);
    assert_int_equal(call(CLIENT, "ipsec.initiate", initiate_args(5000), &result, &err), STF_DENIED);
    assert_non_null(strstr(err.message, "AUTHENTICATION_FAILED"));
    fixture_stop_charon(&lab.nodes[SERVER]);
    assert_int_equal(call(CLIENT, "ipsec.initiate", initiate_args(300), &result, &err), STF_TIMEOUT);
    assert_true(fixture_start_charon(&lab.nodes[SERVER]));
    json_decref(secret);
}

/* ---------- watches ---------- */

static void test_a_watch_sees_up_rekey_and_down(void **state)
{
    struct stf_vici_message rekey = {0};
    (void)state;
    set_both_sides();
    json_t *watch = must_call(CLIENT, "ipsec.watch_start", json_object());
    initiate();
    stf_vici_add_text(&rekey, "child", NAME);
    vici(CLIENT, "rekey", &rekey);
    settle();
    json_decref(must_call(CLIENT, "ipsec.terminate", terminate_args()));
    settle();
    json_t *result = stop_watch(watch);
    assert_true(saw(result, "ike-updown", true));
    assert_true(saw(result, "child-updown", true));
    assert_true(saw(result, "child-rekey", true));
    assert_true(saw(result, "child-updown", false));
    assert_true(saw(result, "ike-updown", false));
    assert_int_equal(json_integer_value(json_object_get(result, "dropped")), 0);
    assert_true(json_is_null(json_object_get(result, "ended_early")));
    assert_true(json_is_null(json_object_get(result, "ended_ns")));
    json_decref(result);
}

static void test_a_watch_tells_that_the_daemon_died(void **state)
{
    (void)state;
    json_t *watch = must_call(CLIENT, "ipsec.watch_start", json_object());
    int64_t begun_ns = stf_clock_ns();
    fixture_stop_charon(&lab.nodes[CLIENT]);
    settle();
    int64_t settled_ns = stf_clock_ns();
    json_t *result = stop_watch(watch);
    assert_in_range(json_integer_value(json_object_get(result, "ended_ns")), begun_ns, settled_ns);
    assert_non_null(strstr(json_string_value(json_object_get(result, "ended_early")), "closed the connection"));
    json_decref(result);
    assert_true(fixture_start_charon(&lab.nodes[CLIENT]));
}

static void test_a_watch_can_be_stopped_once(void **state)
{
    struct stf_err err;
    json_t *result = NULL, *watch = must_call(CLIENT, "ipsec.watch_start", json_object());
    json_decref(stop_watch(json_incref(watch)));
    assert_int_equal(call(CLIENT, "ipsec.watch_stop", watch, &result, &err), STF_NOT_FOUND);
    (void)state;
    json_decref(must_call(CLIENT, "ipsec.watch_start", json_object())); /* the binding's close ends this one */
}

/* ---------- the daemon ---------- */

static void test_facts_of_the_daemon(void **state)
{
    json_t *version = must_call(CLIENT, "ipsec.version", json_object());
    json_t *stats = must_call(CLIENT, "ipsec.stats", json_object());
    json_t *found = must_call(CLIENT, "ipsec.capabilities", json_object());
    json_t *expected = json_pack("{s:s, s:[s]}", "engine", "userland", "modes", "tunnel");
    (void)state;
    assert_string_equal(json_string_value(json_object_get(version, "daemon")), "charon-systemd");
    assert_true(json_array_size(json_object_get(stats, "plugins")) > 5);
    assert_true(json_equal(found, expected));
    json_decref(version);
    json_decref(stats);
    json_decref(found);
    json_decref(expected);
}

static void test_connections_are_listed(void **state)
{
    (void)state;
    set_both_sides();
    json_t *list = must_call(SERVER, "ipsec.connections", json_object());
    assert_int_equal(json_array_size(list), 1);
    const json_t *connection = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(connection, "name")), NAME);
    assert_string_equal(json_string_value(json_object_get(connection, "version")), "IKEv2");
    json_decref(list);
}

static void test_transport_needs_leave_here(void **state)
{
    struct stf_err err;
    json_t *document = connection_document("client"), *ipsec = json_object_get(lab.nodes[CLIENT].config, "ipsec");
    (void)state;
    json_object_set_new(ipsec, "allow_tunnel", json_false());
    enum stf_kind kind = write_state(SET_CONNECTION, CLIENT, document, &err);
    json_object_set_new(ipsec, "allow_tunnel", json_true());
    assert_int_equal(kind, STF_UNSUPPORTED);
    assert_int_equal(count_files(CLIENT), 0);
    json_decref(document);
}

static void test_the_daemon_refuses_a_proposal(void **state)
{
    struct stf_err err;
    json_t *document = connection_document("client"), *null = json_null();
    (void)state;
    json_object_set_new(document, "ike_proposals", json_pack("[s]", "bogus"));
    assert_int_equal(write_state(SET_CONNECTION, CLIENT, document, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "proposals"));
    expect_not_loaded(CONNECTION, CLIENT, document); /* the undo sees that this is not what was there before */
    must_write(SET_CONNECTION, CLIENT, null);
    json_decref(document);
}

static void expect_host_error(json_t *config, enum stf_kind kind, const char *words)
{
    struct stf_err err;
    struct stf_host other = lab.nodes[CLIENT].host;
    json_t *id = named(NAME), *found = NULL;
    other.config = config;
    assert_int_equal(CONNECTION(self, &other, id, &found, &err), kind);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
    json_decref(id);
    json_decref(config);
}

static void test_host_configuration_errors(void **state)
{
    const char *socket = lab.nodes[CLIENT].socket;
    (void)state;
    expect_host_error(json_object(), STF_INVALID_DATA, "no ipsec.vici in site.lua");
    expect_host_error(json_pack("{s:{s:s}}", "ipsec", "vici", socket), STF_INVALID_DATA, "no ipsec.conf_dir");
    expect_host_error(json_pack("{s:{s:s, s:s}}", "ipsec", "vici", socket, "conf_dir", "/nonexistent"), STF_NOT_FOUND,
                      "/nonexistent");
    expect_host_error(json_pack("{s:{s:s, s:s}}", "ipsec", "vici", "/nonexistent/vici", "conf_dir", "/tmp"),
                      STF_UNREACHABLE, "is it running");
}

static void test_verbs_refuse_unknown_members(void **state)
{
    struct stf_err err;
    json_t *result = NULL;
    (void)state;
    assert_int_equal(call(CLIENT, "ipsec.sas", json_pack("{s:i}", "x", 1), &result, &err), STF_INVALID_DATA);
    assert_int_equal(call(CLIENT, "ipsec.initiate", json_object(), &result, &err), STF_INVALID_DATA);
    assert_int_equal(
        call(CLIENT, "ipsec.terminate", json_pack("{s:s, s:i}", "connection", NAME, "timeout", 1), &result, &err),
        STF_INVALID_DATA);
}

static void test_descriptions(void **state)
{
    json_t *id = named(NAME), *document = connection_document("server"), *secret = secret_document();
    char *texts[] = {stf_ipsec_connection_describe(id, NULL),        stf_ipsec_connection_describe(id, document),
                     stf_ipsec_connection_describe(id, json_null()), stf_ipsec_secret_describe(id, NULL),
                     stf_ipsec_secret_describe(id, secret),          stf_ipsec_secret_describe(id, json_null())};
    static const char *const expected[] = {"connection staffetta-mail",
                                           "server 10.9.0.2 -> 10.9.0.1 tcp/110,143 require, transport",
                                           "absent",
                                           "secret staffetta-mail",
                                           "from mail.psk",
                                           "absent"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_string_equal(texts[i], expected[i]);
        free(texts[i]);
    }
    json_decref(id);
    json_decref(document);
    json_decref(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_LAB(test_reads_what_it_wrote),
        IN_LAB(test_an_update_replaces),
        IN_LAB(test_a_state_that_is_not_loaded_can_be_restored),
        IN_LAB(test_a_restarted_daemon_is_seen_and_repaired),
        IN_LAB(test_a_crash_between_file_and_daemon_is_repaired),
        IN_LAB(test_a_kill_at_any_moment_is_repaired),
        IN_LAB(test_a_foreign_connection_is_a_conflict),
        IN_LAB(test_a_foreign_secret_is_a_conflict),
        IN_LAB(test_an_edited_file_is_a_conflict),
        IN_LAB(test_other_names_are_never_touched),
        IN_LAB(test_a_secret_file_must_be_private_and_sensible),
        IN_LAB(test_a_secret_document_is_checked),
        IN_LAB(test_the_secret_is_in_no_file),
        IN_LAB(test_initiate_makes_an_association),
        IN_LAB(test_ikev1_makes_an_association_for_each_port),
        IN_LAB(test_terminate_counts),
        IN_LAB(test_removal_ends_the_associations),
        IN_LAB(test_removal_tells_the_peer),
        IN_LAB(test_a_dead_peer_needs_force),
        IN_LAB(test_removal_does_not_wait_for_a_dead_peer),
        IN_LAB(test_initiate_says_why_it_failed),
        IN_LAB(test_a_watch_sees_up_rekey_and_down),
        IN_LAB(test_a_watch_tells_that_the_daemon_died),
        IN_LAB(test_a_watch_can_be_stopped_once),
        IN_LAB(test_facts_of_the_daemon),
        IN_LAB(test_connections_are_listed),
        IN_LAB(test_transport_needs_leave_here),
        IN_LAB(test_the_daemon_refuses_a_proposal),
        IN_LAB(test_host_configuration_errors),
        IN_LAB(test_verbs_refuse_unknown_members),
        IN_LAB(test_descriptions),
    };
    const char *obstacle = fixture_obstacle();
    if (obstacle) {
        printf("SKIP: %s\n", obstacle);
        return 0;
    }
    return cmocka_run_group_tests(tests, lab_up, lab_down);
}
