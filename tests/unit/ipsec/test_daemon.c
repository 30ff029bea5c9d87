/* test_daemon.c - a charon that is restarted and gets its connections, secrets and keys back; certificates; and what
 * else charon tells. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipsec/daemon_resource.h"
#include "strongswan_lab.h"

/* ---------- a restarted daemon ---------- */

/* What the reload says that it skipped, a new reference. */
static json_t *expect_reload(int index, int connections, int secrets)
{
    json_t *outcome = must_call(index, "ipsec.reload", json_object());
    char *text = json_dumps(outcome, JSON_COMPACT);
    if (json_integer_value(json_object_get(outcome, "connections")) != connections ||
        json_integer_value(json_object_get(outcome, "secrets")) != secrets)
        fail_msg("%s", text);
    json_t *skipped = json_incref(json_object_get(outcome, "skipped"));
    free(text);
    json_decref(outcome);
    return skipped;
}

static void expect_reload_of_all(int index, int connections, int secrets)
{
    json_t *skipped = expect_reload(index, connections, secrets);
    assert_int_equal(json_array_size(skipped), 0);
    json_decref(skipped);
}

static void test_a_reload_brings_the_policy_back(void **state)
{
    json_t *client = connection_document("client"), *secret = secret_document();
    (void)state;
    set_both_sides();
    expect_reload_of_all(CLIENT, 0, 0); /* nothing was lost */
    for (int i = CLIENT; i <= SERVER; i++)
        restart(i);
    expect_not_loaded(CONNECTION, CLIENT, client);
    expect_not_loaded(SECRET, CLIENT, secret);
    for (int i = CLIENT; i <= SERVER; i++)
        expect_reload_of_all(i, 1, 1);
    expect_state(CONNECTION, CLIENT, client);
    expect_state(SECRET, CLIENT, secret);
    assert_true(swanctl_shows(CLIENT, "--list-conns", NAME ": IKEv2"));
    initiate();
    expect_reload_of_all(CLIENT, 0, 0);
    assert_true(swanctl_shows(CLIENT, "--list-sas", "INSTALLED")); /* and a reload ends no SA */
    json_decref(client);
    json_decref(secret);
}

static void test_a_reload_names_what_it_could_not_load(void **state)
{
    json_t *document = connection_document("client"), *pending = json_copy(document);
    char path[192];
    (void)state;
    set_both_sides();
    json_object_set_new(pending, "loaded", json_false());
    store_by_hand(CLIENT, pending);
    restart(CLIENT);
    write_secret_file(secret_text, 0644);
    json_t *skipped = expect_reload(CLIENT, 0, 0);
    assert_int_equal(json_array_size(skipped), 2);
    const char *secret = json_string_value(json_object_get(json_array_get(skipped, 0), "reason"));
    const char *connection = json_string_value(json_object_get(json_array_get(skipped, 1), "reason"));
    assert_non_null(strstr(secret, "chmod 600"));
    assert_non_null(strstr(connection, "written half"));
    json_decref(skipped);
    expect_not_loaded(CONNECTION, CLIENT, document);

    store_by_hand(CLIENT, document);
    snprintf(path, sizeof path, "%s/conf.d/" NAME ".conf", lab.nodes[CLIENT].dir);
    FILE *file = fopen(path, "a");
    fputs("# edited\n", file);
    fclose(file);
    write_secret_file(secret_text, 0600);
    skipped = expect_reload(CLIENT, 0, 1);
    assert_int_equal(json_array_size(skipped), 1);
    assert_non_null(strstr(json_string_value(json_object_get(json_array_get(skipped, 0), "reason")), "edited"));
    json_decref(skipped);
    store_by_hand(CLIENT, document);
    expect_reload_of_all(CLIENT, 1, 0);
    json_decref(document);
    json_decref(pending);
}

/* A call that meets a daemon which is down fails at once and says that trying again may help; then it does. */
static void test_a_restart_is_an_error_that_can_be_retried(void **state)
{
    struct stf_err err;
    struct stf_strongswan daemon;
    json_t *result = NULL;
    (void)state;
    assert_int_equal(stf_strongswan_open(&daemon, host(CLIENT), NULL), STF_OK);
    fixture_stop_charon(&lab.nodes[CLIENT]);
    assert_int_equal(stf_vici_request(daemon.client, "version", NULL, 1000, &result, &err), STF_UNREACHABLE);
    assert_true(err.is_retryable);
    stf_strongswan_close(&daemon);
    assert_int_equal(call(CLIENT, "ipsec.version", json_object(), &result, &err), STF_UNREACHABLE);
    assert_true(err.is_retryable);
    assert_non_null(strstr(err.message, "is it running"));
    assert_true(fixture_start_charon(&lab.nodes[CLIENT]));
    json_decref(must_call(CLIENT, "ipsec.version", json_object()));
}

/* ---------- certificates ---------- */

/* A certificate authority, and a key and a certificate for each end, in the site's folder. */
static void make_certificates(void)
{
    static const char script[] =
        "cd %s && exec 2>openssl.out && "
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test-ca "
        "-keyout ca.key -out ca.pem && "
        "for id in fe1 mail; do "
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=$id -keyout $id.pkcs8 "
        "-out $id.csr && openssl ec -in $id.pkcs8 -out $id.key && chmod 600 $id.key && "
        "printf 'subjectAltName=DNS:%%s\\n' $id >$id.ext && "
        "openssl x509 -req -in $id.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $id.ext "
        "-out $id.pem || exit 1; done";
    char command[sizeof script + sizeof lab.dir];
    snprintf(command, sizeof command, script, lab.dir);
    assert_int_equal(system(command), 0);
}

static json_t *with_certificate(const char *side)
{
    json_t *document = connection_document(side);
    json_object_set_new(document, "auth",
                        json_pack("{s:s, s:s, s:s}", "method", "certificate", "certificate",
                                  side[0] == 'c' ? "fe1.pem" : "mail.pem", "ca", "ca.pem"));
    return document;
}

static json_t *key_document(int index)
{
    return json_pack("{s:s, s:s}", "kind", "private_key", "file", index == CLIENT ? "fe1.key" : "mail.key");
}

static size_t count_keys(int index)
{
    json_t *loaded = must_call(index, "ipsec.loaded", json_object());
    size_t count = json_array_size(json_object_get(loaded, "keys"));
    json_decref(loaded);
    return count;
}

static void test_certificates_authenticate_and_come_back(void **state)
{
    json_t *null = json_null();
    (void)state;
    make_certificates();
    for (int i = CLIENT; i <= SERVER; i++) {
        json_t *document = with_certificate(i == CLIENT ? "client" : "server"), *key = key_document(i);
        must_write(SET_SECRET, i, key);
        must_write(SET_CONNECTION, i, document);
        expect_state(SECRET, i, key);
        expect_state(CONNECTION, i, document);
        assert_int_equal(count_keys(i), 1);
        json_decref(document);
        json_decref(key);
    }
    initiate();
    assert_true(swanctl_shows(CLIENT, "--list-sas", "INSTALLED"));
    assert_true(swanctl_shows(CLIENT, "--list-conns", "remote public key authentication"));
    json_t *certificates = must_call(CLIENT, "ipsec.certificates", json_object());
    assert_int_equal(json_array_size(certificates), 3); /* its own, the authority's, the peer's */
    size_t with_key = 0;
    for (size_t i = 0; i < 3; i++)
        with_key += json_is_true(json_object_get(json_array_get(certificates, i), "has_private_key"));
    assert_int_equal(with_key, 1);
    json_decref(certificates);

    for (int i = CLIENT; i <= SERVER; i++) {
        restart(i);
        assert_int_equal(count_keys(i), 0);
        expect_reload_of_all(i, 1, 1);
        expect_reload_of_all(i, 0, 0);
    }
    initiate();
    assert_true(swanctl_shows(CLIENT, "--list-sas", "INSTALLED"));
    for (int i = CLIENT; i <= SERVER; i++) {
        must_write(SET_SECRET, i, null);
        assert_int_equal(count_keys(i), 0);
    }
}

static void test_a_private_key_is_replaced_and_never_noted(void **state)
{
    char command[512];
    struct stf_err err;
    json_t *key = key_document(CLIENT), *pending = json_copy(key), *secret = secret_document();
    (void)state;
    make_certificates();
    must_write(SET_SECRET, CLIENT, key);
    snprintf(command, sizeof command, "! grep -rq 'PRIVATE KEY' %s/conf.d && cp -p %s/mail.key %s/fe1.key",
             lab.nodes[CLIENT].dir, lab.dir, lab.dir);
    assert_int_equal(system(command), 0);
    must_write(SET_SECRET, CLIENT, key); /* another key in the same file */
    assert_int_equal(count_keys(CLIENT), 1);
    must_write(SET_SECRET, CLIENT, secret); /* and a pre-shared one in its place */
    assert_int_equal(count_keys(CLIENT), 0);
    expect_state(SECRET, CLIENT, secret);
    must_write(SET_SECRET, CLIENT, key);
    json_t *loaded = must_call(CLIENT, "ipsec.loaded", json_object());
    assert_int_equal(json_array_size(json_object_get(loaded, "secrets")), 0);
    json_decref(loaded);

    json_object_set_new(pending, "loaded", json_false()); /* what a crash leaves */
    must_write(SET_SECRET, CLIENT, pending);
    assert_int_equal(count_keys(CLIENT), 0);
    expect_state(SECRET, CLIENT, pending);
    must_write(SET_SECRET, CLIENT, key);
    expect_state(SECRET, CLIENT, key);

    snprintf(command, sizeof command, "echo rubbish >%s/fe1.key", lab.dir);
    assert_int_equal(system(command), 0);
    enum stf_kind kind = write_state(SET_SECRET, CLIENT, key, &err);
    assert_true(kind == STF_DENIED || kind == STF_INVALID_DATA);
    assert_null(strstr(err.message, "rubbish"));
    json_t *null = json_null();
    must_write(SET_SECRET, CLIENT, null); /* charon does not have it, so it can go */
    expect_state(SECRET, CLIENT, null);
    assert_int_equal(count_keys(CLIENT), 0);
    json_decref(key);
    json_decref(pending);
    json_decref(secret);
}

static void test_a_certificate_must_be_there_and_be_one(void **state)
{
    char path[128];
    struct stf_err err;
    json_t *document = with_certificate("client");
    (void)state;
    make_certificates();
    snprintf(path, sizeof path, "%s/fe1.pem", lab.dir);
    unlink(path);
    assert_int_equal(write_state(SET_CONNECTION, CLIENT, document, &err), STF_NOT_FOUND);
    assert_non_null(strstr(err.message, "fe1.pem"));
    FILE *file = fopen(path, "w");
    fputs("no certificate", file);
    fclose(file);
    assert_int_equal(write_state(SET_CONNECTION, CLIENT, document, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "PEM"));
    assert_int_equal(count_files(CLIENT), 0); /* nothing was begun */
    file = fopen(path, "w");
    fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", file);
    fclose(file);
    assert_int_equal(write_state(SET_CONNECTION, CLIENT, document, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "charon refused 'load-conn'"));
    json_decref(document);
}

/* ---------- what else charon tells and does ---------- */

static void test_counters_count_messages(void **state)
{
    struct stf_err err;
    json_t *result = NULL;
    (void)state;
    restart(CLIENT); /* it counts from its start */
    set_both_sides();
    initiate();
    json_t *of_connection = must_call(CLIENT, "ipsec.counters", json_pack("{s:s}", "connection", NAME));
    json_t *of_all = must_call(CLIENT, "ipsec.counters", json_object());
    assert_true(json_integer_value(json_object_get(of_connection, "ike_init_out_req")) >= 1);
    assert_true(json_integer_value(json_object_get(of_connection, "ike_auth_in_resp")) >= 1);
    assert_true(json_equal(of_connection, of_all)); /* the only connection there is */
    json_decref(of_connection);
    json_decref(of_all);
    assert_int_equal(call(CLIENT, "ipsec.counters", json_pack("{s:s}", "connection", "none"), &result, &err),
                     STF_NOT_FOUND);
}

static void test_loaded_names_everything(void **state)
{
    (void)state;
    set_both_sides();
    json_t *expected = json_pack("{s:[s], s:[s], s:[]}", "connections", NAME, "secrets", NAME, "keys");
    json_t *loaded = must_call(CLIENT, "ipsec.loaded", json_object());
    assert_true(json_equal(loaded, expected));
    json_decref(loaded);
    json_decref(expected);
}

static void test_rekey_makes_new_keys(void **state)
{
    struct stf_err err;
    json_t *result = NULL;
    (void)state;
    set_both_sides();
    assert_int_equal(call(CLIENT, "ipsec.rekey", json_pack("{s:s}", "connection", NAME), &result, &err), STF_NOT_FOUND);
    initiate();
    json_t *watch = must_call(CLIENT, "ipsec.watch_start", json_object());
    json_t *outcome = must_call(CLIENT, "ipsec.rekey", json_pack("{s:s}", "connection", NAME));
    assert_int_equal(json_integer_value(json_object_get(outcome, "matches")), 1);
    settle();
    json_t *seen = stop_watch(watch);
    assert_true(saw(seen, "child-rekey", true));
    json_decref(seen);
    json_decref(outcome);
}

static void test_a_watch_with_the_log(void **state)
{
    size_t index;
    json_t *event;
    bool is_seen = false;
    (void)state;
    set_both_sides();
    json_t *watch = must_call(CLIENT, "ipsec.watch_start", json_pack("{s:b}", "log", 1));
    initiate();
    settle();
    json_t *result = stop_watch(watch);
    json_array_foreach (json_object_get(result, "events"), index, event) {
        const char *text = json_string_value(json_object_get(event, "text"));
        if (text && strstr(text, "IKE_SA " NAME) && strstr(text, "established")) {
            assert_string_equal(json_string_value(json_object_get(event, "event")), "log");
            assert_string_equal(json_string_value(json_object_get(event, "connection")), NAME);
            assert_string_equal(json_string_value(json_object_get(event, "group")), "IKE");
            is_seen = true;
        }
    }
    assert_true(is_seen);
    json_decref(result);
}

/* ---------- a daemon that a drill ends ---------- */

static enum stf_kind set_daemon(const json_t *id, bool is_running, struct stf_err *err)
{
    json_t *state = json_pack("{s:b}", "is_running", is_running);
    enum stf_kind kind = stf_ipsec_daemon_write(self, host(CLIENT), id, state, err);
    json_decref(state);
    return kind;
}

static void expect_daemon(const json_t *id, const char *expected)
{
    struct stf_err err;
    json_t *state = NULL;
    assert_int_equal(stf_ipsec_daemon_read(self, host(CLIENT), id, &state, &err), STF_OK);
    char *text = json_dumps(state, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, expected);
    free(text);
    json_decref(state);
}

/* The daemon of the site's command is not the fixture's: it goes, and the fixture's comes back. */
static void give_back(const json_t *id)
{
    struct stf_err err;
    assert_int_equal(set_daemon(id, false, &err), STF_OK);
    json_object_del(json_object_get(lab.nodes[CLIENT].config, "ipsec"), "start");
    restart(CLIENT);
}

static void test_an_ended_daemon_comes_back_with_all_it_had(void **state)
{
    static const char *const signals[] = {"KILL", "TERM"};
    json_t *document = connection_document("client"), *secret = secret_document();
    const char *dir = lab.nodes[CLIENT].dir;
    json_t *start = json_pack("[s, s, o]", "sh", "-c",
                              json_sprintf("STRONGSWAN_CONF=%s/strongswan.conf setsid --fork /usr/sbin/charon-systemd "
                                           ">>%s/charon.out 2>&1",
                                           dir, dir));
    (void)state;
    set_both_sides();
    initiate();
    json_object_set(json_object_get(lab.nodes[CLIENT].config, "ipsec"), "start", start);
    for (int i = 0; i < 2; i++) {
        struct stf_err err;
        json_t *id = json_pack("{s:s, s:[s]}", "signal", signals[i], "renew", NAME);
        for (int times = 0; times < 2; times++) { /* the second time changes nothing */
            assert_int_equal(set_daemon(id, false, &err), STF_OK);
            expect_daemon(id, "{\"is_running\":false}");
        }
        for (int times = 0; times < 2; times++) {
            if (set_daemon(id, true, &err))
                fail_msg("%s", err.message);
            expect_daemon(id, "{\"is_running\":true}");
        }
        expect_state(CONNECTION, CLIENT, document);
        expect_state(SECRET, CLIENT, secret);
        assert_true(swanctl_shows(CLIENT, "--list-sas", "INSTALLED"));
        json_decref(id);
    }

    /* one that somebody else has started lacks what it had, and gets it */
    struct stf_err err;
    json_t *id = json_pack("{s:s}", "signal", "KILL");
    give_back(id);
    expect_daemon(id, "{\"is_running\":true,\"loaded\":false}");
    json_object_set(json_object_get(lab.nodes[CLIENT].config, "ipsec"), "start", start);
    assert_int_equal(set_daemon(id, true, &err), STF_OK);
    expect_daemon(id, "{\"is_running\":true}");
    give_back(id);
    json_decref(id);
    json_decref(start);
    json_decref(document);
    json_decref(secret);
}

static void test_a_daemon_that_nobody_could_start_is_not_ended(void **state)
{
    struct stf_err err;
    json_t *id = json_pack("{s:s}", "signal", "KILL"), *wrong = json_pack("{s:s}", "signal", "HUP");
    json_t *not_ours = json_pack("{s:[s]}", "renew", "mail");
    (void)state;
    assert_int_equal(set_daemon(id, false, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "start = { \"systemctl\", \"start\", \"strongswan\" }"));
    assert_int_equal(set_daemon(wrong, false, &err), STF_INVALID_DATA);
    assert_int_equal(set_daemon(not_ours, false, &err), STF_DENIED);
    expect_daemon(id, "{\"is_running\":true}");
    json_decref(id);
    json_decref(wrong);
    json_decref(not_ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_LAB(test_a_reload_brings_the_policy_back),
        IN_LAB(test_a_reload_names_what_it_could_not_load),
        IN_LAB(test_a_restart_is_an_error_that_can_be_retried),
        IN_LAB(test_certificates_authenticate_and_come_back),
        IN_LAB(test_a_private_key_is_replaced_and_never_noted),
        IN_LAB(test_a_certificate_must_be_there_and_be_one),
        IN_LAB(test_counters_count_messages),
        IN_LAB(test_loaded_names_everything),
        IN_LAB(test_rekey_makes_new_keys),
        IN_LAB(test_a_watch_with_the_log),
        IN_LAB(test_an_ended_daemon_comes_back_with_all_it_had),
        IN_LAB(test_a_daemon_that_nobody_could_start_is_not_ended),
    };
    const char *obstacle = fixture_obstacle();
    if (obstacle) {
        printf("SKIP: %s\n", obstacle);
        return 0;
    }
    return cmocka_run_group_tests(tests, lab_up, lab_down);
}
