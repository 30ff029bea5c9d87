/* test_remote_prompt.c - a login that is typed at a terminal: what is shown, what is kept, and the terminal afterwards.
 * SPDX-License-Identifier: MIT */
#include "pty_test.h"

#include <inttypes.h>

#include "registry/remote_prompt.h"

static const char user_question[] = "User (or DOMAIN\\user) on win-1: ";
static const char password_question[] = "Password on win-1: ";

enum { ANSWERED = 10, REFUSED, WRONG };

/* In the child: asks, and says by its exit code what came of it. */
static int ask_once(const char *user, const char *domain, const char *password)
{
    struct stf_remote_connect connect = {.host = "win-1"};
    struct stf_err err = {0};
    enum stf_kind kind = stf_remote_prompt(&connect, &err);

    if (kind != STF_OK)
        return kind == STF_DENIED && strstr(err.message, "win-1") != NULL ? REFUSED : WRONG;
    return strcmp(connect.user, user) == 0 && strcmp(connect.domain, domain) == 0 &&
                   strcmp(connect.password, password) == 0
               ? ANSWERED
               : WRONG;
}

static void test_a_login_is_typed_once(void **state)
{
    struct pty_child child;
    int status;

    (void)state;
    if (pty_fork(&child)) {
        if (ask_once("root", "OFFICE", " pass word ") != ANSWERED ||
            ask_once("root", "OFFICE", " pass word ") != ANSWERED)
            _exit(WRONG);
        stf_remote_prompt_forget("win-2");
        if (ask_once("root", "OFFICE", " pass word ") != ANSWERED)
            _exit(WRONG);
        stf_remote_prompt_forget("win-1");
        _exit(ask_once("other", "", "second"));
    }
    pty_expect(&child, user_question);
    assert_true(pty_shows_what_is_typed(&child));
    pty_type(&child, "OFFICE\\root\n");
    pty_expect(&child, password_question);
    assert_false(pty_shows_what_is_typed(&child));
    pty_type(&child, " pass word \n");
    pty_expect(&child, user_question); /* after the login was forgotten */
    assert_true(pty_shows_what_is_typed(&child));
    pty_type(&child, "other\n");
    pty_expect(&child, password_question);
    pty_type(&child, "second\n");
    status = pty_finish(&child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ANSWERED);
    assert_contains(child.shown, "OFFICE\\root");
    assert_null(strstr(child.shown, "pass word"));
    assert_null(strstr(child.shown, "second"));
    assert_true(pty_shows_what_is_typed(&child));
    close(child.fd);
}

/* What is typed after `question` is a signal, or one that is sent. */
static void check_interrupted(const char *typed, int sent, int expected)
{
    struct pty_child child;
    int status;

    if (pty_fork(&child))
        _exit(ask_once("", "", ""));
    pty_expect(&child, user_question);
    pty_type(&child, "root\n");
    pty_expect(&child, password_question);
    assert_false(pty_shows_what_is_typed(&child));
    if (sent != 0)
        assert_int_equal(kill(child.pid, sent), 0);
    else
        pty_type(&child, typed);
    status = pty_finish(&child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), expected);
    assert_true(pty_shows_what_is_typed(&child));
    close(child.fd);
}

static void test_signals_leave_the_terminal_as_it_was(void **state)
{
    (void)state;
    check_interrupted("half a pass\x03", 0, SIGINT);
    check_interrupted("\x1c", 0, SIGQUIT);
    check_interrupted("", SIGTERM, SIGTERM);
    check_interrupted("", SIGHUP, SIGHUP);
}

/* Stopped without echo, the program could not put the terminal in order. */
static void test_it_is_not_stopped_meanwhile(void **state)
{
    struct pty_child child;
    int status;

    (void)state;
    if (pty_fork(&child))
        _exit(ask_once("root", "", "secret"));
    pty_expect(&child, user_question);
    pty_type(&child, "root\n");
    pty_expect(&child, password_question);
    assert_int_equal(kill(child.pid, SIGTSTP), 0);
    pty_type(&child, "secret\n");
    status = pty_finish(&child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ANSWERED);
    close(child.fd);
}

static void check_refused(const char *user, const char *password)
{
    struct pty_child child;
    int status;

    if (pty_fork(&child))
        _exit(ask_once("", "", ""));
    pty_expect(&child, user_question);
    pty_type(&child, user);
    if (password != NULL) {
        pty_expect(&child, password_question);
        pty_type(&child, password);
    }
    status = pty_finish(&child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), REFUSED);
    assert_true(pty_shows_what_is_typed(&child));
    close(child.fd);
}

static void test_nothing_typed_is_no_login(void **state)
{
    char long_line[STF_REMOTE_TEXT_MAX + 2];

    (void)state;
    check_refused("\n", NULL);
    check_refused("\x04", NULL); /* the end of the input */
    check_refused("root\n", "\x04");
    memset(long_line, 'x', sizeof(long_line));
    memcpy(long_line + sizeof(long_line) - 2, "\n", 2);
    check_refused("root\n", long_line);
}

static void test_without_a_terminal_nobody_is_asked(void **state)
{
    struct stf_remote_connect connect = {.host = "win-1"};
    struct stf_err err = {0};
    int standard_input = dup(STDIN_FILENO);

    (void)state;
    assert_non_null(freopen("/dev/null", "r", stdin));
    assert_int_equal(stf_remote_prompt(&connect, &err), STF_DENIED);
    assert_contains(err.message, "there is no terminal");
    assert_true(dup2(standard_input, STDIN_FILENO) >= 0);
    close(standard_input);
}

/* Whether memory that the process may write to has `mask`ed text; the text itself is nowhere before. */
static bool is_in_memory(const char *masked, size_t size)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    bool is_found = false;

    while (maps != NULL && !is_found && fgets(line, sizeof(line), maps) != NULL) {
        uintptr_t start;
        uintptr_t end;
        char mode[5];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &start, &end, mode) != 3 || strncmp(mode, "rw", 2) != 0 ||
            strstr(line, "[v") != NULL)
            continue;
        for (const char *at = (const char *)start; at + size <= (const char *)end && !is_found; at++) {
            size_t same = 0;
            while (same < size && at[same] == (masked[same] ^ 1))
                same++;
            is_found = same == size;
        }
    }
    if (maps != NULL)
        fclose(maps);
    return is_found;
}

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SHADOW
#elif defined(__has_feature) /* clang's way to say it */
#if __has_feature(address_sanitizer)
#define HAS_SHADOW
#endif
#endif

/* "S3cret-of-mine", each character with its lowest bit turned. */
static const char masked[] = "R2bsdu,ng,lhod";

static void test_a_password_is_wiped(void **state)
{
    struct pty_child child;
    int status;

    (void)state;
#ifdef HAS_SHADOW
    skip(); /* its shadow is memory too, and endless */
#endif
    if (pty_fork(&child)) {
        struct stf_remote_connect connect = {.host = "win-1"};
        struct stf_err err = {0};
        bool was_there;
        if (stf_remote_prompt(&connect, &err) != STF_OK)
            _exit(REFUSED);
        was_there = is_in_memory(masked, sizeof(masked) - 1);
        explicit_bzero(&connect, sizeof(connect));
        stf_remote_prompt_forget("win-1");
        _exit(was_there && !is_in_memory(masked, sizeof(masked) - 1) ? ANSWERED : WRONG);
    }
    pty_expect(&child, user_question);
    pty_type(&child, "root\n");
    pty_expect(&child, password_question);
    pty_type(&child, "S3cret-of-mine\n");
    status = pty_finish(&child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ANSWERED);
    close(child.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_login_is_typed_once),
        cmocka_unit_test(test_signals_leave_the_terminal_as_it_was),
        cmocka_unit_test(test_it_is_not_stopped_meanwhile),
        cmocka_unit_test(test_nothing_typed_is_no_login),
        cmocka_unit_test(test_without_a_terminal_nobody_is_asked),
        cmocka_unit_test(test_a_password_is_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
