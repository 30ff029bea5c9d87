/* cmd_lab.h - `staffetta lab`: up, down, status, exec and the hidden responder. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/err.h>

/* argv[0] is "lab", argv[1] the verb. Returns the exit code: 0 done, 1 failed or no such lab is up, 64 wrong usage;
 * `exec` ends with the code of its command. */
int stf_cmd_lab(int argc, char **argv);

/* What the command needs of the program that it is a part of: site.lua of the folder `dir` as a new document. */
enum stf_kind stf_site_load(const char *dir, json_t **site, struct stf_err *err);
