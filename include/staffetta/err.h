/* err.h - how every fallible call of Staffetta reports what went wrong.
 * Never allocates: an error can be made when memory has run out. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lets the compiler check a format against its arguments. mingw-w64's own printf, which the Windows program uses, takes
 * what GNU's does. */
#if defined(__MINGW32__)
#define STF_PRINTF(format_at, arguments_at) __attribute__((format(gnu_printf, format_at, arguments_at)))
#elif defined(__GNUC__)
#define STF_PRINTF(format_at, arguments_at) __attribute__((format(printf, format_at, arguments_at)))
#else
#define STF_PRINTF(format_at, arguments_at)
#endif

/* The closed list of kinds. Scripts see them as lower-case strings ("not_found") and branch on them, never on text. */
enum stf_kind {
    STF_OK = 0,
    STF_NOT_FOUND,    /* the thing named is not there */
    STF_DENIED,       /* the system or a grant refuses it */
    STF_CONFLICT,     /* something stands there that is not what the caller relied on */
    STF_BUSY,         /* somebody else holds it now; trying again may help */
    STF_TIMEOUT,      /* no answer inside the deadline */
    STF_UNREACHABLE,  /* no way to the other side */
    STF_UNSUPPORTED,  /* this engine, store or kernel can not do it */
    STF_INVALID_DATA, /* input, or what the other side sent, has not the form it must have */
    STF_IO,           /* the operating system failed an operation */
    STF_NO_MEMORY,    /* an allocation failed */
};

/* One error. `code` is the native number (errno, VICI, SQLite) or 0. What happened is `message`, a sentence without a
 * final line break; `subject` is where, and `expected`, `found` and `remedy` are "" where they say nothing more. */
struct stf_err {
    enum stf_kind kind;
    int code;
    bool is_retryable;
    char op[32];       /* what was tried: "open", "load-conn" */
    char subject[256]; /* on what: a path, a key, a host */
    char message[768];
    char expected[512]; /* what should have stood there: "human or json" */
    char found[256];    /* what stood there: "'xml'" */
    char remedy[256];   /* what to do about it: a command, or what to change */
};

/* Fills `err` (which may be NULL) and returns `kind`, so a caller can write `return stf_err_set(...)`.
 * `op` and `subject` may be NULL; all strings are copied, cut to size. */
STF_PRINTF(6, 7)
enum stf_kind stf_err_set(struct stf_err *err, enum stf_kind kind, int code, const char *op, const char *subject,
                          const char *format, ...);

/* Adds to the error just made, which may be NULL, what was expected and what was found; either may be NULL. */
void stf_err_expected(struct stf_err *err, const char *expected, const char *found);

/* Adds to the error just made, which may be NULL, what to do about it. */
STF_PRINTF(2, 3) void stf_err_remedy(struct stf_err *err, const char *format, ...);

/* stf_err_set for a failed system call: the kind, and a remedy where there is one, follow from `errnum`, and the
 * message is `what: strerror`. */
enum stf_kind stf_err_errno(struct stf_err *err, int errnum, const char *op, const char *subject, const char *what);

/* "not_found" for STF_NOT_FOUND and so on; "ok" for STF_OK. Never NULL. */
const char *stf_kind_name(enum stf_kind kind);

/* The kind that `name` stands for; STF_IO for a name that is none. */
enum stf_kind stf_kind_from_name(const char *name);

#ifdef __cplusplus
}
#endif
