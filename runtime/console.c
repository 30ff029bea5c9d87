/* console.c - what the kernel and the environment tell of a terminal (terminal.h). SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>

#include "terminal.h"

int stf_console_width(FILE *stream)
{
    struct winsize size;
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* "C.UTF-8", "de_DE.utf8@euro": the first of the three that is set rules, as in every locale. It need not be installed
 * here: it tells what the terminal shows. */
bool stf_console_has_utf8(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *locale = NULL;
    for (size_t i = 0; i < sizeof variables / sizeof *variables && !(locale && *locale); i++)
        locale = getenv(variables[i]);
    const char *codeset = locale ? strchr(locale, '.') : NULL;
    return codeset && (strncasecmp(codeset, ".utf-8", 6) == 0 || strncasecmp(codeset, ".utf8", 5) == 0);
}
