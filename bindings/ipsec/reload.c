/* reload.c - loads again what a restarted charon has lost: all of it over one connection, several commands in flight.
 * Must never write a file, nor load what a file does not say. SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipsec/durable.h"
#include "ipsec/strongswan.h"

static const char connection_suffix[] = ".conf", secret_suffix[] = ".secret.json";

enum { SUBJECT_SIZE = 128, PATH_SIZE = 512 };

/* One file, and the command that it becomes. */
struct item {
    char file[SUBJECT_SIZE]; /* "staffetta-mail.conf" */
    char name[SUBJECT_SIZE]; /* "staffetta-mail" */
    bool is_secret;
    struct stf_vici_message message;
};

struct reload {
    const struct stf_host *host;
    struct stf_strongswan daemon;
    struct stf_durable files;
    struct stf_ipsec_engine engine;
    json_t *connections, *shared, *keys; /* what charon has: an object by name, and two lists */
    struct item *items;
    struct stf_vici_call *calls; /* one for each item */
    size_t count;
    json_t *skipped;
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "reload", NULL, "no memory to load the connections again");
}

static void skip(struct reload *reload, const char *name, const char *reason)
{
    json_array_append_new(reload->skipped, json_pack("{s:s, s:s}", "name", name, "reason", reason));
}

static bool has_text(const json_t *list, const char *text)
{
    bool is_found = false;
    for (size_t i = 0; i < json_array_size(list) && !is_found; i++)
        is_found = strcmp(json_string_value(json_array_get(list, i)), text) == 0;
    return is_found;
}

/* ---------- the files ---------- */

static bool ends_with(const char *text, const char *suffix)
{
    size_t size = strlen(text), suffix_size = strlen(suffix);
    return size > suffix_size && strcmp(text + size - suffix_size, suffix) == 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

/* The names in the folder that could be ours; a new reference, NULL with errno. */
static json_t *list_files(const struct stf_durable *files)
{
    int fd = openat(files->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    json_t *names = dir ? json_array() : NULL;
    for (struct dirent *entry; names && (entry = readdir(dir));) {
        bool is_kind = ends_with(entry->d_name, connection_suffix) || ends_with(entry->d_name, secret_suffix);
        if (is_kind && strncmp(entry->d_name, "staffetta-", 10) == 0)
            json_array_append_new(names, json_string(entry->d_name));
    }
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    return names;
}

/* ---------- what is to be loaded ---------- */

static enum stf_kind encode_connection(struct reload *reload, const char *name, const char *path, const char *text,
                                       struct stf_vici_message *message, bool *is_wanted, struct stf_err *err)
{
    json_t *document = NULL, *tree = NULL;
    enum stf_kind kind = stf_connection_file_parse(text, path, &document, err);
    const json_t *live = json_object_get(reload->connections, name);
    if (!kind && json_object_get(document, "loaded"))
        kind = stf_err_set(err, STF_CONFLICT, 0, "reload", name, "it was written half; set or remove it");
    *is_wanted = !kind && !(live && stf_connection_is_live(document, live));
    if (*is_wanted)
        kind = stf_connection_render(name, document, &reload->engine, &tree, err);
    if (*is_wanted && !kind)
        kind = stf_strongswan_add_connection(message, tree, err);
    json_decref(tree);
    json_decref(document);
    return kind;
}

static enum stf_kind encode_secret(struct reload *reload, const char *name, const char *path, const char *text,
                                   struct stf_vici_call *call, struct stf_vici_message *message, bool *is_wanted,
                                   struct stf_err *err)
{
    char key_id[STF_CHARON_KEY_ID_SIZE];
    json_t *document = NULL;
    enum stf_kind kind = stf_ipsec_secret_parse(text, path, &document, key_id, err);
    if (!kind && json_object_get(document, "loaded"))
        kind = stf_err_set(err, STF_CONFLICT, 0, "reload", name, "it was written half; set or remove it");
    bool is_live = key_id[0] ? has_text(reload->keys, key_id) : has_text(reload->shared, name);
    *is_wanted = !kind && !is_live;
    if (*is_wanted)
        kind = stf_ipsec_secret_encode(reload->host, name, document, &call->command, message, err);
    json_decref(document);
    return kind;
}

/* stf_vici_prepare: a file becomes a command, or is left alone, or skipped; only what no further file could do better
 * is an error. */
static enum stf_kind prepare(void *user, size_t index, struct stf_err *err)
{
    struct reload *reload = user;
    struct item *item = &reload->items[index];
    struct stf_vici_call *call = &reload->calls[index];
    struct stf_err reason = {.kind = STF_OK};
    char path[PATH_SIZE], *text = NULL;
    bool is_wanted = false;

    snprintf(path, sizeof path, "%s/%s", reload->daemon.conf_dir, item->file);
    *call = (struct stf_vici_call){.command = "load-conn", .message = &item->message};
    enum stf_kind kind = stf_strongswan_check_name(item->name, &reason);
    if (!kind)
        kind = stf_durable_read(&reload->files, item->file, &text, &reason);
    if (!kind && text)
        kind = item->is_secret
                   ? encode_secret(reload, item->name, path, text, call, &item->message, &is_wanted, &reason)
                   : encode_connection(reload, item->name, path, text, &item->message, &is_wanted, &reason);
    free(text);
    if (kind == STF_NO_MEMORY)
        return no_memory(err);
    if (kind)
        skip(reload, item->name, reason.message);
    if (kind || !is_wanted)
        *call = (struct stf_vici_call){.command = NULL};
    return STF_OK;
}

static void add_item(struct reload *reload, const char *file, bool is_secret)
{
    struct item *item = &reload->items[reload->count++];
    size_t suffix_size = strlen(is_secret ? secret_suffix : connection_suffix);
    item->is_secret = is_secret;
    snprintf(item->file, sizeof item->file, "%s", file);
    snprintf(item->name, sizeof item->name, "%.*s", (int)(strlen(file) - suffix_size), file);
}

/* Secrets come first: a connection may begin to negotiate as soon as it is there. */
static enum stf_kind list_items(struct reload *reload, struct stf_err *err)
{
    json_t *names = list_files(&reload->files);
    size_t size = json_array_size(names);
    json_t **sorted = names ? malloc((size + 1) * sizeof *sorted) : NULL;
    reload->items = calloc(size + 1, sizeof *reload->items);
    reload->calls = calloc(size + 1, sizeof *reload->calls);
    bool is_made = sorted && reload->items && reload->calls;
    for (size_t i = 0; i < size && is_made; i++)
        sorted[i] = json_array_get(names, i);
    if (is_made)
        qsort(sorted, size, sizeof *sorted, compare_names);
    for (int is_secret = 1; is_secret >= 0 && is_made; is_secret--) {
        for (size_t i = 0; i < size; i++) {
            const char *file = json_string_value(sorted[i]);
            if (ends_with(file, secret_suffix) == (bool)is_secret)
                add_item(reload, file, is_secret);
        }
    }
    free(sorted);
    json_decref(names);
    return is_made ? STF_OK : no_memory(err);
}

/* ---------- the whole ---------- */

static enum stf_kind look(struct reload *reload, struct stf_err *err)
{
    enum stf_kind kind = stf_strongswan_open(&reload->daemon, reload->host, err);
    if (!kind)
        kind = stf_durable_open(&reload->files, reload->daemon.conf_dir, true, err);
    if (!kind)
        kind = stf_strongswan_engine(&reload->daemon, &reload->engine, err);
    if (!kind)
        kind = stf_strongswan_list_connections(&reload->daemon, NULL, &reload->connections, err);
    if (!kind)
        kind = stf_strongswan_names(&reload->daemon, "get-shared", "keys", &reload->shared, err);
    return kind ? kind : stf_strongswan_names(&reload->daemon, "get-keys", "keys", &reload->keys, err);
}

static json_t *outcome(struct reload *reload)
{
    json_int_t loaded[2] = {0, 0};
    for (size_t i = 0; i < reload->count; i++) {
        struct stf_err reason;
        const struct item *item = &reload->items[i];
        const struct stf_vici_call *call = &reload->calls[i];
        if (!call->command)
            continue;
        if (stf_vici_check_success(call->answer, call->command, item->name, &reason) == STF_OK)
            loaded[item->is_secret]++;
        else
            skip(reload, item->name, reason.message);
    }
    return json_pack("{s:I, s:I, s:O}", "connections", loaded[false], "secrets", loaded[true], "skipped",
                     reload->skipped);
}

static void reload_fini(struct reload *reload)
{
    for (size_t i = 0; i < reload->count; i++) {
        stf_vici_message_fini(&reload->items[i].message);
        json_decref(reload->calls[i].answer);
    }
    free(reload->items);
    free(reload->calls);
    json_decref(reload->connections);
    json_decref(reload->shared);
    json_decref(reload->keys);
    json_decref(reload->skipped);
    stf_durable_close(&reload->files);
    stf_strongswan_close(&reload->daemon);
}

enum stf_kind stf_strongswan_reload(const struct stf_host *host, json_t **result, struct stf_err *err)
{
    struct reload reload = {.host = host, .files.dir_fd = -1, .skipped = json_array()};
    enum stf_kind kind = look(&reload, err);
    if (!kind)
        kind = list_items(&reload, err);
    if (!kind)
        kind = stf_vici_pipeline(reload.daemon.client, reload.calls, reload.count, prepare, &reload,
                                 STF_CHARON_ANSWER_MS, err);
    if (!kind) {
        *result = outcome(&reload);
        kind = *result ? STF_OK : no_memory(err);
    }
    reload_fini(&reload);
    return kind;
}

enum stf_kind stf_strongswan_has_lost(const struct stf_host *host, bool *has_lost, struct stf_err *err)
{
    struct reload reload = {.host = host, .files.dir_fd = -1, .skipped = json_array()};
    *has_lost = false;
    enum stf_kind kind = look(&reload, err);
    if (!kind)
        kind = list_items(&reload, err);
    for (size_t i = 0; i < reload.count && !kind; i++) {
        kind = prepare(&reload, i, err);
        *has_lost = *has_lost || reload.calls[i].command;
    }
    reload_fini(&reload);
    return kind;
}
