/* secret_file.c - reads the file that holds a pre-shared or private key.
 * Must never have the secret in an error, nor read a file that others may use. SPDX-License-Identifier: MIT */
#include "ipsec/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/doc.h"

static enum stf_kind file_failed(int errnum, const char *path, struct stf_err *err)
{
    char what[320];
    snprintf(what, sizeof what, "read the secret from %s", path);
    return stf_err_errno(err, errnum, "read", path, what);
}

static enum stf_kind check_file(int fd, const char *path, struct stf_err *err)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return file_failed(errno, path, err);
    if (!S_ISREG(status.st_mode))
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", path, "%s is not a regular file", path);
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        return stf_err_set(err, STF_DENIED, 0, "read", path,
                           "%s holds a secret but others than its owner may use it (mode %03o); chmod 600 it", path,
                           (unsigned)status.st_mode & 0777);
    return STF_OK;
}

static enum stf_kind read_bytes(int fd, struct stf_secret *secret, const char *path, struct stf_err *err)
{
    while (secret->size <= STF_SECRET_MAX) {
        ssize_t got = read(fd, secret->bytes + secret->size, sizeof secret->bytes - secret->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_failed(errno, path, err);
        if (got == 0)
            break;
        secret->size += (size_t)got;
    }
    if (secret->size > STF_SECRET_MAX)
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", path, "%s is over %d bytes; is it a secret?", path,
                           STF_SECRET_MAX);
    if (secret->size && secret->bytes[secret->size - 1] == '\n')
        secret->size--;
    if (secret->size && secret->bytes[secret->size - 1] == '\r')
        secret->size--;
    secret->bytes[secret->size] = '\0';
    if (secret->size == 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", path, "%s is empty; expected a secret", path);
    return STF_OK;
}

enum stf_kind stf_secret_read(const struct stf_host *host, const char *file, struct stf_secret *secret,
                              struct stf_err *err)
{
    enum stf_kind kind;
    secret->size = 0;
    char *path = stf_doc_path(host->site_dir, file);
    if (!path)
        return stf_err_set(err, STF_NO_MEMORY, 0, "read", host->name, "no memory for a path");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        kind = file_failed(errno, path, err);
    } else {
        kind = check_file(fd, path, err);
        if (!kind)
            kind = read_bytes(fd, secret, path, err);
        close(fd);
    }
    free(path);
    return kind;
}

void stf_secret_wipe(struct stf_secret *secret)
{
    explicit_bzero(secret, sizeof *secret);
}
