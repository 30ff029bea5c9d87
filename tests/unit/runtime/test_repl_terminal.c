/* test_repl_terminal.c - `staffetta repl` as a person sits before it: on a pseudo-terminal. SPDX-License-Identifier:
 * MIT
 */
#include "../registry/pty_test.h"

#define PROMPT "staffetta> "
#define CTRL_C "\x03"
#define CTRL_D "\x04"
#define CTRL_P "\x10"

static struct pty_child child;

static void write_text(const char *name, const char *text)
{
    write_file(in_folder(name), text, strlen(text));
}

static int set_up(void **state)
{
    if (make_test_folder(state) != 0)
        return -1;
    write_text("site.lua",
               "return { api = 1, name = 'test', clusters = {}, hosts = { ['win-a'] = {\n"
               "  role = 'front_end', windows = '2003', registry = { ['HKLM\\\\SYSTEM'] = 'reg:system.reg' } } } }\n");
    write_text("system.reg",
               "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SYSTEM\\Test]\r\n\"a\"=\"1\"\r\n\r\n");
    return 0;
}

static int tear_down(void **state)
{
    if (child.pid > 0)
        kill(child.pid, SIGKILL); /* of a test that failed */
    return remove_test_folder(state);
}

static void start(const char *option)
{
    if (pty_fork(&child)) {
        setenv("TERM", "dumb", 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        execl(STAFFETTA, STAFFETTA, "repl", "--site", test_folder, "--state", in_folder("state"), option, (char *)NULL);
        _exit(127);
    }
    pty_expect(&child, PROMPT);
}

/* Types a line and waits for the next prompt; what was shown between. */
static const char *say(const char *line)
{
    child.size = 0;
    pty_type(&child, line);
    pty_type(&child, "\n");
    pty_expect(&child, "\n" PROMPT);
    return child.shown;
}

static void end_with(const char *typed, int exit_code)
{
    pty_type(&child, typed);
    int status = pty_finish(&child);
    child.pid = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), exit_code);
    close(child.fd);
}

static void expect(const char *shown, const char *text)
{
    if (!strstr(shown, text))
        fail_msg("'%s' was not shown, but '%s'", text, shown);
}

static void test_lines_are_answered(void **state)
{
    (void)state;
    start(NULL);
    expect(say("20 + 22"), "\n42\r\n");
    expect(say("x = { b = 1, a = 'ü' }"), "'ü' }\r\n" PROMPT);
    expect(say("x"), "\n{ a = \"ü\", b = 1 }\r\n");
    expect(say("error('no luck')"), "\nstaffetta: prompt:1: no luck\r\n" PROMPT);
    expect(say(".hosts"), "win-a ");
    end_with(CTRL_D, 0);
}

static void test_a_statement_goes_on(void **state)
{
    (void)state;
    start(NULL);
    pty_type(&child, "for i = 1, 2 do\n");
    pty_expect(&child, "... ");
    expect(say("print('round', i) end"), "\nround\t1\r\nround\t2\r\n");
    end_with(CTRL_D, 0);
}

static void test_ctrl_c_gives_the_line_up(void **state)
{
    (void)state;
    start(NULL);
    child.size = 0;
    pty_type(&child, "print('never')" CTRL_C);
    pty_expect(&child, "\n" PROMPT);
    assert_null(strstr(child.shown, "\nnever"));
    pty_type(&child, "print(\n");
    pty_expect(&child, "... ");
    pty_type(&child, CTRL_C);
    pty_expect(&child, "\n" PROMPT);
    expect(say("20 + 22"), "\n42\r\n");
    end_with(CTRL_D, 0);
}

static void test_ctrl_c_ends_the_call(void **state)
{
    (void)state;
    start(NULL);
    pty_type(&child, "x = 7 print('asleep') ctx:sleep_ms(3000000) x = 8\n");
    pty_expect(&child, "asleep\r\n");
    pty_type(&child, CTRL_C);
    pty_expect(&child, "staffetta: interrupted\r\n" PROMPT);
    kill(child.pid, SIGINT); /* for nobody */
    expect(say("x"), "\n7\r\n");
    end_with(CTRL_D, 0);
}

static void test_tab_completes(void **state)
{
    (void)state;
    start(NULL);
    expect(say("r = hos\t(\"wi\t).reg\t"), "host(\"win-a\").registry\r\n");
    expect(say("r:get(\"HKLM\\\\SYSTEM\\\\Test\", \"a\")"), "{ type = \"sz\", value = \"1\" }\r\n");
    pty_type(&child, "r:get");
    pty_expect(&child, "r:get");
    child.size = 0;
    pty_type(&child, "\t");
    pty_expect(&child, "\n" PROMPT "r:get");
    expect(child.shown, "\nget  get_raw\r\n");
    pty_type(&child, CTRL_C);
    pty_expect(&child, "\n" PROMPT);
    expect(say("site.na\t"), "\n\"test\"\r\n");
    expect(say("strin\t.for\t('%d', 5)"), "\n\"5\"\r\n");
    say("t = { abc1 = 1, ['abc\\27[2J'] = 2, ['abc d'] = 3 }"); /* keys that are no names are not offered */
    expect(say("t.ab\t"), "\n1\r\n");
    end_with(CTRL_D, 0);
}

static char *read_history(void)
{
    static char text[4096];
    struct stat status;
    const char *path = in_folder("state/repl_history");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void test_the_history_is_kept_without_secrets(void **state)
{
    (void)state;
    start(NULL);
    say("kept = 40 + 2");
    say(" blank = 1");
    say("Password = 'x'");
    pty_type(&child, "y = { psk =\n");
    pty_expect(&child, "... ");
    say("'of-two-lines' }");
    end_with(CTRL_D, 0);
    const char *text = read_history();
    assert_non_null(strstr(text, "kept"));
    assert_null(strstr(text, "blank"));
    assert_null(strstr(text, "Password"));
    assert_null(strstr(text, "psk"));
    assert_null(strstr(text, "of-two-lines"));
    start(NULL);
    say(CTRL_P);
    expect(say("kept"), "\n42\r\n");
    end_with(CTRL_D, 0);
}

static void test_changes_are_only_planned(void **state)
{
    (void)state;
    start(NULL);
    expect(say("host('win-a').registry:set('HKLM\\\\SYSTEM\\\\Test', 'a', 'sz', '2')"), "changed = true");
    end_with(CTRL_D, 2);
    expect(child.shown, "1 change planned");
}

static void test_changes_of_a_run_stay(void **state)
{
    (void)state;
    start("--change");
    expect(say("host('win-a').registry:set('HKLM\\\\SYSTEM\\\\Test', 'a', 'sz', '2')"), "changed = true");
    expect(say("error('no luck')"), "no luck");
    end_with(CTRL_D, 0);
    start(NULL);
    expect(say("host('win-a').registry:get('HKLM\\\\SYSTEM\\\\Test', 'a').value"), "\n\"2\"\r\n");
    end_with(CTRL_D, 0);
}

static void test_a_signal_puts_everything_back(void **state)
{
    (void)state;
    start("--change");
    say("host('win-a').registry:set('HKLM\\\\SYSTEM\\\\Test', 'a', 'sz', '2')");
    kill(child.pid, SIGTERM);
    end_with("", 130);
    start(NULL);
    expect(say("host('win-a').registry:get('HKLM\\\\SYSTEM\\\\Test', 'a').value"), "\n\"1\"\r\n");
    end_with(CTRL_D, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lines_are_answered),
        TEST(test_a_statement_goes_on),
        TEST(test_ctrl_c_gives_the_line_up),
        TEST(test_ctrl_c_ends_the_call),
        TEST(test_tab_completes),
        TEST(test_the_history_is_kept_without_secrets),
        TEST(test_changes_are_only_planned),
        TEST(test_changes_of_a_run_stay),
        TEST(test_a_signal_puts_everything_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
