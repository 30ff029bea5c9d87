/* start.c - what every Windows program of ours does before main: bytes stay bytes, and the console shows UTF-8.
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <windows.h>

static UINT previous_code_page;

static void restore_console(void)
{
    SetConsoleOutputCP(previous_code_page);
}

__attribute__((constructor)) static void start(void)
{
    _fmode = _O_BINARY;
    for (int fd = 0; fd <= 2; fd++)
        _setmode(fd, _O_BINARY);
    previous_code_page = GetConsoleOutputCP();
    if (previous_code_page != 0 && previous_code_page != CP_UTF8 && SetConsoleOutputCP(CP_UTF8))
        atexit(restore_console);
}
