/* secret_resource.c - ipsec.secret: a pre-shared or private key in charon, and a note which file it came from.
 * Must never put the secret into a document, a note, an error or memory that is not wiped.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "ipsec/secret_file.h"
#include "ipsec/strongswan.h"

enum { OWNERS_MAX = 4096 };

struct place {
    struct stf_strongswan_place at; /* the file staffetta-mail.secret.json */
    const struct stf_host *host;
    json_t *note;                        /* its document, or NULL */
    char key_id[STF_CHARON_KEY_ID_SIZE]; /* what charon calls the private key; "" when it is none, or not known */
    bool is_live;
};

/* ---------- the document ---------- */

static bool is_private_key(const json_t *document)
{
    return json_object_get(document, "kind") != NULL;
}

static enum stf_kind check_owners(const json_t *document, struct stf_err *err)
{
    const json_t *owners = json_object_get(document, "owners");
    if (is_private_key(document))
        return owners ? stf_err_set(err, STF_INVALID_DATA, 0, "validate", "owners",
                                    "secret member 'owners' is for pre-shared keys: a certificate says whose a private "
                                    "key is")
                      : STF_OK;
    if (json_array_size(owners) < 1 || json_array_size(owners) > OWNERS_MAX)
        return stf_err_set(err, STF_INVALID_DATA, 0, "validate", "owners",
                           "secret member 'owners' must be a list of 1 to %d identities", OWNERS_MAX);
    for (size_t i = 0; i < json_array_size(owners); i++) {
        if (!stf_ipsec_is_identity(json_array_get(owners, i)))
            return stf_err_set(err, STF_INVALID_DATA, 0, "validate", "owners",
                               "secret member 'owners[%zu]' must be an identity of letters, digits and . - _ @ :", i);
    }
    return STF_OK;
}

static enum stf_kind validate(const json_t *document, struct stf_err *err)
{
    static const char *const known[] = {"file", "owners", "kind", "loaded", NULL};
    const char *file = NULL, *key = NULL;
    const json_t *loaded = json_object_get(document, "loaded");

    enum stf_kind kind = stf_doc_check_keys(document, known, "secret", err);
    if (!kind)
        kind = stf_doc_string(document, "file", &file, err);
    if (!kind && is_private_key(document))
        kind = stf_doc_string(document, "kind", &key, err);
    if (kind)
        return kind;
    if (!*file)
        return stf_err_set(err, STF_INVALID_DATA, 0, "validate", "file",
                           "secret member 'file' is empty; expected the path of the file that holds the secret");
    if (key && strcmp(key, "private_key") != 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "validate", "kind",
                           "secret member 'kind' is '%s'; expected 'private_key', or nothing for a pre-shared key",
                           key);
    if (loaded && !json_is_false(loaded))
        return stf_err_set(err, STF_INVALID_DATA, 0, "validate", "loaded",
                           "secret member 'loaded' can only be left out or false");
    return check_owners(document, err);
}

/* ---------- the place ---------- */

static void place_fini(struct place *place)
{
    json_decref(place->note);
    stf_strongswan_place_close(&place->at);
}

enum stf_kind stf_ipsec_secret_parse(const char *text, const char *path, json_t **document,
                                     char key_id[static STF_CHARON_KEY_ID_SIZE], struct stf_err *err)
{
    json_t *note = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const char *id = json_string_value(json_object_get(note, "key_id"));
    snprintf(key_id, STF_CHARON_KEY_ID_SIZE, "%s", id ? id : "");
    json_object_del(note, "key_id");
    if (validate(note, err)) {
        json_decref(note);
        return stf_err_set(err, STF_CONFLICT, 0, "read", path,
                           "%s is not as Staffetta writes it; move it away and set the secret again", path);
    }
    *document = note;
    return STF_OK;
}

static enum stf_kind read_note(struct place *place, struct stf_err *err)
{
    char *text = NULL;
    enum stf_kind kind = stf_durable_read(&place->at.files, place->at.file, &text, err);
    if (!kind && text)
        kind = stf_ipsec_secret_parse(text, place->at.path, &place->note, place->key_id, err);
    free(text);
    return kind;
}

static enum stf_kind is_named(struct place *place, const char *command, const char *name, bool *is_there,
                              struct stf_err *err)
{
    json_t *names = NULL, *each;
    size_t index;
    enum stf_kind kind = stf_strongswan_names(&place->at.daemon, command, "keys", &names, err);
    *is_there = false;
    json_array_foreach (names, index, each)
        *is_there = *is_there || strcmp(json_string_value(each), name) == 0;
    json_decref(names);
    return kind;
}

static enum stf_kind find_live(struct place *place, struct stf_err *err)
{
    if (is_private_key(place->note))
        return is_named(place, "get-keys", place->key_id, &place->is_live, err);
    return is_named(place, "get-shared", place->at.name, &place->is_live, err);
}

/* Fini also after an error. */
static enum stf_kind place_init(struct place *place, const struct stf_host *host, const json_t *id, bool is_writer,
                                struct stf_err *err)
{
    *place = (struct place){.host = host};
    enum stf_kind kind = stf_strongswan_place_open(&place->at, host, id, ".secret.json", is_writer, err);
    if (!kind)
        kind = read_note(place, err);
    if (!kind)
        kind = find_live(place, err);
    return kind ? kind : stf_strongswan_place_check(&place->at, "secret", place->is_live, place->note, err);
}

/* ---------- the resource ---------- */

enum stf_kind stf_ipsec_secret_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                    struct stf_err *err)
{
    struct place place;
    (void)self;

    enum stf_kind kind = place_init(&place, host, id, false, err);
    if (!kind)
        kind = stf_strongswan_place_state(&place.at, place.note, place.is_live, state, err);
    place_fini(&place);
    return kind;
}

static enum stf_kind write_note(const struct place *place, const json_t *document, bool is_loaded, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    char *text = NULL;
    json_t *note = json_copy((json_t *)document);
    bool is_made = note && (is_loaded || json_object_set_new(note, "loaded", json_false()) == 0) &&
                   (!place->key_id[0] || json_object_set_new(note, "key_id", json_string(place->key_id)) == 0);
    if (is_made)
        text = json_dumps(note, JSON_INDENT(2) | JSON_SORT_KEYS);
    kind = text ? stf_durable_write(&place->at.files, place->at.file, text, err)
                : stf_err_set(err, STF_NO_MEMORY, 0, "write", place->at.name, "no memory for the note");
    free(text);
    json_decref(note);
    return kind;
}

static void encode_shared(struct stf_vici_message *message, const char *name, const json_t *document,
                          const struct stf_secret *secret)
{
    size_t index;
    json_t *owner;
    stf_vici_add_text(message, "id", name);
    stf_vici_add_text(message, "type", "IKE");
    stf_vici_add_bytes(message, "data", secret->bytes, secret->size);
    stf_vici_begin_list(message, "owners");
    json_array_foreach (json_object_get(document, "owners"), index, owner)
        stf_vici_add_item(message, json_string_value(owner));
    stf_vici_end_list(message);
}

enum stf_kind stf_ipsec_secret_encode(const struct stf_host *host, const char *name, const json_t *document,
                                      const char **command, struct stf_vici_message *message, struct stf_err *err)
{
    struct stf_secret secret;
    enum stf_kind kind = stf_secret_read(host, json_string_value(json_object_get(document, "file")), &secret, err);
    *command = is_private_key(document) ? "load-key" : "load-shared";
    if (!kind && is_private_key(document)) {
        stf_vici_add_text(message, "type", "any");
        stf_vici_add_bytes(message, "data", secret.bytes, secret.size);
    } else if (!kind) {
        encode_shared(message, name, document, &secret);
    }
    stf_secret_wipe(&secret);
    return kind;
}

/* Takes over and wipes `message`; learns what charon calls a private key. */
static enum stf_kind load(struct place *place, const char *command, struct stf_vici_message *message,
                          struct stf_err *err)
{
    json_t *answer = NULL;
    enum stf_kind kind =
        stf_strongswan_command(&place->at.daemon, command, message, place->at.name, STF_CHARON_ANSWER_MS, &answer, err);
    const char *id = json_string_value(json_object_get(answer, "id"));
    snprintf(place->key_id, sizeof place->key_id, "%s", id ? id : "");
    json_decref(answer);
    return kind;
}

static enum stf_kind unload_named(struct place *place, const char *command, const char *name, struct stf_err *err)
{
    struct stf_vici_message message = {0};
    stf_vici_add_text(&message, "id", name);
    enum stf_kind kind =
        stf_strongswan_command(&place->at.daemon, command, &message, place->at.name, STF_CHARON_ANSWER_MS, NULL, err);
    return kind == STF_NOT_FOUND ? STF_OK : kind;
}

static enum stf_kind unload(struct place *place, struct stf_err *err)
{
    enum stf_kind kind = place->key_id[0] ? unload_named(place, "unload-key", place->key_id, err) : STF_OK;
    if (!kind && !is_private_key(place->note))
        kind = unload_named(place, "unload-shared", place->at.name, err);
    return kind;
}

/* The note says "not loaded" until charon has the secret, as with connections. What an older note stands for goes
 * first: a private key has another name for charon with each content. */
static enum stf_kind put(struct place *place, const json_t *document, const char *command,
                         struct stf_vici_message *message, struct stf_err *err)
{
    bool is_replaced = place->note && (is_private_key(place->note) || is_private_key(document));
    enum stf_kind kind = write_note(place, document, false, err);
    if (!kind && (is_replaced || json_object_get(document, "loaded")))
        kind = unload(place, err);
    if (kind || json_object_get(document, "loaded"))
        return kind;
    kind = load(place, command, message, err);
    return kind ? kind : write_note(place, document, true, err);
}

/* A crash may have come between charon's having a private key and our noting its name: loading it tells the name. A key
 * that charon refuses it does not have. */
static enum stf_kind learn_key(struct place *place, struct stf_err *err)
{
    struct stf_vici_message message = {0};
    const char *command = NULL;
    if (!is_private_key(place->note) || !json_object_get(place->note, "loaded"))
        return STF_OK;
    enum stf_kind kind = unload(place, err);
    if (!kind)
        kind = stf_ipsec_secret_encode(place->host, place->at.name, place->note, &command, &message, err);
    if (!kind) {
        kind = load(place, command, &message, err);
        if (kind == STF_DENIED)
            kind = STF_OK;
    }
    stf_vici_message_fini(&message);
    return kind;
}

static enum stf_kind take_away(struct place *place, struct stf_err *err)
{
    enum stf_kind kind = learn_key(place, err);
    if (!kind && place->note)
        kind = write_note(place, place->note, false, err);
    if (!kind)
        kind = unload(place, err);
    return kind ? kind : stf_durable_remove(&place->at.files, place->at.file, err);
}

enum stf_kind stf_ipsec_secret_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                     struct stf_err *err)
{
    struct place place = {.at.files.dir_fd = -1};
    struct stf_vici_message message = {0};
    const char *command = NULL, *name = NULL;
    bool is_absent = json_is_null(state);
    (void)self;

    enum stf_kind kind = is_absent ? STF_OK : validate(state, err);
    if (!kind)
        kind = stf_strongswan_id_name(id, &name, err);
    if (!kind && !is_absent && !json_object_get(state, "loaded"))
        kind = stf_ipsec_secret_encode(host, name, state, &command, &message, err);
    if (!kind)
        kind = place_init(&place, host, id, true, err);
    if (!kind)
        kind = is_absent ? take_away(&place, err) : put(&place, state, command, &message, err);
    stf_vici_message_fini(&message);
    place_fini(&place);
    return kind;
}

char *stf_ipsec_secret_describe(const json_t *id, const json_t *state)
{
    char *text = NULL;
    const char *name = json_string_value(json_object_get(id, "name"));
    const char *file = json_string_value(json_object_get(state, "file"));
    if (!state)
        return asprintf(&text, "secret %s", name ? name : "(unnamed)") < 0 ? NULL : text;
    if (!file)
        return strdup("absent");
    return asprintf(&text, "from %s%s", file, json_object_get(state, "loaded") ? ", not loaded" : "") < 0 ? NULL : text;
}
