/* remote_login.c - reads a file of credentials, once, through one descriptor that was looked at first.
 * Must never put what it read into an error. SPDX-License-Identifier: MIT */
#include "registry/remote_login.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 16384 };

static enum stf_kind check_file(int fd, const char *path, struct stf_err *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return stf_err_errno(err, errno, "open", path, "cannot look at the file of credentials");
    if (!S_ISREG(status.st_mode))
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path, "the credentials %s are no regular file", path);
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0 || (status.st_uid != 0 && status.st_uid != geteuid())) {
        return stf_err_set(err, STF_DENIED, 0, "open", path,
                           "the credentials %s could be read or changed by others: the file must belong to you or root "
                           "and have mode 600",
                           path);
    }
    return STF_OK;
}

static char *trim(char *text)
{
    char *end;

    text += strspn(text, " \t");
    end = text + strlen(text);
    while (end > text && strchr(" \t\r", end[-1]) != NULL)
        *--end = '\0';
    return text;
}

/* Where a name's value goes; NULL for a name that says nothing here. */
static char *member_of(struct stf_remote_connect *connect, const char *name)
{
    if (strcasecmp(name, "username") == 0)
        return connect->user;
    if (strcasecmp(name, "password") == 0)
        return connect->password;
    return strcasecmp(name, "domain") == 0 ? connect->domain : NULL;
}

static enum stf_kind parse(char *text, const char *path, struct stf_remote_connect *connect, struct stf_err *err)
{
    int number = 0;
    char *line;

    while ((line = strsep(&text, "\n")) != NULL) {
        char *equals = strchr(line, '=');
        char *name = trim(line);
        char *member;
        number++;
        if (*name == '\0' || *name == '#' || *name == ';')
            continue;
        if (equals == NULL) {
            return stf_err_set(err, STF_INVALID_DATA, 0, "read", path,
                               "line %d of the credentials %s is wrong: it needs a name, '=' and a value", number,
                               path);
        }
        *equals = '\0';
        member = member_of(connect, trim(name));
        equals = trim(equals + 1);
        if (member != NULL && strlen(equals) >= STF_REMOTE_TEXT_MAX) {
            return stf_err_set(err, STF_INVALID_DATA, 0, "read", path, "line %d of the credentials %s is too long",
                               number, path);
        }
        if (member != NULL)
            strcpy(member, equals);
    }
    if (*connect->user == '\0') {
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", path,
                           "the credentials %s name nobody: a line `username = ...` is missing", path);
    }
    return STF_OK;
}

enum stf_kind stf_remote_login_read(const char *path, struct stf_remote_connect *connect, struct stf_err *err)
{
    char text[FILE_MAX + 1];
    size_t size = 0;
    ssize_t got = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum stf_kind kind;

    if (fd < 0)
        return stf_err_errno(err, errno, "open", path, "cannot open the file of credentials");
    kind = check_file(fd, path, err);
    while (kind == STF_OK && got > 0 && size < FILE_MAX) {
        got = read(fd, text + size, FILE_MAX - size);
        size += got > 0 ? (size_t)got : 0;
    }
    if (kind == STF_OK && got < 0)
        kind = stf_err_errno(err, errno, "read", path, "cannot read the file of credentials");
    if (kind == STF_OK && (size == FILE_MAX || memchr(text, '\0', size) != NULL))
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "read", path, "%s is no file of credentials", path);
    if (kind == STF_OK) {
        text[size] = '\0';
        kind = parse(text, path, connect, err);
    }
    explicit_bzero(text, sizeof(text));
    close(fd);
    return kind;
}
