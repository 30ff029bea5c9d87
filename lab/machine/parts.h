/* parts.h - what the machine's files share with each other; nobody else includes it. SPDX-License-Identifier: MIT */
#pragma once

#include "common/embedded.h"
#include "machine.h"

extern const struct stf_embedded stf_machine_scripts[];

/* The embedded script `name`; it is there. */
const struct stf_embedded *stf_machine_script(const char *name);

/* ---------- kernel.c ---------- */

enum { STF_MACHINE_PATH = 512 };

struct stf_machine_kernel {
    char dir[STF_MACHINE_PATH];   /* Debian's package, unpacked: boot/ and lib/modules/ */
    char image[STF_MACHINE_PATH]; /* dir/boot/vmlinuz-VERSION */
    char version[128];
};

/* Finds the kernel; fetches it first where there is none yet. */
enum stf_kind stf_machine_kernel_find(const struct stf_machine_options *options, struct stf_machine_kernel *kernel,
                                      struct stf_err *err);
/* The files of the modules that reach the host's files and speak to this program, in order of loading, a path a line.
 * `*paths` is malloc'ed. */
enum stf_kind stf_machine_kernel_modules(const struct stf_machine_kernel *kernel, char **paths, struct stf_err *err);

/* ---------- initramfs.c ---------- */

/* An initial memory disk with busybox, the modules, the scripts and `command`, as a file without a name: `*fd`. */
enum stf_kind stf_machine_initramfs(const char *module_paths, const char *command, int *fd, struct stf_err *err);
