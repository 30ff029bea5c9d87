/* test_vici_client.c - the VICI client against a server of our own that misbehaves in every way we know.
 * Needs no daemon. SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "ipsec/vici_client.h"

/* What the server sends, one piece for each frame it has received; then it waits for the client to go, or closes. */
struct script {
    const char *answers[8];
    size_t sizes[8];
    bool closes;
};

struct server {
    char dir[64];
    char path[96];
    int listen_fd;
    pthread_t thread;
    const struct script *script;
};

#define SAYS(text) text, sizeof(text) - 1

static bool read_frame(int fd)
{
    uint8_t head[4], rest[1024];
    if (recv(fd, head, 4, MSG_WAITALL) != 4)
        return false;
    size_t size = (size_t)head[2] << 8 | head[3];
    return size <= sizeof rest && recv(fd, rest, size, MSG_WAITALL) == (ssize_t)size;
}

static void *serve(void *argument)
{
    struct server *server = argument;
    int fd = accept(server->listen_fd, NULL, NULL);
    for (size_t i = 0; fd >= 0 && i < 8 && server->script->answers[i] && read_frame(fd); i++)
        send(fd, server->script->answers[i], server->script->sizes[i], MSG_NOSIGNAL);
    if (!server->script->closes)
        while (read_frame(fd))
            ;
    close(fd);
    return NULL;
}

static void start_with(struct server *server, const struct script *script, void *(*body)(void *))
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(server->dir, "/tmp/stf-vici-XXXXXX");
    assert_non_null(mkdtemp(server->dir));
    snprintf(server->path, sizeof server->path, "%s/vici", server->dir);
    memcpy(address.sun_path, server->path, sizeof server->path);
    server->script = script;
    server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listen_fd, 1), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, body, server), 0);
}

static void start(struct server *server, const struct script *script)
{
    start_with(server, script, serve);
}

static void stop(struct server *server)
{
    shutdown(server->listen_fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listen_fd);
    unlink(server->path);
    rmdir(server->dir);
}

/* Asks `version` of a server that follows the script. */
static enum stf_kind ask(const struct script *script, int64_t timeout_ms, json_t **answer, struct stf_err *err)
{
    struct server server;
    struct stf_vici_client *client = NULL;
    start(&server, script);
    enum stf_kind kind = stf_vici_open(server.path, 1000, &client, err);
    if (!kind)
        kind = stf_vici_request(client, "version", NULL, timeout_ms, answer, err);
    stf_vici_close(client);
    stop(&server);
    return kind;
}

static void test_an_answer(void **state)
{
    json_t *answer = NULL;
    const struct script script = {{"\0\0\0\10\1\3\1a\0\2ok"}, {12}, false};
    (void)state;
    assert_int_equal(ask(&script, 1000, &answer, NULL), STF_OK);
    assert_string_equal(json_string_value(json_object_get(answer, "a")), "ok");
    json_decref(answer);
}

static void expect(const char *bytes, size_t size, bool closes, enum stf_kind kind, const char *words)
{
    struct stf_err err;
    json_t *answer = NULL;
    const struct script script = {{bytes}, {size}, closes};
    assert_int_equal(ask(&script, 200, &answer, &err), kind);
    assert_null(answer);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static void test_rubbish_is_an_error(void **state)
{
    (void)state;
    expect(SAYS("HTTP/1.1 400 Bad Request\r\n\r\n"), false, STF_INVALID_DATA, "does not speak VICI");
    expect(SAYS("\0\0\0\0"), false, STF_INVALID_DATA, "impossible length");
    expect(SAYS("\377\377\377\377"), false, STF_INVALID_DATA, "impossible length");
    expect(SAYS("\0\0\0\1\10"), false, STF_INVALID_DATA, "no known type");
    expect(SAYS("\0\0\0\2\7\5"), false, STF_INVALID_DATA, "no known type");
    expect(SAYS("\0\0\0\1\5"), false, STF_INVALID_DATA, "wrong type");
    expect(SAYS("\0\0\0\4\7\2up"), false, STF_INVALID_DATA, "was not asked for");
    expect(SAYS("\0\0\0\2\1\11"), false, STF_INVALID_DATA, "unknown element");
}

static void test_silence_ends_at_the_deadline(void **state)
{
    int64_t began_ns = stf_clock_ns();
    (void)state;
    expect("", 0, false, STF_TIMEOUT, "did not answer 'version' in time");
    expect(SAYS("\0\0"), false, STF_TIMEOUT, "in time");
    expect(SAYS("\0\0\1\0\1"), false, STF_TIMEOUT, "in time");
    assert_true(stf_clock_ns() - began_ns < INT64_C(10000000000));
}

static void test_an_early_close_is_an_error(void **state)
{
    (void)state;
    expect(NULL, 0, true, STF_UNREACHABLE, "closed the connection");
    expect("", 0, true, STF_UNREACHABLE, "closed the connection");
    expect(SAYS("\0\0\1\0\1"), true, STF_UNREACHABLE, "closed the connection");
}

static void test_unknown_command(void **state)
{
    (void)state;
    expect(SAYS("\0\0\0\1\2"), false, STF_UNSUPPORTED, "does not know the command 'version'");
}

static void test_a_broken_connection_stays_broken(void **state)
{
    struct server server;
    struct stf_vici_client *client = NULL;
    struct stf_err err;
    json_t *answer = NULL;
    const struct script silent = {{NULL}, {0}, false};
    (void)state;
    start(&server, &silent);
    assert_int_equal(stf_vici_open(server.path, 1000, &client, &err), STF_OK);
    assert_int_equal(stf_vici_request(client, "version", NULL, 50, &answer, &err), STF_TIMEOUT);
    assert_int_equal(stf_vici_request(client, "version", NULL, 50, &answer, &err), STF_UNREACHABLE);
    assert_non_null(strstr(err.message, "given up"));
    stf_vici_close(client);
    stop(&server);
}

static void test_a_streamed_answer(void **state)
{
    struct server server;
    struct stf_vici_client *client = NULL;
    json_t *events = NULL, *answer = NULL;
    const struct script script = {{"\0\0\0\1\5",
                                   "\0\0\0\12\7\2ev\3\1a\0\1x"
                                   "\0\0\0\12\7\2ev\3\1a\0\1y"
                                   "\0\0\0\1\1",
                                   "\0\0\0\1\5"},
                                  {5, 14 + 14 + 5, 5},
                                  false};
    (void)state;
    start(&server, &script);
    assert_int_equal(stf_vici_open(server.path, 1000, &client, NULL), STF_OK);
    assert_int_equal(stf_vici_stream(client, "list", "ev", NULL, 1000, &events, &answer, NULL), STF_OK);
    assert_int_equal(json_array_size(events), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(events, 1), "a")), "y");
    json_decref(events);
    json_decref(answer);
    stf_vici_close(client);
    stop(&server);
}

/* ---------- several commands in flight ---------- */

enum { CALLS = 300 };

/* What a pipeline of `count` calls to a server with the script gives; the calls that were answered are counted. */
static enum stf_kind send_many(const struct script *script, size_t count, size_t *answered, struct stf_err *err)
{
    struct server server;
    struct stf_vici_client *client = NULL;
    struct stf_vici_call calls[8] = {{0}};
    json_t *again = NULL;
    for (size_t i = 0; i < count; i++)
        calls[i].command = "version";
    start(&server, script);
    assert_int_equal(stf_vici_open(server.path, 1000, &client, NULL), STF_OK);
    enum stf_kind kind = stf_vici_pipeline(client, calls, count, NULL, NULL, 200, err);
    if (kind && kind != STF_UNSUPPORTED) /* whatever comes next would be an answer to an old question */
        assert_int_equal(stf_vici_request(client, "version", NULL, 50, &again, NULL), STF_UNREACHABLE);
    *answered = 0;
    for (size_t i = 0; i < count; i++) {
        *answered += calls[i].answer != NULL;
        json_decref(calls[i].answer);
    }
    stf_vici_close(client);
    stop(&server);
    return kind;
}

#define ANSWER "\0\0\0\10\1\3\1a\0\2ok"

static void test_a_pipeline_ends_with_the_connection(void **state)
{
    size_t answered;
    struct stf_err err;
    const struct script all = {{ANSWER, ANSWER, ANSWER}, {12, 12, 12}, false};
    const struct script silent = {{ANSWER, ANSWER, ""}, {12, 12, 0}, false};
    const struct script closes = {{ANSWER}, {12}, true};
    const struct script rubbish = {{ANSWER, "\0\0\0\2\1\11"}, {12, 6}, false};
    const struct script unknown = {{"\0\0\0\1\2", ANSWER, "\0\0\0\1\2"}, {5, 12, 5}, false};
    (void)state;
    assert_int_equal(send_many(&all, 3, &answered, &err), STF_OK);
    assert_int_equal(answered, 3);
    assert_int_equal(send_many(&silent, 3, &answered, &err), STF_TIMEOUT);
    assert_int_equal(answered, 2);
    assert_true(err.is_retryable);
    assert_int_equal(send_many(&closes, 3, &answered, &err), STF_UNREACHABLE);
    assert_int_equal(answered, 1);
    assert_true(err.is_retryable);
    assert_int_equal(send_many(&rubbish, 3, &answered, &err), STF_INVALID_DATA);
    assert_int_equal(answered, 1);
    assert_int_equal(send_many(&unknown, 3, &answered, &err), STF_UNSUPPORTED);
    assert_int_equal(answered, 1);
    assert_int_equal(send_many(&all, 0, &answered, &err), STF_OK);
}

/* Answers nothing until it has been sent more than a socket holds, then everything at once. */
static void *serve_late(void *argument)
{
    struct server *server = argument;
    char byte, answer[64 * 1024 + 8] = "\0\0\xff\xfe\1\3\1a\xff\xf8";
    int fd = accept(server->listen_fd, NULL, NULL);
    memset(answer + 10, 'x', 0xfff8);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    for (int i = 0; i < CALLS; i++)
        if (!read_frame(fd) || send(fd, answer, 4 + 0xfffe, MSG_NOSIGNAL) != 4 + 0xfffe)
            break;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
    close(fd);
    return NULL;
}

static void test_a_pipeline_does_not_jam(void **state)
{
    struct server server;
    struct stf_vici_client *client = NULL;
    struct stf_vici_call *calls = calloc(CALLS, sizeof *calls);
    struct stf_vici_message message = {0};
    char text[900];
    const struct script none = {{NULL}, {0}, false};
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    stf_vici_add_text(&message, "a", text);
    for (int i = 0; i < CALLS; i++)
        calls[i] = (struct stf_vici_call){.command = "version", .message = &message};
    start_with(&server, &none, serve_late);
    assert_int_equal(stf_vici_open(server.path, 1000, &client, NULL), STF_OK);
    assert_int_equal(stf_vici_pipeline(client, calls, CALLS, NULL, NULL, 5000, NULL), STF_OK);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(json_string_length(json_object_get(calls[i].answer, "a")), 0xfff8);
        json_decref(calls[i].answer);
    }
    stf_vici_message_fini(&message);
    stf_vici_close(client);
    stop(&server);
    free(calls);
}

struct prepared {
    struct stf_vici_call calls[5];
    size_t made, fails_at;
};

/* Only the odd ones are sent. */
static enum stf_kind prepare_odd(void *user, size_t index, struct stf_err *err)
{
    struct prepared *prepared = user;
    assert_int_equal(index, prepared->made++);
    if (index == prepared->fails_at)
        return stf_err_set(err, STF_NO_MEMORY, 0, "prepare", NULL, "made up");
    if (index % 2)
        prepared->calls[index].command = "version";
    return STF_OK;
}

static void test_calls_can_be_made_on_the_way(void **state)
{
    (void)state;
    for (size_t fails_at = 3; fails_at <= 5; fails_at += 2) { /* the second time never */
        struct server server;
        struct stf_err err;
        struct stf_vici_client *client = NULL;
        struct prepared prepared = {.fails_at = fails_at};
        const struct script script = {{ANSWER, ANSWER}, {12, 12}, false};
        start(&server, &script);
        assert_int_equal(stf_vici_open(server.path, 1000, &client, NULL), STF_OK);
        enum stf_kind kind = stf_vici_pipeline(client, prepared.calls, 5, prepare_odd, &prepared, 1000, &err);
        assert_int_equal(kind, fails_at == 3 ? STF_NO_MEMORY : STF_OK);
        assert_int_equal(prepared.made, fails_at == 3 ? 4 : 5);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(prepared.calls[i].answer != NULL, i % 2 && fails_at == 5);
            json_decref(prepared.calls[i].answer);
        }
        stf_vici_close(client);
        stop(&server);
    }
}

static void test_an_unknown_event_is_unsupported(void **state)
{
    struct server server;
    struct stf_vici_client *client = NULL;
    struct stf_err err;
    json_t *events = NULL, *answer = NULL;
    const struct script script = {{"\0\0\0\1\6"}, {5}, false};
    (void)state;
    start(&server, &script);
    assert_int_equal(stf_vici_open(server.path, 1000, &client, NULL), STF_OK);
    assert_int_equal(stf_vici_stream(client, "list", "ev", NULL, 1000, &events, &answer, &err), STF_UNSUPPORTED);
    stf_vici_close(client);
    stop(&server);
}

static void test_events_that_come_while_registering_are_kept(void **state)
{
    struct server server;
    struct stf_vici_client *client = NULL;
    char name[STF_VICI_NAME_MAX + 1];
    json_t *event = NULL;
    int wake_fd = eventfd(0, EFD_CLOEXEC);
    static const char *const names[] = {"one", "two", NULL};
    const struct script script = {{"\0\0\0\1\5", "\0\0\0\13\7\3one\3\1a\0\1x"
                                                 "\0\0\0\1\5"
                                                 "\0\0\0\13\7\3two\3\1a\0\1y"},
                                  {5, 15 + 5 + 15},
                                  false};
    (void)state;
    start(&server, &script);
    assert_int_equal(stf_vici_open(server.path, 1000, &client, NULL), STF_OK);
    assert_int_equal(stf_vici_listen(client, names, 1000, NULL), STF_OK);
    assert_int_equal(stf_vici_next_event(client, wake_fd, name, &event, NULL), STF_OK);
    assert_string_equal(name, "one");
    json_decref(event);
    assert_int_equal(stf_vici_next_event(client, wake_fd, name, &event, NULL), STF_OK);
    assert_string_equal(name, "two");
    json_decref(event);
    eventfd_write(wake_fd, 1);
    assert_int_equal(stf_vici_next_event(client, wake_fd, name, &event, NULL), STF_OK);
    assert_null(event);
    close(wake_fd);
    stf_vici_close(client);
    stop(&server);
}

static void test_nobody_there(void **state)
{
    struct stf_vici_client *client = NULL;
    struct stf_err err;
    char path[200];
    (void)state;
    assert_int_equal(stf_vici_open("unix:///nonexistent/charon.vici", 100, &client, &err), STF_UNREACHABLE);
    assert_non_null(strstr(err.message, "/nonexistent/charon.vici"));
    assert_non_null(strstr(err.message, "is it running"));
    assert_int_equal(stf_vici_open("/etc/passwd", 100, &client, &err), STF_UNREACHABLE);
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(stf_vici_open(path, 100, &client, &err), STF_INVALID_DATA);
    assert_int_equal(stf_vici_open("unix://", 100, &client, &err), STF_INVALID_DATA);
    assert_null(client);
}

static void test_success_no_gets_its_kind(void **state)
{
    struct stf_err err;
    json_t *yes = json_pack("{s:s}", "success", "yes"), *silent = json_object();
    json_t *no = json_pack("{s:s, s:s}", "success", "no", "errmsg", "unload: connection 'x' not found");
    json_t *why = json_pack("{s:s}", "success", "no");
    (void)state;
    assert_int_equal(stf_vici_check_success(yes, "c", "s", &err), STF_OK);
    assert_int_equal(stf_vici_check_success(silent, "c", "s", &err), STF_OK);
    assert_int_equal(stf_vici_check_success(no, "c", "s", &err), STF_NOT_FOUND);
    assert_non_null(strstr(err.message, "connection 'x' not found"));
    assert_int_equal(stf_vici_check_success(why, "c", "s", &err), STF_DENIED);
    json_decref(yes);
    json_decref(silent);
    json_decref(no);
    json_decref(why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer),
        cmocka_unit_test(test_rubbish_is_an_error),
        cmocka_unit_test(test_silence_ends_at_the_deadline),
        cmocka_unit_test(test_an_early_close_is_an_error),
        cmocka_unit_test(test_unknown_command),
        cmocka_unit_test(test_a_broken_connection_stays_broken),
        cmocka_unit_test(test_a_streamed_answer),
        cmocka_unit_test(test_a_pipeline_ends_with_the_connection),
        cmocka_unit_test(test_a_pipeline_does_not_jam),
        cmocka_unit_test(test_calls_can_be_made_on_the_way),
        cmocka_unit_test(test_an_unknown_event_is_unsupported),
        cmocka_unit_test(test_events_that_come_while_registering_are_kept),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_success_no_gets_its_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
