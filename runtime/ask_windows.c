/* ask_windows.c - nobody is asked: a console read there can not be interrupted. SPDX-License-Identifier: MIT */
#include "cli.h"

stf_cli_asking stf_cli_asker(void)
{
    return NULL;
}
