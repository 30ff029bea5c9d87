/* cmd_repl.c - a prompt for the Lua of scripts, or a file of lines on standard input. Changes nothing unless --change
 * says so. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "common/folder.h"
#include "line_editor.h"
#include "prompt.h"

const char stf_repl_help[] =
    "Lua, in the sandbox of scripts: host(\"fe1\").registry:get(key, name), site, cluster(\"mail\"), ctx; `.help` "
    "tells\n"
    "more. Tab completes. Hosts are only looked at: a change is planned, as `plan` does, and not made. With --change "
    "the\n"
    "session is a run like any other: journalled, and put back by `staffetta rollback`.\n"
    "Lines from a pipe are run without a prompt; the first error ends them, and what they have changed is put back.\n"
    "The history is in the state folder, for its owner only, without lines that may hold a secret.\n";

struct session {
    const struct stf_cli *cli;
    struct stf_run *run;            /* while a line is read */
    struct stf_line_editor *editor; /* NULL: lines of a pipe */
    struct stf_output output;
    char bytes[4096];
    size_t next, end;
};

/* ---- lines ---- */

/* The next byte of standard input; what the run has to do meanwhile is done. -1: none will come. */
static int next_byte(void *user)
{
    struct session *session = user;
    while (session->next == session->end) {
        struct pollfd polled[] = {{STDIN_FILENO, POLLIN, 0}, {stf_prompt_fd(session->run), POLLIN, 0}};
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return -1;
        if (!stf_prompt_turn(session->run))
            return -1;
        if (!polled[0].revents)
            continue;
        ssize_t got = read(STDIN_FILENO, session->bytes, sizeof session->bytes);
        if (got == 0 || (got < 0 && errno != EINTR))
            return -1;
        session->next = 0;
        session->end = got > 0 ? (size_t)got : 0;
    }
    return (unsigned char)session->bytes[session->next++];
}

/* A line of a pipe; the last one may lack its end. */
static char *read_plain(struct session *session)
{
    char *line = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&line, &size);
    int byte = stream ? next_byte(session) : -1;
    bool is_end = byte < 0;
    for (; byte >= 0 && byte != '\n'; byte = next_byte(session))
        fputc(byte, stream);
    if (stream && fclose(stream) != 0)
        is_end = true;
    if (!is_end)
        return line;
    free(line);
    return NULL;
}

static char *read_line(void *user, struct stf_run *run, bool is_more, bool *is_cancelled)
{
    struct session *session = user;
    session->run = run;
    if (!session->editor)
        return read_plain(session);
    char *line = stf_line_editor_read(session->editor, is_more ? "      ... " : "staffetta> ", is_cancelled);
    if (!line)
        fputc('\n', stdout);
    stf_prompt_turn(run); /* a terminal that has gone away tells so by a signal, too */
    return line;
}

static char **complete(void *user, const char *text, size_t *word_size)
{
    const struct session *session = user;
    return stf_prompt_complete(session->run, text, word_size);
}

/* ---- answers ---- */

static void answer(void *user, const char *text)
{
    (void)user;
    stf_output_text(stdout, text, true);
    fputc('\n', stdout);
    fflush(stdout);
}

static void fail(void *user, const struct stf_err *err)
{
    const struct session *session = user;
    stf_cli_error(session->cli, err);
}

static void remember(void *user, const char *line)
{
    const struct session *session = user;
    if (session->editor)
        stf_line_editor_remember(session->editor, line);
}

/* A session that makes no run is not announced. */
static void tell_event(void *user, const json_t *event)
{
    struct session *session = user;
    bool is_silent = json_is_true(json_object_get(event, "is_plan")) || !session->editor;
    if (strcmp(stf_cli_text(event, "event"), "begin") != 0 || !is_silent)
        stf_output_event(&session->output, event);
}

static bool is_worth_telling(const json_t *report)
{
    const json_t *changes = json_object_get(json_object_get(report, "plan"), "changes");
    return json_object_get(report, "error") || json_array_size(changes) > 0 ||
           json_integer_value(json_object_get(report, "run")) > 0;
}

/* ---- the session ---- */

static struct stf_line_editor *open_editor(struct session *session, const char *state_dir)
{
    const struct stf_line_source source = {next_byte, complete, session};
    struct stf_err ignored; /* without the folder there is no history, and the session none the worse */
    char *path = NULL;
    setlocale(LC_CTYPE, "");
    if (stf_folder_make(state_dir, &ignored) != STF_OK || asprintf(&path, "%s/repl_history", state_dir) < 0)
        path = NULL;
    struct stf_line_editor *editor = stf_line_editor_open(&source, path);
    free(path);
    return editor;
}

static int run_session(struct session *session, struct stf_runtime *runtime)
{
    const struct stf_cli *cli = session->cli;
    const struct stf_prompt prompt = {
        .is_interactive = session->editor != NULL,
        .is_json = cli->is_json,
        .read = read_line,
        .answer = answer,
        .fail = fail,
        .remember = remember,
        .user = session,
    };
    const struct stf_run_options options = {
        .playbook = "repl",
        .mode = cli->is_changing ? STF_RUN_APPLY : STF_RUN_PLAN,
        .prompt = &prompt,
        .on_event = cli->is_json || cli->is_quiet ? NULL : tell_event,
        .on_question = cli->is_json ? NULL : stf_cli_asker(),
        .user = session,
        .handles_signals = true,
    };
    json_t *report = NULL;
    struct stf_err err;
    if (stf_runtime_run(runtime, &options, &report, &err) != STF_OK) {
        stf_cli_error(cli, &err);
        return STF_EXIT_ERROR;
    }
    int exit_code = stf_cli_exit_code(report);
    if (is_worth_telling(report) && cli->is_json)
        stf_output_json(report);
    else if (is_worth_telling(report))
        stf_output_report(&session->output, report);
    json_decref(report);
    return exit_code;
}

int stf_cmd_repl(int argc, char **argv)
{
    struct stf_cli cli;
    struct session session = {.cli = &cli};
    struct stf_runtime *runtime = NULL;
    bool is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    int exit_code = stf_cli_parse(&cli, argc, argv, 0);
    if (exit_code == -1 && !stf_cli_open(&cli, &runtime))
        exit_code = STF_EXIT_ERROR;
    if (exit_code != -1)
        goto out;
    stf_output_init(&session.output, stdout);
    session.output.is_verbose = cli.is_verbose;
    if (is_terminal)
        session.editor = open_editor(&session, cli.state_dir ? cli.state_dir : STF_DEFAULT_STATE_DIR);
    exit_code = run_session(&session, runtime);
out:
    stf_line_editor_close(session.editor);
    stf_runtime_close(runtime);
    stf_cli_fini(&cli);
    return exit_code;
}
