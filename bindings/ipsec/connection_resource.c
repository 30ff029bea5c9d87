/* connection_resource.c - ipsec.connection: one connection of one host, kept as a file and loaded into charon.
 * charon does not give a whole definition back, so the file is the state and charon only says whether it is loaded.
 * Must never leave a live connection without its file. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "ipsec/connection_edit.h"
#include "ipsec/strongswan.h"

struct place {
    struct stf_strongswan_place at; /* the file staffetta-mail.conf */
    char *text;                     /* the file, or NULL */
    json_t *kept;                   /* its document, or NULL */
    json_t *live;                   /* as list-conns shows it, or NULL */
};

static void place_fini(struct place *place)
{
    free(place->text);
    json_decref(place->kept);
    json_decref(place->live);
    stf_strongswan_place_close(&place->at);
}

static enum stf_kind read_file(struct place *place, struct stf_err *err)
{
    enum stf_kind kind = stf_durable_read(&place->at.files, place->at.file, &place->text, err);
    if (!kind && place->text)
        kind = stf_connection_file_parse(place->text, place->at.path, &place->kept, err);
    return kind;
}

static enum stf_kind find_live(struct place *place, struct stf_err *err)
{
    json_t *connections = NULL;
    enum stf_kind kind = stf_strongswan_list_connections(&place->at.daemon, place->at.name, &connections, err);
    place->live = json_incref(json_object_get(connections, place->at.name));
    json_decref(connections);
    return kind;
}

/* Fini also after an error. */
static enum stf_kind place_init(struct place *place, const struct stf_host *host, const json_t *id, bool is_writer,
                                struct stf_err *err)
{
    *place = (struct place){0};
    enum stf_kind kind = stf_strongswan_place_open(&place->at, host, id, ".conf", is_writer, err);
    if (!kind)
        kind = read_file(place, err);
    if (!kind)
        kind = find_live(place, err);
    return kind ? kind : stf_strongswan_place_check(&place->at, "connection", place->live, place->kept, err);
}

enum stf_kind stf_ipsec_connection_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                        struct stf_err *err)
{
    struct place place;
    (void)self;

    enum stf_kind kind = place_init(&place, host, id, false, err);
    bool is_loaded = place.kept && place.live && stf_connection_is_live(place.kept, place.live);
    if (!kind)
        kind = stf_strongswan_place_state(&place.at, place.kept, is_loaded, state, err);
    place_fini(&place);
    return kind;
}

/* Takes over `text`, NULL meaning that memory is out. */
static enum stf_kind write_file(const struct place *place, char *text, struct stf_err *err)
{
    enum stf_kind kind = text ? stf_durable_write(&place->at.files, place->at.file, text, err)
                              : stf_err_set(err, STF_NO_MEMORY, 0, "write", place->at.name, "no memory for the file");
    free(text);
    return kind;
}

/* Takes over and wipes `message`. */
static enum stf_kind load(struct place *place, struct stf_vici_message *message, struct stf_err *err)
{
    return stf_strongswan_command(&place->at.daemon, "load-conn", message, place->at.name, STF_CHARON_ANSWER_MS, NULL,
                                  err);
}

static enum stf_kind unload(struct place *place, struct stf_err *err)
{
    struct stf_vici_message message = {0};
    enum stf_kind kind = STF_OK;
    if (place->live) {
        stf_vici_add_text(&message, "name", place->at.name);
        kind = stf_strongswan_command(&place->at.daemon, "unload-conn", &message, place->at.name, STF_CHARON_ANSWER_MS,
                                      NULL, err);
    }
    /* also when the connection is gone already: a crash may have come between the two */
    return kind ? kind : stf_strongswan_terminate(&place->at.daemon, place->at.name, STF_CHARON_FORCE, NULL, err);
}

/* The document marked as not loaded, as a new reference. */
static json_t *pending_copy(const json_t *document)
{
    json_t *pending = json_copy((json_t *)document);
    if (pending && json_object_set_new(pending, "loaded", json_false()) < 0) {
        json_decref(pending);
        return NULL;
    }
    return pending;
}

/* The file says "not loaded" until charon has the connection: a crash in between reads as neither state, and doing it
 * again repairs it. */
static enum stf_kind put(struct place *place, const json_t *document, struct stf_err *err)
{
    struct stf_ipsec_engine engine;
    struct stf_vici_message message = {0};
    json_t *tree = NULL, *pending = NULL;

    enum stf_kind kind = stf_strongswan_engine(&place->at.daemon, &engine, err);
    if (!kind)
        kind = stf_connection_render(place->at.name, document, &engine, &tree, err);
    if (!kind && !json_object_get(document, "loaded"))
        kind = stf_strongswan_add_connection(&message, tree, err);
    if (kind)
        goto out;
    pending = pending_copy(document);
    kind = write_file(place, pending ? stf_connection_file_text(pending, tree) : NULL, err);
    if (kind)
        goto out;
    if (json_object_get(document, "loaded")) {
        kind = unload(place, err);
        goto out;
    }
    kind = load(place, &message, err);
    if (!kind)
        kind = write_file(place, stf_connection_file_text(document, tree), err);
out:
    stf_vici_message_fini(&message);
    json_decref(pending);
    json_decref(tree);
    return kind;
}

/* The mark comes first here too: charon may act on a command whose sender has died. */
static enum stf_kind take_away(struct place *place, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    if (place->kept) {
        json_t *pending = pending_copy(place->kept);
        kind = write_file(place, pending ? stf_connection_file_redocument(place->text, pending) : NULL, err);
        json_decref(pending);
    }
    if (!kind)
        kind = unload(place, err);
    return kind ? kind : stf_durable_remove(&place->at.files, place->at.file, err);
}

enum stf_kind stf_ipsec_connection_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                         struct stf_err *err)
{
    struct place place = {.at.files.dir_fd = -1};
    (void)self;

    enum stf_kind kind = json_is_null(state) ? STF_OK : stf_connection_validate(state, err);
    if (kind)
        return kind;
    kind = place_init(&place, host, id, true, err);
    if (!kind)
        kind = json_is_null(state) ? take_away(&place, err) : put(&place, state, err);
    place_fini(&place);
    return kind;
}

enum stf_kind stf_ipsec_verb_connection_edit(void *self, const struct stf_host *host, const json_t *args,
                                             json_t **result, struct stf_err *err)
{
    static const char *const known[] = {"id", "state", NULL};
    struct place place = {.at.files.dir_fd = -1};
    const json_t *document = json_object_get(args, "state");
    struct stf_ipsec_engine engine;
    json_t *tree = NULL;
    char *expected = NULL;
    (void)self;

    enum stf_kind kind = stf_doc_check_keys(args, known, "connection_edit", err);
    if (!kind)
        kind = stf_connection_validate(document, err);
    if (!kind)
        kind = stf_strongswan_place_open(&place.at, host, json_object_get(args, "id"), ".conf", false, err);
    if (!kind)
        kind = stf_durable_read(&place.at.files, place.at.file, &place.text, err);
    if (!kind)
        kind = stf_strongswan_engine(&place.at.daemon, &engine, err);
    if (!kind)
        kind = stf_connection_render(place.at.name, document, &engine, &tree, err);
    if (kind)
        goto out;
    expected = stf_connection_file_text(document, tree);
    *result = expected ? stf_connection_edit(expected, place.text ? place.text : "") : NULL;
    if (!*result)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "connection_edit", place.at.name, "no memory for the comparison");
out:
    free(expected);
    json_decref(tree);
    place_fini(&place);
    return kind;
}

char *stf_ipsec_connection_describe(const json_t *id, const json_t *state)
{
    char *text = NULL;
    const char *name = json_string_value(json_object_get(id, "name"));
    if (!state)
        return asprintf(&text, "connection %s", name ? name : "(unnamed)") < 0 ? NULL : text;
    if (json_is_null(state))
        return strdup("absent");
    if (stf_connection_validate(state, NULL))
        return json_dumps(state, JSON_COMPACT | JSON_ENCODE_ANY);
    return stf_connection_summary(state);
}
