/* remote_session.h - a session with the registry of another host: calls in batches, the few keys that are kept open
 * there, and lists read as they stood at one time. Knows nothing of stores; changes nothing by itself.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "registry/remote_pipe.h"
#include "registry/store.h"
#include "registry/winreg.h"

enum {
    STF_REMOTE_OPEN_MAX = 64, /* keys that are kept open there */
    STF_REMOTE_WINDOW = 64,   /* calls on their way at a time */
};

/* A root of the registry. */
struct stf_remote_root {
    const char *short_name;
    const char *long_name;
    enum stf_winreg_call call; /* that opens it */
};

/* A key that somebody has asked for. Few of them are open at a time. */
struct stf_remote_key {
    struct stf_remote_key *parent;      /* NULL: the one above HKLM, HKU and so on */
    const struct stf_remote_root *root; /* NULL for a key below one */
    struct stf_remote_key **children;   /* sorted by name */
    size_t child_count;
    size_t child_capacity;
    bool is_open;
    uint64_t used_at;
    struct stf_winreg_handle handle;
    char name[];
};

struct stf_remote_session {
    struct stf_remote_pipe *pipe;
    uint32_t access;            /* with which keys are opened */
    struct stf_remote_key *top; /* above the roots */
    struct stf_remote_key *open[STF_REMOTE_OPEN_MAX];
    size_t open_count;
    uint64_t uses;
    struct stf_winreg_handle closing[STF_REMOTE_WINDOW]; /* closed there with the next call */
    size_t closing_count;
};

enum stf_kind stf_remote_session_open(const struct stf_registry_remote *remote, uint32_t access,
                                      struct stf_remote_session **out, struct stf_err *err);
void stf_remote_session_close(struct stf_remote_session *session);

/* ---- calls ---- */

/* Makes up to STF_REMOTE_WINDOW calls, after closing what is to be closed. Fini them in either case. */
enum stf_kind stf_remote_calls_make(struct stf_remote_session *session, struct stf_remote_call *calls, size_t count,
                                    struct stf_err *err);
void stf_remote_calls_fini(struct stf_remote_call *calls, size_t count);

struct stf_bytes_in stf_remote_results(const struct stf_remote_call *call);
/* Fills the error for results that have not the form they must have. */
enum stf_kind stf_remote_bad_results(const struct stf_remote_session *session, const char *op, struct stf_err *err);
/* Fills the error for a call that answered with `code`: "... refused to OP NAME: ...". */
enum stf_kind stf_remote_refused(const struct stf_remote_session *session, uint32_t code, const char *op,
                                 const char *name, struct stf_err *err);
/* Of a call whose answer is nothing but its code. */
enum stf_kind stf_remote_check_code(const struct stf_remote_session *session, const struct stf_remote_call *call,
                                    const char *op, const char *name, bool may_be_absent, struct stf_err *err);
/* Makes one call that answers with an open key, and finis it. */
enum stf_kind stf_remote_get_handle(struct stf_remote_session *session, struct stf_remote_call *call, const char *op,
                                    const char *name, struct stf_winreg_handle *handle, struct stf_err *err);

/* A name as the other side wants it. Fini it in either case. */
enum stf_kind stf_remote_name_init(struct stf_winreg_name *wide, const char *name, struct stf_err *err);
void stf_remote_name_fini(struct stf_winreg_name *wide);

/* ---- keys ---- */

/* NULL when memory is out. */
struct stf_remote_key *stf_remote_key_child(struct stf_remote_key *parent, const char *name);
/* The key's handle, until another key is opened. */
enum stf_kind stf_remote_key_open(struct stf_remote_session *session, struct stf_remote_key *key,
                                  struct stf_winreg_handle *handle, struct stf_err *err);
/* Takes over a handle that was opened for the key. */
void stf_remote_key_set_open(struct stf_remote_session *session, struct stf_remote_key *key,
                             const struct stf_winreg_handle *handle);
/* Frees a key that is deleted, with all that is below. */
void stf_remote_key_forget(struct stf_remote_session *session, struct stf_remote_key *key);

/* A subkey, by a handle that is the caller's to close. */
enum stf_kind stf_remote_open_below(struct stf_remote_session *session, const struct stf_winreg_handle *parent,
                                    const char *name, uint32_t options, struct stf_winreg_handle *handle,
                                    struct stf_err *err);
void stf_remote_close_later(struct stf_remote_session *session, const struct stf_winreg_handle *handle);

/* ---- lists ---- */

/* One reading of a key's list of subkeys, or of values. */
struct stf_remote_reading {
    struct stf_winreg_handle handle;
    enum stf_winreg_call operation; /* EnumKey or EnumValue */
    struct stf_winreg_info info;
    bool is_steady;                      /* nobody has changed the key meanwhile, as far as can be seen */
    struct stf_registry_subkeys subkeys; /* without nodes */
    struct stf_registry_values values;
};

/* All items, as they stood at one time; STF_BUSY when others change the key all the time. Fini the reading in either
 * case. */
enum stf_kind stf_remote_read_list(struct stf_remote_session *session, const struct stf_winreg_handle *handle,
                                   enum stf_winreg_call operation, struct stf_remote_reading *reading,
                                   struct stf_err *err);
void stf_remote_reading_fini(struct stf_remote_reading *reading);

/* Of a QueryInfoKey. */
enum stf_kind stf_remote_get_info(const struct stf_remote_session *session, const struct stf_remote_call *call,
                                  struct stf_winreg_info *info, struct stf_err *err);

/* One value, under its stored spelling, which only lists tell. STF_NOT_FOUND, without filling an error, when it is
 * absent: that costs one call. */
enum stf_kind stf_remote_find_value(struct stf_remote_session *session, const struct stf_winreg_handle *handle,
                                    const char *name, struct stf_registry_value *value, struct stf_err *err);
