/* place.c - store specifications: their kinds, the names of hives, a host's stores. Must never open what it names, but
 * for a look at a file's first bytes. SPDX-License-Identifier: MIT */
#include "registry/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/doc.h"
#include "registry/backends.h"
#include "registry/reg_text.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "registry", NULL, "memory is out");
}

/* ---- kinds ---- */

enum operand { OPERAND_PATH, OPERAND_NONE, OPERAND_HOST };

struct store_kind {
    const char *prefix;
    enum stf_registry_store store;
    enum operand operand;
    bool is_whole;
    enum stf_registry_view view;
};

enum { HIVE, REG };
static const struct store_kind kinds[] = {
    [HIVE] = {"hive:", STF_REGISTRY_STORE_HIVE, OPERAND_PATH, false, STF_REGISTRY_VIEW_OWN},
    [REG] = {"reg:", STF_REGISTRY_STORE_REG, OPERAND_PATH, true, STF_REGISTRY_VIEW_OWN},
    {"windows:", STF_REGISTRY_STORE_WINDOWS, OPERAND_NONE, true, STF_REGISTRY_VIEW_OWN},
    {"windows32:", STF_REGISTRY_STORE_WINDOWS, OPERAND_NONE, true, STF_REGISTRY_VIEW_32},
    {"windows64:", STF_REGISTRY_STORE_WINDOWS, OPERAND_NONE, true, STF_REGISTRY_VIEW_64},
    {"remote:", STF_REGISTRY_STORE_REMOTE, OPERAND_HOST, true, STF_REGISTRY_VIEW_OWN},
};

/* Text of a .reg file starts with its version, in UTF-8 or UTF-16LE, perhaps after a byte order mark. */
static bool starts_as_reg(const char *path)
{
    static const char *const versions[] = {"Windows Registry Editor", "REGEDIT4"};
    uint8_t bytes[64] = {0};
    char text[sizeof(bytes)] = "";
    size_t size = 0;
    size_t used = 0;
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return false;
    size = fread(bytes, 1, sizeof(bytes) - 1, file);
    fclose(file);
    for (size_t i = 0; i < size; i++)
        if (bytes[i] >= 0x20 && bytes[i] < 0x7f) /* drops marks and the zero halves of UTF-16 */
            text[used++] = (char)bytes[i];
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        if (strncmp(text, versions[i], strlen(versions[i])) == 0)
            return true;
    return false;
}

static bool has_reg_suffix(const char *path)
{
    size_t size = strlen(path);

    return size > 4 && strcasecmp(path + size - 4, ".reg") == 0;
}

/* The kind of store and what follows its prefix. A path without a prefix leaves *kind NULL. */
static const char *split_prefix(const char *text, const struct store_kind **kind)
{
    *kind = NULL;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t size = strlen(kinds[i].prefix);
        if (strncmp(text, kinds[i].prefix, size) == 0) {
            *kind = &kinds[i];
            return text + size;
        }
    }
    return text;
}

/* The key that a hive of this file name is on every Windows; NULL when the name says nothing. */
static const char *mount_of_hive(const char *path)
{
    static const struct {
        const char *file;
        const char *key;
    } hives[] = {
        {"SYSTEM", "HKLM\\SYSTEM"},
        {"SOFTWARE", "HKLM\\SOFTWARE"},
        {"SAM", "HKLM\\SAM"},
        {"SECURITY", "HKLM\\SECURITY"},
        {"COMPONENTS", "HKLM\\COMPONENTS"},
        {"DRIVERS", "HKLM\\DRIVERS"},
        {"DEFAULT", "HKU\\.DEFAULT"},
        {"NTUSER.DAT", "HKCU"},
        {"USRCLASS.DAT", "HKCU\\Software\\Classes"},
    };
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    for (size_t i = 0; i < sizeof(hives) / sizeof(hives[0]); i++)
        if (strcasecmp(name, hives[i].file) == 0)
            return hives[i].key;
    return NULL;
}

/* ---- a location ---- */

static bool is_system(const char *mount)
{
    const char *below;
    size_t depth;

    return stf_registry_key_is_below(mount, "HKLM\\SYSTEM", &below, &depth) && *below == '\0';
}

static enum stf_kind take_operand(struct stf_registry_location *location, const struct store_kind *kind,
                                  const char *operand, const char *store, const char *base_dir, struct stf_err *err)
{
    bool is_given = *operand != '\0';

    if (is_given != (kind->operand != OPERAND_NONE)) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "registry", store, "the store '%s' is wrong: %s needs %s", store,
                           kind->prefix,
                           kind->operand == OPERAND_NONE   ? "nothing after it"
                           : kind->operand == OPERAND_HOST ? "the name or address of a host after it"
                                                           : "a path after it");
    }
    switch (kind->operand) {
    case OPERAND_PATH:
        location->path = stf_doc_path(base_dir, operand);
        return location->path != NULL ? STF_OK : no_memory(err);
    case OPERAND_HOST:
        location->host = strdup(operand);
        return location->host != NULL ? STF_OK : no_memory(err);
    case OPERAND_NONE:
        break;
    }
    return STF_OK;
}

static enum stf_kind take_mount(struct stf_registry_location *location, const char *mount, const char *fallback,
                                struct stf_err *err)
{
    const char *rest;

    if (mount == NULL && !location->is_whole) {
        mount = fallback != NULL ? fallback : mount_of_hive(location->path);
    } else if (mount != NULL && *mount != '\0' && stf_registry_root_name(mount, &rest) == NULL) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "registry", mount,
                           "the mount %s is no key: it starts with HKLM, HKCU, HKU, HKCR, HKCC or one of their long "
                           "names",
                           mount);
    }
    location->mount = strdup(mount != NULL ? mount : "");
    return location->mount != NULL ? STF_OK : no_memory(err);
}

static enum stf_kind take_credentials(struct stf_registry_location *location, const struct stf_registry_words *words,
                                      const char *base_dir, struct stf_err *err)
{
    int given = (words->credentials != NULL) + words->is_kerberos + words->is_prompting;

    if (given > 0 && location->host == NULL) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "registry", words->store,
                           "the store %s takes no credentials; only remote: does", words->store);
    }
    if (given > 1) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "registry", words->store,
                           "the store %s takes one of a file of credentials, Kerberos and a prompt", words->store);
    }
    if (words->credentials != NULL)
        location->credentials = stf_doc_path(base_dir, words->credentials);
    location->is_kerberos = words->is_kerberos;
    location->is_prompting = words->is_prompting;
    return words->credentials == NULL || location->credentials != NULL ? STF_OK : no_memory(err);
}

static enum stf_kind no_backend(const struct store_kind *kind, const char *store, struct stf_err *err)
{
    return stf_err_set(err, STF_UNSUPPORTED, 0, "registry", store, "this program has no %s stores%s", kind->prefix,
                       kind->operand == OPERAND_NONE ? "; the live registry is opened by the Windows program" : "");
}

/* `mount` is the store's when the words do not name one; NULL: as its file's name says. */
static enum stf_kind locate(struct stf_registry_location *location, const struct stf_registry_words *words,
                            const char *mount, const char *base_dir, struct stf_err *err)
{
    const struct store_kind *kind;
    const char *operand = split_prefix(words->store, &kind);
    bool is_plain = kind == NULL;
    enum stf_kind result;

    *location = (struct stf_registry_location){0};
    kind = is_plain ? &kinds[has_reg_suffix(operand) ? REG : HIVE] : kind;
    result = take_operand(location, kind, operand, words->store, base_dir, err);
    if (result == STF_OK && is_plain && starts_as_reg(location->path))
        kind = &kinds[REG];
    if (result == STF_OK && stf_registry_backends[kind->store] == NULL)
        result = no_backend(kind, words->store, err);
    if (result != STF_OK)
        return result;
    location->backend = stf_registry_backends[kind->store];
    location->is_whole = kind->is_whole;
    result = take_mount(location, words->mount, mount, err);
    if (result == STF_OK) {
        result = take_credentials(location, words, base_dir, err);
        location->is_whole = kind->is_whole && *location->mount == '\0';
    }
    if (result == STF_OK) {
        location->place = (struct stf_registry_place){
            .path = location->path,
            .key = kind->is_whole && !location->is_whole ? location->mount : NULL,
            .view = kind->view,
            .is_replaying_logs = words->is_replaying_logs,
            .is_system = !kind->is_whole && is_system(location->mount),
        };
    }
    return result;
}

enum stf_kind stf_registry_location_init(struct stf_registry_location *location, const struct stf_registry_words *words,
                                         const char *base_dir, struct stf_err *err)
{
    return locate(location, words, NULL, base_dir, err);
}

void stf_registry_location_fini(struct stf_registry_location *location)
{
    free(location->mount);
    free(location->path);
    free(location->host);
    free(location->credentials);
    *location = (struct stf_registry_location){0};
}

char *stf_registry_location_text(const struct stf_registry_location *location)
{
    const char *operand = location->path != NULL ? location->path : location->host != NULL ? location->host : "";
    size_t i = 0;
    char *text;

    while (stf_registry_backends[kinds[i].store] != location->backend || kinds[i].view != location->place.view)
        i++;
    return asprintf(&text, "%s%s", kinds[i].prefix, operand) >= 0 ? text : NULL;
}

enum stf_kind stf_registry_location_key(const struct stf_registry_location *location, const char *key,
                                        const char **below, struct stf_err *err)
{
    const char *rest;
    size_t depth;
    bool is_full = stf_registry_root_name(key, &rest) != NULL;

    *below = key;
    if (location->is_whole) {
        return is_full || *key == '\0'
                   ? STF_OK
                   : stf_err_set(err, STF_INVALID_DATA, 0, "registry", key,
                                 "the key %s does not start with a root: HKLM, HKCU, HKU, HKCR, HKCC or one of their "
                                 "long names",
                                 key);
    }
    if (!is_full)
        return STF_OK;
    if (*location->mount == '\0') {
        return stf_err_set(err, STF_INVALID_DATA, 0, "registry", key,
                           "the key %s is a full one, but nothing says which key the root of %s is: give the mount, "
                           "such as HKLM\\SYSTEM, or a key below the store's root",
                           key, location->path);
    }
    if (!stf_registry_key_is_below(key, location->mount, below, &depth)) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "registry", key, "the key %s is not in %s, whose root is %s", key,
                           location->path, location->mount);
    }
    return STF_OK;
}

char *stf_registry_location_full_key(const struct stf_registry_location *location, const char *key)
{
    const char *rest;
    bool is_full = *location->mount == '\0' || stf_registry_root_name(key, &rest) != NULL;
    char *full;

    if (is_full)
        return strdup(key);
    return asprintf(&full, "%s%s%s", location->mount, *key != '\0' ? "\\" : "", key) >= 0 ? full : NULL;
}

enum stf_kind stf_registry_location_create(const struct stf_registry_location *location, struct stf_err *err)
{
    if (location->backend == &stf_registry_backend_hive)
        return stf_hive_create(location->path, err);
    if (location->backend == &stf_registry_backend_regfile)
        return stf_regfile_create(location->path, &(struct stf_reg_format){0}, err);
    return stf_err_set(err, STF_UNSUPPORTED, 0, "create", NULL, "this kind of store can not be made");
}

enum stf_kind stf_registry_location_open(const struct stf_registry_location *location, enum stf_registry_mode mode,
                                         struct stf_registry **registry, struct stf_err *err)
{
    const struct stf_registry_remote remote = {
        .host = location->host,
        .root = location->place.key,
        .credentials_file = location->credentials,
        .use_kerberos = location->is_kerberos,
        .may_ask = location->is_prompting,
    };
    struct stf_registry_place place = location->place;

    place.remote = location->host != NULL ? &remote : NULL;
    return stf_registry_open(location->backend, &place, mode, registry, err);
}

/* ---- the stores of a host ---- */

static enum stf_kind no_store(const struct stf_host *host, const char *key, const json_t *stores, struct stf_err *err)
{
    char known[256] = "";
    const char *root;
    json_t *entry;

    json_object_foreach ((json_t *)stores, root, entry) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s%s", used > 0 ? ", " : "", root);
    }
    return stf_err_set(err, STF_UNSUPPORTED, 0, "registry", key,
                       "the host %s has no registry store for %s; its `registry` in site.lua has %s", host->name, key,
                       *known != '\0' ? known : "none");
}

static enum stf_kind bad_entry(const struct stf_host *host, const char *name, struct stf_err *err)
{
    return stf_err_set(
        err, STF_INVALID_DATA, 0, "registry", host->name,
        "the entry %s in the `registry` of host %s is wrong: its name must be a key such as HKLM\\SYSTEM, "
        "and it must be a store (\"hives/SYSTEM\") or a table { store = \"remote:10.0.0.5\", credentials "
        "= \"win.cred\" }",
        name, host->name);
}

static enum stf_kind words_from_doc(const struct stf_host *host, const char *name, const json_t *entry,
                                    struct stf_registry_words *words, struct stf_err *err)
{
    static const char *const known[] = {"store", "mount", "credentials", "kerberos", "prompt", "replay_logs", NULL};
    enum stf_kind kind;

    *words = (struct stf_registry_words){.store = json_string_value(entry)};
    if (json_is_string(entry))
        return STF_OK;
    if (!json_is_object(entry))
        return bad_entry(host, name, err);
    kind = stf_doc_check_keys(entry, known, "a store in the host's registry", err);
    if (kind == STF_OK)
        kind = stf_doc_string(entry, "store", &words->store, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(entry, "mount", NULL, &words->mount, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(entry, "credentials", NULL, &words->credentials, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_bool(entry, "kerberos", false, &words->is_kerberos, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_bool(entry, "prompt", false, &words->is_prompting, err);
    return kind == STF_OK ? stf_doc_opt_bool(entry, "replay_logs", false, &words->is_replaying_logs, err) : kind;
}

/* The entry for `key`: the one with the longest name that the key is below. */
static enum stf_kind find_entry(const struct stf_host *host, const char *key, const char **name, const json_t **entry,
                                struct stf_err *err)
{
    const json_t *stores = json_object_get(host->config, "registry");
    const char *each_name;
    const char *rest;
    json_t *each;
    size_t longest = 0;

    if (!json_is_object(stores)) {
        return stf_err_set(
            err, STF_UNSUPPORTED, 0, "registry", host->name,
            "the host %s has no registry: its table in site.lua needs registry = { [\"HKLM\\\\SYSTEM\"] = "
            "\"hives/SYSTEM\" }",
            host->name);
    }
    *entry = json_object_get(stores, "");
    *name = "";
    if (*entry == NULL && stf_registry_root_name(key, &rest) == NULL) {
        return stf_err_set(
            err, STF_INVALID_DATA, 0, "registry", key,
            "the key %s does not start with a root: HKLM, HKCU, HKU, HKCR, HKCC or one of their long names", key);
    }
    json_object_foreach ((json_t *)stores, each_name, each) {
        size_t depth = 0;
        if (*each_name != '\0' && stf_registry_root_name(each_name, &rest) == NULL)
            return bad_entry(host, each_name, err);
        if (stf_registry_key_is_below(key, each_name, &rest, &depth) && depth > longest) {
            longest = depth;
            *name = each_name;
            *entry = each;
        }
    }
    return *entry != NULL ? STF_OK : no_store(host, key, stores, err);
}

enum stf_kind stf_registry_host_entry(const struct stf_host *host, const char *key, const char **name,
                                      struct stf_err *err)
{
    const json_t *entry;

    return find_entry(host, key, name, &entry, err);
}

enum stf_kind stf_registry_host_store(const struct stf_host *host, const char *key,
                                      struct stf_registry_location *location, const char **below, struct stf_err *err)
{
    struct stf_registry_words words;
    const json_t *entry = NULL;
    const char *name = "";
    enum stf_kind kind = find_entry(host, key, &name, &entry, err);

    *location = (struct stf_registry_location){0};
    if (kind == STF_OK)
        kind = words_from_doc(host, name, entry, &words, err);
    if (kind == STF_OK)
        kind = locate(location, &words, *name != '\0' ? name : NULL, host->site_dir, err);
    return kind == STF_OK ? stf_registry_location_key(location, key, below, err) : kind;
}

enum stf_kind stf_registry_location_to_doc(const struct stf_registry_location *location, json_t **doc,
                                           struct stf_err *err)
{
    char *text = stf_registry_location_text(location);
    json_t *entry = text != NULL ? json_pack("{s:s, s:s}", "store", text, "mount", location->mount) : NULL;
    bool is_full = entry != NULL &&
                   (location->credentials == NULL ||
                    json_object_set_new(entry, "credentials", json_string(location->credentials)) == 0) &&
                   (!location->is_kerberos || json_object_set_new(entry, "kerberos", json_true()) == 0) &&
                   (!location->is_prompting || json_object_set_new(entry, "prompt", json_true()) == 0) &&
                   (!location->place.is_replaying_logs || json_object_set_new(entry, "replay_logs", json_true()) == 0);

    *doc = is_full ? json_pack("{s:O}", location->mount, entry) : NULL;
    json_decref(entry);
    free(text);
    return *doc != NULL ? STF_OK : no_memory(err);
}
