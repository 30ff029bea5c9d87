/* remote_prompt.h - who one is on another host, typed at the terminal: asked once for each host, kept until the program
 * ends. The password is not shown, goes nowhere but into the login, and is wiped. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/err.h>

#include "registry/remote_protocol.h"

/* Fills user, domain and password for the host that is there already, after asking the terminal for them, unless that
 * was done before. One thread asks at a time. STF_DENIED when standard input is no terminal, when nobody is named, and
 * when a signal or the end of the input stops it; a signal is then delivered as it would have been, with the terminal
 * as it was. */
enum stf_kind stf_remote_prompt(struct stf_remote_connect *connect, struct stf_err *err);

/* Of a login that was refused: the next one is asked for again. */
void stf_remote_prompt_forget(const char *host);
