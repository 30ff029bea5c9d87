/* windows_state.c - the lines of facts from what netsh and PowerShell say, in the words of windows_netsh.c and
 * windows_powershell.c. Must never touch a host. SPDX-License-Identifier: MIT */
#include "ipsec/windows_state.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipsec/windows_read.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---------- lists of facts ---------- */

void stf_windows_facts_add(json_t *facts, char *fact)
{
    size_t place = 0;
    for (char *at = fact; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    while (place < json_array_size(facts) && strcmp(json_string_value(json_array_get(facts, place)), fact) < 0)
        place++;
    json_array_insert_new(facts, place, json_string(fact));
}

static bool has_fact(const json_t *facts, const json_t *fact)
{
    size_t i;
    json_t *each;
    json_array_foreach (facts, i, each)
        if (json_equal(each, fact))
            return true;
    return false;
}

const char *stf_windows_facts_differ(const json_t *wanted, const json_t *found, bool *is_missing)
{
    const json_t *lists[] = {wanted, found};
    for (int side = 0; side < 2; side++) {
        size_t i;
        json_t *fact;
        json_array_foreach (lists[side], i, fact) {
            *is_missing = side == 0;
            if (!has_fact(lists[1 - side], fact))
                return json_string_value(fact);
        }
    }
    return NULL;
}

/* ---------- words ---------- */

/* Without blanks and without the mask of a single address. */
static void print_word(FILE *out, const char *text)
{
    size_t size = strlen(text);
    const char *slash = strrchr(text, '/');
    if (slash && (strcmp(slash, "/32") == 0 || strcmp(slash, "/128") == 0))
        size = (size_t)(slash - text);
    for (size_t i = 0; i < size; i++)
        if (!isspace((unsigned char)text[i]))
            fputc(text[i], out);
}

/* A list's items with commas between, which a value that went on in the next line has already. */
static void print_member(FILE *out, const json_t *members, const char *key)
{
    const json_t *value = json_object_get(members, key), *item;
    if (!json_is_array(value)) {
        print_word(out, text_of(members, key));
        return;
    }
    bool has_comma = true;
    for (size_t i = 0; i < json_array_size(value); i++) {
        item = json_array_get(value, i);
        const char *text = json_string_value(item) ? json_string_value(item) : "";
        fputs(has_comma ? "" : ",", out);
        print_word(out, text);
        has_comma = *text && text[strlen(text) - 1] == ',';
    }
}

/* "tcp 10.9.0.1:any 10.9.0.100:110": keys are those of protocol, address, port, address, port. */
static void print_ends(FILE *out, const json_t *members, const char *const keys[5])
{
    static const char *const before[] = {"", " ", ":", " ", ":"};
    for (int i = 0; i < 5; i++) {
        fputs(before[i], out);
        print_member(out, members, keys[i]);
    }
}

/* Whether `text` is NAME-1, NAME-2 and so on. */
static bool is_numbered(const char *text, const char *name)
{
    size_t size = strlen(name);
    return strncmp(text, name, size) == 0 && text[size] == '-' && text[size + 1] &&
           strspn(text + size + 1, "0123456789") == strlen(text + size + 1);
}

static bool is_part(const char *text, const char *name)
{
    size_t size = strlen(name);
    return strncmp(text, name, size) == 0 &&
           (strcmp(text + size, "-protect") == 0 || strcmp(text + size, "-exempt") == 0);
}

/* ---------- one object ---------- */

/* Once for each name: one command removes all of that name, and rules may share one. */
static void add_standing(struct stf_windows_state *state, const char *kind, const char *name)
{
    size_t i;
    json_t *each, *item = json_pack("{s:s, s:s}", "kind", kind, "name", name);
    json_array_foreach (state->standing, i, each) {
        if (json_equal(each, item)) {
            json_decref(item);
            return;
        }
    }
    json_array_append_new(state->standing, item);
}

typedef void (*print_fact)(FILE *out, const json_t *object);

static enum stf_kind add_fact(struct stf_windows_state *state, const json_t *object, print_fact print,
                              struct stf_err *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out)
        print(out, object);
    bool is_whole = out && fclose(out) == 0;
    if (is_whole)
        stf_windows_facts_add(state->facts, text);
    free(text);
    return is_whole ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "windows_read", NULL, "no memory for the rules");
}

static void print_consec(FILE *out, const json_t *rule)
{
    static const char *const ends[] = {"Protocol", "Endpoint1", "Port1", "Endpoint2", "Port2"};
    static const char *const proof[] = {"Auth1", "QuickModePFS", "QuickModeSecMethods"};
    static const char *const before[] = {" ", " qmpfs=", " qmsecmethods="};
    const json_t *members = json_object_get(rule, "members");
    fprintf(out, "rule %s ", text_of(rule, "name"));
    print_ends(out, members, ends);
    fputc(' ', out);
    print_member(out, members, "Action");
    fputc(' ', out);
    print_member(out, members, "Mode");
    fputs(" enabled ", out);
    print_member(out, members, "Enabled");
    for (int i = 0; i < 3 && strcasecmp(text_of(members, "Action"), "NoAuthentication") != 0; i++) {
        fputs(before[i], out);
        print_member(out, members, proof[i]);
    }
}

static void print_main_mode(FILE *out, const json_t *rule)
{
    const json_t *members = json_object_get(rule, "members");
    fprintf(out, "mainmode %s ", text_of(rule, "name"));
    print_member(out, members, "Endpoint1");
    fputc(' ', out);
    print_member(out, members, "Endpoint2");
}

/* Both kinds of rules are in one text; only those of quick mode have an action. */
static enum stf_kind read_consec(struct stf_windows_state *state, const char *name, const json_t *rule,
                                 struct stf_err *err)
{
    bool is_main_mode = json_object_get(json_object_get(rule, "members"), "Action") == NULL;
    if (!is_numbered(text_of(rule, "name"), name))
        return STF_OK;
    add_standing(state, is_main_mode ? "mainmode" : "rule", text_of(rule, "name"));
    return add_fact(state, rule, is_main_mode ? print_main_mode : print_consec, err);
}

static void print_powershell(FILE *out, const json_t *rule)
{
    static const char *const ends[] = {"protocol", "local_address", "local_port", "remote_address", "remote_port"};
    static const char *const rest[] = {"inbound", "outbound", "mode"};
    static const char *const lifetimes[] = {"minutes", "kilobytes"};
    const json_t *members = json_object_get(rule, "members");
    fprintf(out, "%s %s", text_of(members, "kind"), text_of(rule, "name"));
    for (int i = 0; i < 2; i++) {
        if (json_object_get(members, lifetimes[i])) {
            fprintf(out, " %s ", lifetimes[i]);
            print_member(out, members, lifetimes[i]);
        }
    }
    if (strcmp(text_of(members, "kind"), "Rule") != 0)
        return;
    fputc(' ', out);
    print_ends(out, members, ends);
    for (int i = 0; i < 3; i++) {
        fputc(' ', out);
        print_member(out, members, rest[i]);
    }
    fputs(" enabled ", out);
    print_member(out, members, "enabled");
}

/* The script has asked for the policy's group only. */
static enum stf_kind read_powershell(struct stf_windows_state *state, const char *name, const json_t *rule,
                                     struct stf_err *err)
{
    (void)name;
    add_standing(state, text_of(json_object_get(rule, "members"), "kind"), text_of(rule, "name"));
    return add_fact(state, rule, print_powershell, err);
}

static void print_static(FILE *out, const json_t *object)
{
    const json_t *members = json_object_get(object, "members");
    const char *kind = text_of(object, "kind");
    fprintf(out, "%s %s", kind, text_of(object, "name"));
    if (strcmp(kind, "policy") == 0) {
        fputs(" assigned ", out);
        print_member(out, members, "Assigned");
    } else if (strcmp(kind, "rule") == 0) {
        fprintf(out, " %s %s", text_of(members, "FilterList Name"), text_of(members, "FilterAction Name"));
    } else if (strcmp(kind, "filteraction") == 0) {
        /* "NEGOTIATE SECURITY" */
        bool is_negotiate = strncasecmp(text_of(members, "Action"), "negotiate", 9) == 0;
        fputc(' ', out);
        print_word(out, is_negotiate ? "negotiate" : text_of(members, "Action"));
        if (is_negotiate) {
            fputs(" clear in ", out);
            print_member(out, members, "Inbound Passthrough");
            fputs(" out ", out);
            print_member(out, members, "AllowUnsecure(Fallback)");
        }
    }
}

/* A filter, which carries the name of its list. */
static void print_filter(FILE *out, const json_t *filter)
{
    static const char *const ends[] = {"Protocol", "Source IP Address", "Source Port", "Destination IP Address",
                                       "Destination Port"};
    fprintf(out, "filter %s ", text_of(filter, "list"));
    print_ends(out, filter, ends);
    fputs(" mirrored ", out);
    print_member(out, filter, "Mirrored");
}

static enum stf_kind read_static(struct stf_windows_state *state, const char *name, const json_t *object,
                                 struct stf_err *err)
{
    const char *kind = text_of(object, "kind"), *own = text_of(object, "name");
    bool is_policy = strcmp(kind, "policy") == 0;
    if (is_policy && strcasecmp(text_of(json_object_get(object, "members"), "Assigned"), "yes") == 0) {
        json_decref(state->assigned); /* a text may name more than one, though Windows has but one assigned */
        state->assigned = json_incref(json_object_get(object, "name"));
    }
    if (is_policy ? strcmp(own, name) != 0 : !is_part(own, name))
        return STF_OK;
    if (strcmp(kind, "rule") != 0) /* rules go with their policy */
        add_standing(state, kind, own);
    enum stf_kind failed = add_fact(state, object, print_static, err);
    size_t i;
    json_t *filter;
    json_array_foreach (json_object_get(object, "filters"), i, filter) {
        json_object_set(filter, "list", json_object_get(object, "name"));
        failed = failed ? failed : add_fact(state, filter, print_filter, err);
    }
    return failed;
}

/* ---------- the whole ---------- */

enum stf_kind stf_windows_state_read(struct stf_windows_state *state, enum stf_windows_tool tool, const char *name,
                                     const char *text, struct stf_err *err)
{
    static const struct {
        enum stf_kind (*read)(const char *text, size_t size, json_t **objects, struct stf_err *err);
        enum stf_kind (*take)(struct stf_windows_state *state, const char *name, const json_t *object,
                              struct stf_err *err);
    } readers[STF_WINDOWS_TOOL_COUNT] = {[STF_WINDOWS_STATIC] = {stf_windows_read_static, read_static},
                                         [STF_WINDOWS_CONSEC] = {stf_windows_read_consec, read_consec},
                                         [STF_WINDOWS_POWERSHELL] = {stf_windows_read_powershell, read_powershell}};
    json_t *objects = NULL, *object;
    size_t i;
    *state = (struct stf_windows_state){.standing = json_array(), .facts = json_array()};
    enum stf_kind kind = readers[tool].read(text, strlen(text), &objects, err);
    json_array_foreach (objects, i, object)
        if (!kind)
            kind = readers[tool].take(state, name, object, err);
    json_decref(objects);
    return kind;
}

void stf_windows_state_fini(struct stf_windows_state *state)
{
    json_decref(state->standing);
    json_decref(state->facts);
    json_decref(state->assigned);
    *state = (struct stf_windows_state){0};
}
