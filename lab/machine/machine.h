/* machine.h - a throw-away virtual machine with Debian's kernel on this machine's files, for kernels without ESP.
 * Never changes a file of the host, but for the folder that keeps the kernel. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/err.h>

/* There inside such a machine, and nowhere else. */
#define STF_MACHINE_MARK "/run/staffetta-machine"

struct stf_machine_options {
    const char *const *argv;  /* what to run in it, ended by NULL; an empty list: a shell on this terminal */
    const char *site_dir;     /* the lab of this site stands in it first; or NULL */
    const char *self_path;    /* this program, absolute */
    const char *acceleration; /* "kvm" or "tcg" (emulated processor); NULL: kvm where it boots */
    void (*progress)(const char *line);
};

/* Boots the machine, runs the command in the caller's working directory, and relays its output. The machine ends with
 * the command, or with the calling process, however that ends. `*exit_code` is the command's. */
enum stf_kind stf_machine_run(const struct stf_machine_options *options, int *exit_code, struct stf_err *err);
