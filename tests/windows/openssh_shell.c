/* openssh_shell.c - starts SSH_ORIGINAL_COMMAND as OpenSSH for Windows starts commands: cmd.exe /c "COMMAND", in a job
 * that ends all of its processes with the session, but for those that ask to be let out. For tests under Wine, whose
 * own way from a Unix command line to cmd.exe escapes the quotes. SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

static HANDLE make_job(void)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
        .BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_BREAKAWAY_OK};
    HANDLE job = CreateJobObjectA(NULL, NULL);
    bool is_limited = SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
    return is_limited ? job : NULL;
}

int main(void)
{
    char line[8192];
    STARTUPINFOA start = {.cb = sizeof start,
                          .dwFlags = STARTF_USESTDHANDLES,
                          .hStdInput = GetStdHandle(STD_INPUT_HANDLE),
                          .hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE),
                          .hStdError = GetStdHandle(STD_ERROR_HANDLE)};
    PROCESS_INFORMATION started;
    DWORD exit_code = 255;
    const char *command = getenv("SSH_ORIGINAL_COMMAND");
    HANDLE job = make_job();
    snprintf(line, sizeof line, "cmd.exe /c \"%s\"", command ? command : "");
    if (!job || !CreateProcessA(NULL, line, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL, &start, &started) ||
        !AssignProcessToJobObject(job, started.hProcess)) {
        fprintf(stderr, "openssh_shell: error %lu\n", GetLastError());
        return 255;
    }
    ResumeThread(started.hThread);
    WaitForSingleObject(started.hProcess, INFINITE);
    GetExitCodeProcess(started.hProcess, &exit_code);
    return (int)exit_code;
}
