/* remote_login.h - who one is on another host: Samba's own format of a file of credentials.
 * The password goes nowhere but into the login; errors have neither it nor any line of the file.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/err.h>

#include "registry/remote_protocol.h"

/* Fills user, domain and password from lines such as `username = root`, `password = ...`, `domain = OFFICE`. Blank
 * lines, comments (# or ;) and other names are skipped. STF_DENIED for a file that others than its owner may read, or
 * that belongs neither to this user nor to root; STF_INVALID_DATA when it is no such file. */
enum stf_kind stf_remote_login_read(const char *path, struct stf_remote_connect *connect, struct stf_err *err);
