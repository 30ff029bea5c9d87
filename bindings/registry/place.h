/* place.h - where a registry store is, as an operator writes it on a command line or in site.lua.
 * Looks at the first bytes of a file at most; opens no store, reads no credentials. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/binding.h>

#include "registry/registry.h"

/* What an operator says of a store; only `store` is required. */
struct stf_registry_words {
    const char *store;       /* "hive:PATH", "reg:PATH", "windows:", "windows32:" ..., "remote:HOST", or a path */
    const char *mount;       /* the key that the store's root is; NULL: see stf_registry_location_init */
    const char *credentials; /* remote: the file with user, password and domain */
    bool is_kerberos;        /* remote: by the ticket that the user has */
    bool is_prompting;       /* remote: by what is typed at the terminal */
    bool is_replaying_logs;  /* hive: a dirty one is opened as its transaction logs say */
};

/* A store that can be opened. */
struct stf_registry_location {
    const struct stf_registry_backend *backend;
    struct stf_registry_place place; /* its strings are the members below */
    bool is_whole;                   /* its keys start with a root: a .reg file, a live registry, without a mount */
    bool is_kerberos;
    bool is_prompting;
    char *mount; /* the key that its root is; "" when it is whole, or when nobody knows */
    char *path;  /* absolute when `base_dir` was; NULL for a live registry */
    char *host;
    char *credentials;
};

/* A path is a .reg file when its name ends so or its text starts so, else a hive. Relative paths start at `base_dir`.
 * Without a `mount` a hive is what its file's name says: SYSTEM, SOFTWARE, SAM, SECURITY, COMPONENTS and DRIVERS below
 * HKLM, DEFAULT is HKU\.DEFAULT, NTUSER.DAT is HKCU, UsrClass.dat HKCU\Software\Classes; another name says nothing.
 * STF_UNSUPPORTED for a kind of store that this program has not. Fini the location in either case. */
enum stf_kind stf_registry_location_init(struct stf_registry_location *location, const struct stf_registry_words *words,
                                         const char *base_dir, struct stf_err *err);
void stf_registry_location_fini(struct stf_registry_location *location);

/* "hive:/srv/SYSTEM", malloc'ed: what init takes, whole. */
char *stf_registry_location_text(const struct stf_registry_location *location);

/* The key as the store has it: "HKLM\SYSTEM\Select" of a store mounted at HKLM\SYSTEM is "Select", and so is "Select".
 * *below points into `key`. STF_INVALID_DATA for a key that can not be in the store. */
enum stf_kind stf_registry_location_key(const struct stf_registry_location *location, const char *key,
                                        const char **below, struct stf_err *err);

/* The reverse, malloc'ed: "Select" is "HKLM\SYSTEM\Select" where the store is mounted at HKLM\SYSTEM; as it is
 * otherwise. */
char *stf_registry_location_full_key(const struct stf_registry_location *location, const char *key);

/* Makes the empty file of a store that is one, where nothing is. */
enum stf_kind stf_registry_location_create(const struct stf_registry_location *location, struct stf_err *err);
enum stf_kind stf_registry_location_open(const struct stf_registry_location *location, enum stf_registry_mode mode,
                                         struct stf_registry **registry, struct stf_err *err);

/* ---- the stores of a host ----
 *
 * `registry` in the host's table: { ["HKLM\\SYSTEM"] = "hives/SYSTEM", ["HKLM"] = { store = "remote:10.0.0.5",
 * credentials = "win.cred" } }; the other members are mount, kerberos, prompt and replay_logs. Each entry is for the
 * keys below its name, the longest name wins, and the name "" is for all keys. A store that is not whole is mounted at
 * the entry's name unless its `mount` says otherwise. */

/* The store that `key` is in. *below points into `key`. Fini the location in either case. */
enum stf_kind stf_registry_host_store(const struct stf_host *host, const char *key,
                                      struct stf_registry_location *location, const char **below, struct stf_err *err);

/* The name of the entry that `key` is in; points into the host's table. */
enum stf_kind stf_registry_host_entry(const struct stf_host *host, const char *key, const char **name,
                                      struct stf_err *err);

/* Such a table, of this one store: a new reference. All keys of the store, as location_full_key has them, find it. */
enum stf_kind stf_registry_location_to_doc(const struct stf_registry_location *location, json_t **doc,
                                           struct stf_err *err);
