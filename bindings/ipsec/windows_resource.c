/* windows_resource.c - puts a policy on a Windows host and reads it back. A note in conf_dir has the whole document, as
 * Windows does not tell it back (keys, proposals that it left out); what its tools show says whether the policy stands.
 * Must never touch what has another name. SPDX-License-Identifier: MIT */
#include "ipsec/windows_resource.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipsec/strongswan.h"
#include "ipsec/traffic.h"
#include "ipsec/windows_host.h"
#include "ipsec/windows_render.h"
#include "ipsec/windows_state.h"

struct place {
    struct stf_windows_host windows;
    struct stf_durable files;
    const char *name;
    char file[128];                /* staffetta-mail.windows.json */
    json_t *note;                  /* {"document", "replaced": the policy that was assigned before}, or NULL */
    struct stf_windows_state live; /* what stands of it on the host */
};

static enum stf_kind no_memory(const struct place *place, struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "windows", place->name, "no memory for the policy");
}

static const json_t *document_of(const struct place *place)
{
    return json_object_get(place->note, "document");
}

static bool is_pending(const json_t *document)
{
    return json_object_get(document, "loaded") != NULL;
}

static enum stf_windows_tool tool_of(const struct place *place, const json_t *document)
{
    const char *generation = json_string_value(json_object_get(document, "generation"));
    const char *tool = json_string_value(json_object_get(document, "tool"));
    if (!generation)
        return place->windows.tool;
    return tool ? stf_windows_tool_of(tool) : stf_windows_default_tool(stf_windows_generation_of(generation));
}

/* The scripts of a document for what stands now. */
static enum stf_kind commands_of(const struct place *place, const json_t *document, json_t **scripts,
                                 struct stf_err *err)
{
    json_t *request = json_copy((json_t *)document), *replaced = json_object_get(place->note, "replaced");
    if (!request || json_object_set_new(request, "name", json_string(place->name)) < 0 ||
        (replaced && json_object_set(request, "before", replaced) < 0)) {
        json_decref(request);
        return no_memory(place, err);
    }
    json_object_del(request, "loaded");
    enum stf_kind kind = stf_windows_commands(request, place->live.standing, scripts, err);
    json_decref(request);
    return kind;
}

/* ---------- what stands ---------- */

static enum stf_kind read_note(struct place *place, struct stf_err *err)
{
    char *text = NULL;
    enum stf_kind kind = stf_durable_read(&place->files, place->file, &text, err);
    if (!kind && text) {
        place->note = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(document_of(place)))
            kind = stf_err_set(err, STF_CONFLICT, 0, "read", place->file,
                               "%s/%s is not as Staffetta writes it; move it away and remove '%s' from the host",
                               place->windows.conf_dir, place->file, place->name);
    }
    free(text);
    return kind;
}

/* Asks the host with the tool that the policy was, or would be, put there with. */
static enum stf_kind look(struct place *place, enum stf_windows_tool tool, struct stf_err *err)
{
    char *script = NULL, *output = NULL;
    stf_windows_state_fini(&place->live);
    enum stf_kind kind = stf_windows_show_script(place->name, place->windows.generation, tool, &script, err);
    if (!kind)
        kind = stf_windows_look(&place->windows, tool, script, &output, err);
    if (!kind)
        kind = stf_windows_state_read(&place->live, tool, place->name, output, err);
    free(script);
    free(output);
    return kind;
}

/* Fini also after an error. */
static enum stf_kind place_init(struct place *place, const struct stf_host *host, const json_t *id, bool is_writer,
                                struct stf_err *err)
{
    *place = (struct place){.files.dir_fd = -1};
    enum stf_kind kind = stf_strongswan_id_name(id, &place->name, err);
    if (!kind)
        kind = stf_windows_host_open(&place->windows, host, err);
    if (!kind)
        kind = stf_durable_open(&place->files, place->windows.conf_dir, is_writer, err);
    if (kind)
        return kind;
    snprintf(place->file, sizeof place->file, "%s.windows.json", place->name);
    kind = is_writer ? stf_windows_sweep(&place->files, err) : STF_OK;
    if (!kind)
        kind = read_note(place, err);
    if (!kind)
        kind = look(place, tool_of(place, document_of(place)), err);
    if (!kind && !place->note && json_array_size(place->live.standing))
        kind = stf_err_set(err, STF_CONFLICT, 0, "read", place->name,
                           "the host '%s' has '%s', which Staffetta did not put there (there is no %s/%s); remove it "
                           "there, or use another name",
                           host->name, place->name, place->windows.conf_dir, place->file);
    return kind;
}

static void place_fini(struct place *place)
{
    json_decref(place->note);
    stf_windows_state_fini(&place->live);
    stf_durable_close(&place->files);
    stf_windows_host_close(&place->windows);
}

/* STF_CONFLICT, with the first fact that is other than it should be. */
static enum stf_kind check_stands(const struct place *place, const json_t *facts, struct stf_err *err)
{
    bool is_missing = false;
    const char *fact = stf_windows_facts_differ(facts, place->live.facts, &is_missing);
    return fact ? stf_err_set(err, STF_CONFLICT, 0, "windows", place->name, "the host '%s' %s: %s",
                              place->windows.host->name, is_missing ? "does not have" : "has, and should not", fact)
                : STF_OK;
}

enum stf_kind stf_windows_policy_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                      struct stf_err *err)
{
    struct place place;
    json_t *scripts = NULL;
    (void)self;

    enum stf_kind kind = place_init(&place, host, id, false, err);
    if (kind)
        goto out;
    if (!place.note) {
        *state = json_null();
        goto out;
    }
    kind = commands_of(&place, document_of(&place), &scripts, err);
    if (kind)
        goto out;
    *state = json_copy((json_t *)document_of(&place));
    if (check_stands(&place, json_object_get(scripts, "facts"), NULL) &&
        json_object_set_new(*state, "loaded", json_false()) < 0)
        kind = no_memory(&place, err);
out:
    json_decref(scripts);
    place_fini(&place);
    return kind;
}

/* ---------- altering it ---------- */

/* Notes the document, and that it does not stand yet, or no more. */
static enum stf_kind write_note(struct place *place, const json_t *document, bool is_loaded, struct stf_err *err)
{
    json_t *copy = json_copy((json_t *)document), *note = json_copy(place->note);
    note = note ? note : json_object();
    if (is_loaded)
        json_object_del(copy, "loaded");
    bool is_made = copy && note && (is_loaded || json_object_set_new(copy, "loaded", json_false()) == 0) &&
                   json_object_set(note, "document", copy) == 0;
    char *text = is_made ? json_dumps(note, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    enum stf_kind kind = text ? stf_durable_write(&place->files, place->file, text, err) : no_memory(place, err);
    free(text);
    json_decref(copy);
    json_decref(place->note);
    place->note = note;
    return kind;
}

/* Runs the script `which` of the document, and looks again. */
static enum stf_kind run(struct place *place, const json_t *document, const char *which, json_t **facts,
                         struct stf_err *err)
{
    json_t *scripts = NULL;
    enum stf_windows_tool tool = tool_of(place, document);
    enum stf_kind kind = commands_of(place, document, &scripts, err);
    if (!kind)
        kind = stf_windows_run(&place->windows, &place->files, tool, json_string_value(json_object_get(scripts, which)),
                               json_string_value(json_object_get(document, "secret_file")), err);
    if (!kind)
        kind = look(place, tool, err);
    if (!kind && facts)
        *facts = json_incref(json_object_get(scripts, "facts"));
    json_decref(scripts);
    return kind;
}

static enum stf_kind take_off(struct place *place, struct stf_err *err)
{
    json_t *none = json_array(), *document = json_incref(json_object_get(place->note, "document"));
    enum stf_kind kind = write_note(place, document, false, err);
    if (!kind && json_array_size(place->live.standing))
        kind = run(place, document, "undo", NULL, err);
    if (!kind)
        kind = check_stands(place, none, err);
    json_decref(document);
    json_decref(none);
    return kind;
}

/* netsh ipsec can only have one policy assigned: somebody else's comes back with the undo, ours must go first. */
static enum stf_kind note_replaced(struct place *place, struct stf_err *err)
{
    const char *assigned = json_string_value(place->live.assigned);
    if (!assigned || strcmp(assigned, place->name) == 0)
        return STF_OK;
    if (strncmp(assigned, "staffetta-", 10) == 0)
        return stf_err_set(err, STF_CONFLICT, 0, "write", place->name,
                           "the host '%s' has '%s' assigned, and netsh ipsec can assign only one policy; roll that one "
                           "back first",
                           place->windows.host->name, assigned);
    if (!place->note)
        place->note = json_object();
    return json_object_set(place->note, "replaced", place->live.assigned) < 0 ? no_memory(place, err) : STF_OK;
}

static enum stf_kind put(struct place *place, const json_t *document, struct stf_err *err)
{
    json_t *facts = NULL, *scripts = NULL;
    enum stf_windows_tool tool = tool_of(place, document);
    enum stf_kind kind = STF_OK;
    if (place->note && (is_pending(document) || tool != tool_of(place, document_of(place))))
        kind = take_off(place, err);
    if (!kind)
        kind = look(place, tool, err);
    if (!kind && tool != STF_WINDOWS_STATIC)
        json_object_del(place->note, "replaced");
    if (!kind)
        kind = note_replaced(place, err);
    if (!kind)
        kind = commands_of(place, document, &scripts, err); /* before the note: it may not be possible at all */
    if (!kind)
        kind = write_note(place, document, false, err);
    if (!kind && !is_pending(document)) {
        kind = run(place, document, "apply", &facts, err);
        if (!kind)
            kind = check_stands(place, facts, err);
        if (!kind)
            kind = write_note(place, document, true, err);
    }
    json_decref(scripts);
    json_decref(facts);
    return kind;
}

enum stf_kind stf_windows_policy_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                       struct stf_err *err)
{
    struct place place;
    (void)self;

    enum stf_kind kind = place_init(&place, host, id, true, err);
    if (!kind && !json_is_null(state)) {
        kind = put(&place, state, err);
    } else if (!kind && place.note) {
        kind = take_off(&place, err);
        kind = kind ? kind : stf_durable_remove(&place.files, place.file, err);
    }
    place_fini(&place);
    return kind;
}

/* ---------- showing it ---------- */

bool stf_windows_policy_is(const json_t *state)
{
    return json_object_get(state, "generation") != NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "?";
}

char *stf_windows_policy_describe(const json_t *state)
{
    const json_t *policy = json_object_get(state, "policy"), *pairs = json_object_get(state, "pairs");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "Windows %s:", text_of(state, "generation"));
    for (size_t i = 0; i < json_array_size(pairs); i++)
        fprintf(out, "%s %s %s %s", i ? "," : "", text_of(json_array_get(pairs, i), "local_address"),
                strcmp(text_of(json_array_get(pairs, i), "side"), "client") == 0 ? "->" : "<-",
                text_of(json_array_get(pairs, i), "remote_address"));
    stf_traffic_print(out, json_object_get(policy, "traffic"));
    fprintf(out, " %s, IKEv%d%s", text_of(policy, "action"),
            json_integer_value(json_object_get(state, "ike_version")) == 2 ? 2 : 1,
            is_pending(state) ? ", not in effect" : "");
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
