/* console_windows.c - what Windows tells of a console (terminal.h). SPDX-License-Identifier: MIT */
#include <windows.h>

#include "terminal.h"

int stf_console_width(FILE *stream)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    if (!GetConsoleScreenBufferInfo((HANDLE)_get_osfhandle(fileno(stream)), &info))
        return 0;
    return info.srWindow.Right - info.srWindow.Left + 1;
}

/* start.c has told the console. */
bool stf_console_has_utf8(void)
{
    return GetConsoleOutputCP() == CP_UTF8;
}
