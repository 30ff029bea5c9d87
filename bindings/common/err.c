/* err.c - makes errors: fixed-size, always valid UTF-8 (they go into JSON and to terminals).
 * Must never allocate: it is called when memory has run out. SPDX-License-Identifier: MIT */
#include <staffetta/err.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

static const char *const kind_names[] = {
    [STF_OK] = "ok",
    [STF_NOT_FOUND] = "not_found",
    [STF_DENIED] = "denied",
    [STF_CONFLICT] = "conflict",
    [STF_BUSY] = "busy",
    [STF_TIMEOUT] = "timeout",
    [STF_UNREACHABLE] = "unreachable",
    [STF_UNSUPPORTED] = "unsupported",
    [STF_INVALID_DATA] = "invalid_data",
    [STF_IO] = "io",
    [STF_NO_MEMORY] = "no_memory",
};

enum { KIND_COUNT = sizeof kind_names / sizeof kind_names[0] };

/* Copies whole characters as far as they fit; a byte that is not UTF-8 becomes '?'. */
static void copy_text(char *to, size_t size, const char *from)
{
    size_t used = 0;
    while (from && *from) {
        size_t length = stf_utf8_length(from);
        size_t step = length ? length : 1;
        if (used + step >= size)
            break;
        if (length)
            memcpy(to + used, from, length);
        else
            to[used] = '?';
        used += step;
        from += step;
    }
    to[used] = '\0';
}

enum stf_kind stf_err_set(struct stf_err *err, enum stf_kind kind, int code, const char *op, const char *subject,
                          const char *format, ...)
{
    if (!err)
        return kind;
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);

    struct stf_err made = {.kind = kind, .code = code}; /* apart from *err: the strings may be those of *err */
    made.is_retryable = kind == STF_BUSY || kind == STF_TIMEOUT || kind == STF_UNREACHABLE;
    copy_text(made.op, sizeof made.op, op);
    copy_text(made.subject, sizeof made.subject, subject);
    copy_text(made.message, sizeof made.message, message);
    *err = made;
    return kind;
}

void stf_err_expected(struct stf_err *err, const char *expected, const char *found)
{
    if (!err)
        return;
    copy_text(err->expected, sizeof err->expected, expected);
    copy_text(err->found, sizeof err->found, found);
}

void stf_err_remedy(struct stf_err *err, const char *format, ...)
{
    if (!err)
        return;
    char remedy[sizeof err->remedy];
    va_list args;
    va_start(args, format);
    vsnprintf(remedy, sizeof remedy, format, args);
    va_end(args);
    copy_text(err->remedy, sizeof err->remedy, remedy);
}

static enum stf_kind kind_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
    case ENODEV:
    case ENXIO:
    case ESRCH:
    case EADDRNOTAVAIL:
        return STF_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return STF_DENIED;
    case EEXIST:
    case ENOTEMPTY:
    case EISDIR:
    case ELOOP:
        return STF_CONFLICT;
    case EAGAIN:
    case EBUSY:
    case EADDRINUSE:
    case ETXTBSY:
        return STF_BUSY;
    case ETIMEDOUT:
        return STF_TIMEOUT;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ENOTCONN:
    case EPIPE:
        return STF_UNREACHABLE;
    case EAFNOSUPPORT:
    case ENOSYS:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
        return STF_UNSUPPORTED;
    case EBADMSG:
    case EILSEQ:
    case EPROTO:
        return STF_INVALID_DATA;
    case ENOMEM:
        return STF_NO_MEMORY;
    }
    return STF_IO;
}

enum stf_kind stf_err_errno(struct stf_err *err, int errnum, const char *op, const char *subject, const char *what)
{
    char buffer[128];
    enum stf_kind kind = stf_err_set(err, kind_of_errno(errnum), errnum, op, subject, "%s: %s", what,
                                     strerror_r(errnum, buffer, sizeof buffer));
    if (errnum == EACCES || errnum == EPERM)
        stf_err_remedy(err, "run it as root (sudo), or give this user the right to do it");
    else if (errnum == ENOSPC)
        stf_err_remedy(err, "make room on the disk");
    return kind;
}

const char *stf_kind_name(enum stf_kind kind)
{
    return (unsigned)kind < KIND_COUNT ? kind_names[kind] : kind_names[STF_IO];
}

enum stf_kind stf_kind_from_name(const char *name)
{
    for (int kind = 0; kind < KIND_COUNT; kind++)
        if (name && strcmp(kind_names[kind], name) == 0)
            return (enum stf_kind)kind;
    return STF_IO;
}
