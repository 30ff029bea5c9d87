/* kernel.c - Debian's kernel package, unpacked in a cache folder; fetched when it is not there.
 * Must never install it: that would run boot loaders' hooks. SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/process.h"
#include "parts.h"

enum { FETCH_TIMEOUT_MS = 900000, LIST_TIMEOUT_MS = 30000 };

static enum stf_kind cache_dir(char dir[STF_MACHINE_PATH], struct stf_err *err)
{
    const char *home = getenv("HOME");
    if (geteuid() == 0)
        snprintf(dir, STF_MACHINE_PATH, "/var/cache/staffetta/kernel");
    else if (!home || snprintf(dir, STF_MACHINE_PATH, "%s/.cache/staffetta/kernel", home) >= STF_MACHINE_PATH)
        return stf_err_set(err, STF_NOT_FOUND, 0, "vm", NULL, "HOME must name the folder to keep the kernel in");
    return STF_OK;
}

/* Runs a program that must succeed; its output is the caller's. */
static enum stf_kind run(const char *const argv[], int64_t timeout_ms, const char *what, char **output,
                         struct stf_err *err)
{
    struct stf_process_result result;
    enum stf_kind kind =
        stf_process_run(&(struct stf_process_id){.argv = argv, .timeout_ms = timeout_ms}, &result, err);
    if (!kind && result.exit_code != 0)
        kind = stf_err_set(err, STF_IO, result.exit_code, "vm", argv[0], "%s: %.600s", what, result.errors);
    if (!kind && output) {
        *output = result.output;
        result.output = NULL;
    }
    stf_process_result_fini(&result);
    return kind;
}

static bool find_image(struct stf_machine_kernel *kernel)
{
    static const char prefix[] = "vmlinuz-";
    char boot[STF_MACHINE_PATH + 8];
    bool is_found = false;
    snprintf(boot, sizeof boot, "%s/boot", kernel->dir);
    DIR *folder = opendir(boot);
    for (struct dirent *entry; folder && !is_found && (entry = readdir(folder));) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        int size = snprintf(kernel->image, sizeof kernel->image, "%s/%s", boot, entry->d_name);
        int version_size = snprintf(kernel->version, sizeof kernel->version, "%s", entry->d_name + strlen(prefix));
        is_found = size < (int)sizeof kernel->image && version_size < (int)sizeof kernel->version;
    }
    if (folder)
        closedir(folder);
    return is_found;
}

enum stf_kind stf_machine_kernel_find(const struct stf_machine_options *options, struct stf_machine_kernel *kernel,
                                      struct stf_err *err)
{
    enum stf_kind kind = cache_dir(kernel->dir, err);
    if (kind || find_image(kernel))
        return kind;
    const char *const argv[] = {"sh",           "-c",        stf_machine_script("fetch-kernel.sh")->bytes,
                                "fetch-kernel", kernel->dir, NULL};
    options->progress("fetching Debian's kernel package (70 MB), once");
    kind = run(argv, FETCH_TIMEOUT_MS, "cannot fetch Debian's kernel", NULL, err);
    if (!kind && !find_image(kernel))
        kind = stf_err_set(err, STF_NOT_FOUND, 0, "vm", kernel->dir, "the kernel package in %s has no kernel",
                           kernel->dir);
    return kind;
}

/* modprobe tells "insmod PATH" for each, dependencies first; a module may come twice. */
enum stf_kind stf_machine_kernel_modules(const struct stf_machine_kernel *kernel, char **paths, struct stf_err *err)
{
    static const char verb[] = "insmod ";
    const char *const argv[] = {
        "modprobe",   "-d",           kernel->dir, "-S",      kernel->version,  "-a", "--show-depends", "virtio_pci",
        "virtio_rng", "9pnet_virtio", "9p",        "overlay", "virtio_console", NULL};
    char *listed;
    size_t size;
    *paths = NULL;
    enum stf_kind kind = run(argv, LIST_TIMEOUT_MS, "cannot list the kernel's modules", &listed, err);
    if (kind)
        return kind;
    FILE *out = open_memstream(paths, &size);
    for (char *rest = listed, *line; out && (line = strsep(&rest, "\n"));) {
        char *path = line + strlen(verb);
        if (strncmp(line, verb, strlen(verb)) != 0)
            continue;
        path[strcspn(path, " ")] = '\0';
        fflush(out); /* brings *paths up to date */
        if (!strstr(*paths, path))
            fprintf(out, "%s\n", path);
    }
    free(listed);
    if (!out || fclose(out) != 0)
        return stf_err_set(err, STF_NO_MEMORY, 0, "vm", NULL, "no memory");
    return STF_OK;
}
