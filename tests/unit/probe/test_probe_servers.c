/* test_probe_servers.c - each method that speaks with a server against a real one: nginx, Dovecot, slapd.
 * They run in a namespace and a folder of the test's own, never as services. SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/stft-probe-XXXXXX";

static const char nginx_conf[] =
    "daemon off; pid @/nginx.pid; error_log @/nginx.log; events { }\n"
    "http { access_log off; client_body_temp_path @/n1; proxy_temp_path @/n2; fastcgi_temp_path @/n3;\n"
    "  uwsgi_temp_path @/n4; scgi_temp_path @/n5;\n"
    "  server { listen 80; listen [::]:80; server_name mail.test; location / { return 200 'ok'; }\n"
    "    location /moved { return 302 /; } location /none { return 404; } location /head { return 204; } }\n"
    "  server { listen 80; listen [::]:80; server_name other.test; return 503; } }\n";

static const char dovecot_conf[] =
    "base_dir = @/run\nstate_dir = @/state\nlog_path = @/dovecot.log\ninfo_log_path = /dev/null\n"
    "protocols = imap pop3\nlisten = *, ::\nssl = no\nauth_mechanisms = plain\n"
    "passdb {\n driver = passwd-file\n args = /dev/null\n}\nuserdb {\n driver = passwd-file\n args = /dev/null\n}\n"
    "service imap-login {\n service_count = 0\n process_min_avail = 1\n}\n"
    "service pop3-login {\n service_count = 0\n process_min_avail = 1\n}\n";

static const char slapd_conf[] = "pidfile @/slapd.pid\nargsfile @/slapd.args\n";

/* Writes `text` as dir/name, the folder in place of each '@', and gives the path. */
static void write_conf(const char *name, const char *text, char path[64])
{
    snprintf(path, 64, "%s/%s", dir, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (; *text; text++)
        if (*text == '@')
            fputs(dir, file);
        else
            fputc(*text, file);
    assert_int_equal(fclose(file), 0);
}

static json_t *measure(const char *method, const char *target, const char *more)
{
    struct stf_err err;
    json_t *args = json_pack("{s:s, s:s, s:i, s:i, s:i}", "target", target, "method", method, "interval_us", 10000,
                             "count", 20, "timeout_ms", 900);
    json_t *options = json_loads(more, 0, NULL), *handle, *report;
    assert_non_null(options);
    assert_int_equal(json_object_update(args, options), 0);
    json_decref(options);
    if (call("probe.start", args, &handle, &err) != STF_OK)
        fail_msg("%s", err.message);
    sleep_ms(300);
    report = stop(handle);
    print_message("%s %s %s: %s %d of %d\n", method, target, more, string(report, "method"),
                  (int)number(report, "answered"), (int)number(report, "sent"));
    return report;
}

static void assert_all_answered(const char *method, const char *target, const char *more)
{
    json_t *report = measure(method, target, more);
    assert_true(number(report, "sent") > 0);
    assert_int_equal(number(report, "answered"), number(report, "sent"));
    assert_string_equal(string(report, "answer_clock"), "program");
    json_decref(report);
}

static void assert_none_answered(const char *method, const char *target, const char *more, const char *failure)
{
    json_t *report = measure(method, target, more);
    assert_true(number(report, "sent") > 0);
    assert_int_equal(number(json_object_get(report, "failures"), failure), number(report, "sent"));
    json_decref(report);
}

static void http_of_nginx(void **state)
{
    (void)state;
    char path[64];
    write_conf("nginx.conf", nginx_conf, path);
    pid_t nginx = spawn(server_ns, (const char *const[]){"nginx", "-p", dir, "-c", path, NULL});
    bool is_up = answers_within_ten_seconds(SERVER_V4, 80) && answers_within_ten_seconds(SERVER_V6, 80);
    assert_true(is_up);
    assert_all_answered("http", SERVER_V4, "{}");
    assert_all_answered("http", SERVER_V6, "{}");
    assert_all_answered("http", SERVER_V4, "{\"path\": \"/moved\"}");
    assert_all_answered("http", SERVER_V4, "{\"path\": \"/none\", \"status\": 404}");
    assert_all_answered("http", SERVER_V4, "{\"path\": \"/head\", \"head\": true, \"status\": 204}");
    assert_none_answered("http", SERVER_V4, "{\"path\": \"/none\"}", "unexpected_answer");
    assert_none_answered("http", SERVER_V4, "{\"path\": \"/moved\", \"status\": 200}", "unexpected_answer");
    assert_none_answered("http", SERVER_V4, "{\"host\": \"other.test\"}", "unexpected_answer");
    assert_all_answered("tcp_line", SERVER_V4,
                        "{\"port\": 80, \"send\": \"GET / HTTP/1.0\\r\\n\\r\\n\", \"expect\": \"nginx\"}");
    assert_none_answered("ldap", SERVER_V4, "{\"port\": 80}", "unexpected_answer");
    end(nginx, SIGTERM);
    assert_none_answered("http", SERVER_V4, "{}", "refused");
}

static void mail_of_dovecot(void **state)
{
    (void)state;
    char path[64];
    write_conf("dovecot.conf", dovecot_conf, path);
    pid_t dovecot = spawn(server_ns, (const char *const[]){"dovecot", "-F", "-c", path, NULL});
    bool is_up = answers_within_ten_seconds(SERVER_V4, 110) && answers_within_ten_seconds(SERVER_V6, 143);
    assert_true(is_up);
    sleep_ms(500); /* the port is open before the login process is ready */
    assert_all_answered("pop3", SERVER_V4, "{}");
    assert_all_answered("imap", SERVER_V6, "{}");
    assert_none_answered("imap", SERVER_V4, "{\"port\": 110}", "unexpected_answer");
    assert_none_answered("pop3", SERVER_V4, "{\"port\": 143}", "unexpected_answer");
    assert_all_answered("tcp_line", SERVER_V4, "{\"port\": 143, \"send\": \"a NOOP\\r\\n\", \"expect\": \"a OK\"}");
    end(dovecot, SIGTERM);
}

static void ldap_of_slapd(void **state)
{
    (void)state;
    char path[64];
    write_conf("slapd.conf", slapd_conf, path);
    pid_t slapd = spawn(server_ns, (const char *const[]){"slapd", "-h", "ldap:///", "-f", path, "-d", "0", NULL});
    bool is_up = answers_within_ten_seconds(SERVER_V4, 389) && answers_within_ten_seconds(SERVER_V6, 389);
    assert_true(is_up);
    assert_all_answered("ldap", SERVER_V4, "{}");
    assert_all_answered("ldap", SERVER_V6, "{}");
    /* "GE" is the head of 69 bytes of BER, for which it waits */
    assert_none_answered("http", SERVER_V4, "{\"port\": 389}", "timeout");
    end(slapd, SIGTERM);
}

/* A server that refuses anonymous binds answers, and not well. */
static void ldap_that_wants_a_name(void **state)
{
    (void)state;
    char path[64], text[128];
    snprintf(text, sizeof text, "%sdisallow bind_anon\n", slapd_conf);
    write_conf("slapd.conf", text, path);
    pid_t slapd = spawn(server_ns, (const char *const[]){"slapd", "-h", "ldap:///", "-f", path, "-d", "0", NULL});
    bool is_up = answers_within_ten_seconds(SERVER_V4, 389);
    assert_true(is_up);
    assert_none_answered("ldap", SERVER_V4, "{}", "unexpected_answer");
    end(slapd, SIGTERM);
}

static int setup_dir(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "chmod 755 %s; mkdir %s/run %s/state", dir, dir, dir);
    return shell(NULL, command) == 0 ? setup(state) : -1;
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_of_nginx),
        cmocka_unit_test(mail_of_dovecot),
        cmocka_unit_test(ldap_of_slapd),
        cmocka_unit_test(ldap_that_wants_a_name),
    };
    return cmocka_run_group_tests(tests, setup_dir, teardown);
}

int main(void)
{
    char command[128];
    if (!mkdtemp(dir))
        return 1;
    int exit_code = run_in_namespaces(run_all);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    shell(NULL, command);
    return exit_code;
}
