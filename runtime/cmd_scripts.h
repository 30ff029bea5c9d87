/* cmd_scripts.h - what the files of `staffetta scripts` share. SPDX-License-Identifier: MIT */
#pragma once

#include "cli.h"
#include "run.h"

/* Splits "playbook/rollout": the folder ("playbooks"), and in *name "rollout"; NULL, with a usage error printed, for
 * anything else. *kind is "playbook". */
const char *stf_scripts_split(const char *which, const char **kind, const char **name);

/* scripts eject: copies a bundled script into the site. scripts diff: in what the site's differs from the bundled. */
int stf_scripts_eject(const struct stf_cli *cli, struct stf_runtime *rt, const char *which);
int stf_scripts_diff(const struct stf_cli *cli, struct stf_runtime *rt, const char *which);
