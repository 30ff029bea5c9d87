/* initramfs.c - the machine's initial memory disk: a cpio archive ("newc") in memory.
 * Must never leave a file behind: the archive has no name. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

enum { ALIGNMENT = 4, MAX_NAME = 64 };

static void pad(FILE *archive)
{
    while (ftell(archive) % ALIGNMENT != 0)
        fputc(0, archive);
}

/* What comes before an entry's bytes: hexadecimal numbers, of which only mode, links and sizes matter, and the name. */
static void begin_entry(FILE *archive, const char *name, mode_t mode, size_t size)
{
    fprintf(archive, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 0, mode, 0, 0, 1, 0, size, 0, 0, 0,
            0, strlen(name) + 1, 0);
    fwrite(name, 1, strlen(name) + 1, archive);
    pad(archive);
}

static void add_text(FILE *archive, const char *name, mode_t mode, const char *text)
{
    begin_entry(archive, name, S_IFREG | mode, strlen(text));
    fputs(text, archive);
    pad(archive);
}

static enum stf_kind add_file(FILE *archive, const char *name, const char *path, struct stf_err *err)
{
    char bytes[65536];
    struct stat status;
    FILE *file = fopen(path, "re");
    if (!file || fstat(fileno(file), &status) < 0) {
        enum stf_kind kind = stf_err_errno(err, errno, "vm", path, "cannot read what the machine needs to start");
        if (file)
            fclose(file);
        return kind;
    }
    begin_entry(archive, name, S_IFREG | 0755, (size_t)status.st_size);
    for (size_t size; (size = fread(bytes, 1, sizeof bytes, file)) > 0;)
        fwrite(bytes, 1, size, archive);
    fclose(file);
    pad(archive);
    return STF_OK;
}

/* Named by their order: init.sh loads them as they are listed. */
static enum stf_kind add_modules(FILE *archive, const char *paths, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    int number = 0;
    for (const char *end; !kind && (end = strchr(paths, '\n')); paths = end + 1) {
        char path[STF_MACHINE_PATH], name[MAX_NAME];
        snprintf(path, sizeof path, "%.*s", (int)(end - paths), paths);
        snprintf(name, sizeof name, "modules/%02d.ko", number++);
        kind = add_file(archive, name, path, err);
    }
    return kind;
}

enum stf_kind stf_machine_initramfs(const char *module_paths, const char *command, int *fd, struct stf_err *err)
{
    static const char *const folders[] = {"bin", "dev", "proc", "sys", "modules", "host", "writes", "new"};
    *fd = memfd_create("initramfs", 0);
    FILE *archive = *fd < 0 ? NULL : fdopen(dup(*fd), "w");
    if (!archive)
        return stf_err_errno(err, errno, "vm", NULL, "cannot make the machine's memory disk");
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        begin_entry(archive, folders[i], S_IFDIR | 0755, 0);
    add_text(archive, "init", 0755, stf_machine_script("init.sh")->bytes);
    add_text(archive, "guest.sh", 0644, stf_machine_script("guest.sh")->bytes);
    add_text(archive, "command.sh", 0600, command);
    enum stf_kind kind = add_file(archive, "bin/busybox", "/bin/busybox", err);
    if (!kind)
        kind = add_modules(archive, module_paths, err);
    begin_entry(archive, "TRAILER!!!", 0, 0);
    if (fclose(archive) != 0 && !kind)
        kind = stf_err_errno(err, errno, "vm", NULL, "cannot write the machine's memory disk");
    return kind;
}
