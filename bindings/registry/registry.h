/* registry.h - one interface to a registry tree, whatever keeps it. Keys are paths below the store's root, split by
 * backslashes ("" is the root itself); names compare as Windows does, regardless of case, and keep their spelling.
 * Never includes lua.h. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <staffetta/err.h>

#include "registry/value.h"

struct stf_binding;
struct stf_registry;
struct stf_registry_backend;
struct stf_registry_memory;

extern const struct stf_binding stf_registry_binding;
extern const struct stf_registry_backend stf_registry_backend_memory;
extern const struct stf_registry_backend stf_registry_backend_hive;
extern const struct stf_registry_backend stf_registry_backend_regfile;
extern const struct stf_registry_backend stf_registry_backend_windows; /* in the Windows program */
extern const struct stf_registry_backend stf_registry_backend_remote;

enum stf_registry_mode { STF_REGISTRY_READ, STF_REGISTRY_WRITE };

/* remote: the registry of another host, through its winreg service. Credentials come from the file, from `user` and the
 * two after it, from the user's Kerberos tickets, or are asked for at the terminal. */
struct stf_registry_remote {
    const char *host;             /* a name or an address */
    uint16_t port;                /* 0: 445 */
    const char *root;             /* the key that is the store's root; NULL or "": the one above HKLM, HKU and so on */
    const char *credentials_file; /* Samba's format; mode 600 */
    const char *user;
    const char *domain;
    const char *password;
    bool use_kerberos;
    bool may_ask;
    int64_t deadline_ms; /* for each answer; 0: 10 s */
    const char *helper;  /* staffetta-winreg; NULL: beside this program, or where it was installed */
};

/* 64-bit Windows keeps some keys twice, for programs of either kind. */
enum stf_registry_view { STF_REGISTRY_VIEW_OWN, STF_REGISTRY_VIEW_64, STF_REGISTRY_VIEW_32 };

/* Where a store is. Each backend reads the member it knows. */
struct stf_registry_place {
    const char *path;                   /* hive: the regf file; regfile: the .reg file */
    struct stf_registry_memory *memory; /* memory: the tree */
    const struct stf_registry_remote *remote;
    const char *key; /* windows, regfile: the store's root, "HKCU\\Software\\Mail"; NULL: the whole registry */
    enum stf_registry_view view; /* windows */
    bool is_replaying_logs;      /* hive: a dirty one is opened as its transaction logs say */
    bool is_system;              /* the root is HKLM\SYSTEM: CurrentControlSet is resolved by Select\Current */
};

/* What a store of that kind keeps and what it can not do, for an operator to read. */
const char *stf_registry_limits(const struct stf_registry_backend *backend);

/* Opens a store. What is changed stays private until stf_registry_commit, which makes all of it visible at once;
 * closing without a commit drops it. STF_BUSY when another writer has it open. A live registry (windows) is changed at
 * once, and a commit waits for the disk. */
enum stf_kind stf_registry_open(const struct stf_registry_backend *backend, const struct stf_registry_place *place,
                                enum stf_registry_mode mode, struct stf_registry **out, struct stf_err *err);
/* Does nothing, and touches nothing, when nothing was changed. */
enum stf_kind stf_registry_commit(struct stf_registry *registry, struct stf_err *err);
void stf_registry_close(struct stf_registry *registry);

/* The value as stored, under its stored spelling. STF_NOT_FOUND, and only then, when key or value is absent. */
enum stf_kind stf_registry_get(struct stf_registry *registry, const char *key, const char *name,
                               struct stf_registry_value *value, struct stf_err *err);

/* Creates missing keys, replaces a value of the same name, and gives it the spelling of `value`. */
enum stf_kind stf_registry_set(struct stf_registry *registry, const char *key, const struct stf_registry_value *value,
                               struct stf_err *err);

/* The value is absent afterwards; it is no error when it was before. */
enum stf_kind stf_registry_delete_value(struct stf_registry *registry, const char *key, const char *name,
                                        struct stf_err *err);

/* Names of the subkeys, and the values, each sorted by name. STF_NOT_FOUND when the key is absent. */
struct stf_registry_listing {
    char **keys;
    size_t key_count;
    struct stf_registry_value *values;
    size_t value_count;
};
enum stf_kind stf_registry_list(struct stf_registry *registry, const char *key, struct stf_registry_listing *listing,
                                struct stf_err *err);
void stf_registry_listing_fini(struct stf_registry_listing *listing);

/* Creates the key and those above it that are missing; it is no error when it stands. */
enum stf_kind stf_registry_create_key(struct stf_registry *registry, const char *key, struct stf_err *err);

/* Deletes the key with all that is below; it is no error when it is absent. The root can not be deleted. */
enum stf_kind stf_registry_delete_key(struct stf_registry *registry, const char *key, struct stf_err *err);

/* How many leading components of `key` exist, and how many it has. `spelling`, unless NULL, becomes the malloc'ed
 * stored name of the key's last component, or NULL when the key is absent or the root. */
enum stf_kind stf_registry_existing(struct stf_registry *registry, const char *key, size_t *existing,
                                    size_t *components, char **spelling, struct stf_err *err);

/* Makes exactly the first `wanted` components of `key` exist. Deletes empty keys only: STF_CONFLICT when one that would
 * have to go has values or other subkeys. */
enum stf_kind stf_registry_trim(struct stf_registry *registry, const char *key, size_t wanted, struct stf_err *err);

/* As strcmp, by Windows' rules: code points are compared after mapping to upper case one by one. Where the mapping does
 * not lead back (dotless i, long s, micro sign, final sigma) a letter stands for itself. */
int stf_registry_name_compare(const char *a, const char *b);
/* The same for all names that compare as equal. */
uint32_t stf_registry_name_hash(const char *name);
/* The same for them and no other, malloc'ed; NULL: memory is out. Takes a path too. */
char *stf_registry_name_fold(const char *name);

/* Whether `key` ("HKEY_LOCAL_MACHINE\\system\\Select") is `mount` ("HKLM\\SYSTEM") or below it. On true *below points
 * at the rest in `key` ("Select"), and *depth is how many components the mount has. Roots go by either name. */
bool stf_registry_key_is_below(const char *key, const char *mount, const char **below, size_t *depth);

/* The short name of the root that `key` starts with ("HKLM"), and what follows it; NULL when it starts with none. */
const char *stf_registry_root_name(const char *key, const char **rest);
/* The same, its long name ("HKEY_LOCAL_MACHINE"). */
const char *stf_registry_root_long_name(const char *key, const char **rest);

/* A tree in memory that outlives its openings: the reference that the contract is written against. One thread only. */
struct stf_registry_memory *stf_registry_memory_new(void);
void stf_registry_memory_free(struct stf_registry_memory *memory);

/* Makes a new, empty hive at `path`, readable by its owner only. Atomic; STF_CONFLICT when something is there. */
enum stf_kind stf_hive_create(const char *path, struct stf_err *err);

/* Replays the transaction logs beside a dirty hive, and puts a whole new clean file in its place. A clean hive is left
 * as it is. The logs stay where they are; nothing takes them to belong to the new file. */
enum stf_kind stf_hive_replay(const char *path, bool *was_dirty, struct stf_err *err);
