/* kernel_verbs.c - what stands in a host's kernel, as documents: lists, counters, snapshots and what differs from one.
 * Must never ask a daemon. SPDX-License-Identifier: MIT */
#include "ipsec/kernel_verbs.h"

#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "common/handles.h"
#include "ipsec/drv_kernel.h"
#include "ipsec/kernel_watch.h"
#include "ipsec/verbs.h"
#include "ipsec/windows_host.h"

enum { DIFFERENCES_MAX = 50, SNAPSHOT_PARTS = STF_KERNEL_POLICIES | STF_KERNEL_SAS | STF_KERNEL_DEFAULTS };

static const char *const no_members[] = {NULL};

static enum stf_kind no_memory(const char *op, struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, op, NULL, "no memory for the answer");
}

static enum stf_kind give(json_t *made, const char *op, json_t **result, struct stf_err *err)
{
    *result = made;
    return made ? STF_OK : no_memory(op, err);
}

/* Adds to a list, which is freed and NULL once memory is out. */
static void add(json_t **list, json_t *item)
{
    if (*list && json_array_append_new(*list, item) < 0) {
        json_decref(*list);
        *list = NULL;
    } else if (!*list) {
        json_decref(item);
    }
}

/* What stands in the kernel of a host that has one of this kind. */
static enum stf_kind read_kernel(const struct stf_host *host, unsigned parts, struct stf_kernel_state *state,
                                 struct stf_err *err)
{
    enum stf_kind kind = stf_windows_refuse(host, "kernel with XFRM", err);
    return kind ? kind : stf_kernel_read(host->netns, parts, state, err);
}

/* ---------- lists ---------- */

STF_KERNEL_VERB(policies)
{
    struct stf_kernel_state state = {0};
    (void)self;
    enum stf_kind kind = stf_doc_check_keys(args, no_members, "kernel_policies", err);
    if (!kind)
        kind = read_kernel(host, STF_KERNEL_POLICIES, &state, err);
    if (!kind) {
        json_t *list = json_array();
        for (size_t i = 0; i < state.policy_count; i++)
            add(&list, stf_xfrm_policy_document(&state.policies[i], STF_XFRM_ALL));
        kind = give(list, "kernel_policies", result, err);
    }
    stf_kernel_state_fini(&state);
    return kind;
}

STF_KERNEL_VERB(sas)
{
    struct stf_kernel_state state = {0};
    (void)self;
    enum stf_kind kind = stf_doc_check_keys(args, no_members, "kernel_sas", err);
    if (!kind)
        kind = read_kernel(host, STF_KERNEL_SAS, &state, err);
    if (!kind) {
        json_t *list = json_array();
        for (size_t i = 0; i < state.sa_count; i++)
            add(&list, stf_xfrm_sa_document(&state.sas[i], STF_XFRM_ALL));
        kind = give(list, "kernel_sas", result, err);
    }
    stf_kernel_state_fini(&state);
    return kind;
}

STF_KERNEL_VERB(stats)
{
    (void)self;
    enum stf_kind kind = stf_doc_check_keys(args, no_members, "kernel_stats", err);
    return kind ? kind : stf_kernel_stats(host->netns, result, err);
}

/* ---------- sorted lists ---------- */

/* A document with its canonical text, by which it is ordered and compared. */
struct entry {
    char *text;
    json_t *doc; /* borrowed */
};

struct entries {
    struct entry *items;
    size_t count;
};

static int by_text(const void *left, const void *right)
{
    return strcmp(((const struct entry *)left)->text, ((const struct entry *)right)->text);
}

static void entries_fini(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->items[i].text);
    free(entries->items);
}

/* The items of a list in canonical order, which point into it. What is no list has none: a script's empty table comes
 * as an empty object. */
static enum stf_kind sort_entries(const json_t *list, struct entries *entries, struct stf_err *err)
{
    size_t i;
    json_t *doc;
    *entries = (struct entries){.items = calloc(json_array_size(list) + 1, sizeof *entries->items)};
    if (!entries->items)
        return no_memory("kernel_snapshot", err);
    json_array_foreach (list, i, doc) {
        char *text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        if (!text)
            return no_memory("kernel_snapshot", err);
        entries->items[entries->count++] = (struct entry){text, doc};
    }
    qsort(entries->items, entries->count, sizeof *entries->items, by_text);
    return STF_OK;
}

/* The list in canonical order; with `is_set`, equal items are one. Takes over `list`, which may be NULL. */
static enum stf_kind sort_list(json_t *list, bool is_set, json_t **sorted, struct stf_err *err)
{
    struct entries entries;
    enum stf_kind kind = sort_entries(list, &entries, err);
    *sorted = !kind && list ? json_array() : NULL;
    for (size_t i = 0; i < entries.count; i++)
        if (i == 0 || !is_set || by_text(&entries.items[i - 1], &entries.items[i]) != 0)
            add(sorted, json_incref(entries.items[i].doc));
    entries_fini(&entries);
    json_decref(list);
    return *sorted ? STF_OK : no_memory("kernel_snapshot", err);
}

/* ---------- snapshots ---------- */

/* A socket's policies are those of a running program, and larval SAs are wishes: neither is the host's. */
static json_t *policies_to_keep(const struct stf_kernel_state *state, unsigned parts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < state->policy_count; i++)
        if (!stf_xfrm_is_of_socket(&state->policies[i]))
            add(&list, stf_xfrm_policy_document(&state->policies[i], parts));
    return list;
}

static json_t *sas_to_keep(const struct stf_kernel_state *state, unsigned parts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < state->sa_count; i++)
        if (!stf_xfrm_is_larval(&state->sas[i]))
            add(&list, stf_xfrm_sa_document(&state->sas[i], parts));
    return list;
}

/* Without SPIs a rekey must not show: while it lasts the old SA and the new stand side by side, so equal ones are one.
 */
static enum stf_kind take_snapshot(const struct stf_host *host, bool has_spis, json_t **snapshot, struct stf_err *err)
{
    struct stf_kernel_state state = {0};
    json_t *policies = NULL, *sas = NULL;
    unsigned parts = has_spis ? STF_XFRM_SPI : STF_XFRM_STABLE;
    enum stf_kind kind = read_kernel(host, SNAPSHOT_PARTS, &state, err);
    if (!kind)
        kind = sort_list(policies_to_keep(&state, parts), false, &policies, err);
    if (!kind)
        kind = sort_list(sas_to_keep(&state, parts), !has_spis, &sas, err);
    if (!kind)
        kind = give(json_pack("{s:O, s:O, s:o*, s:b}", "policies", policies, "sas", sas, "default_actions",
                              state.has_defaults ? stf_xfrm_defaults_document(&state.defaults) : NULL, "has_spis",
                              (int)has_spis),
                    "kernel_snapshot", snapshot, err);
    json_decref(policies);
    json_decref(sas);
    stf_kernel_state_fini(&state);
    return kind;
}

STF_KERNEL_VERB(snapshot)
{
    static const char *const known[] = {"spis", NULL};
    bool has_spis = false;
    (void)self;
    enum stf_kind kind = stf_doc_check_keys(args, known, "kernel_snapshot", err);
    if (!kind)
        kind = stf_doc_opt_bool(args, "spis", false, &has_spis, err);
    return kind ? kind : take_snapshot(host, has_spis, result, err);
}

/* ---------- what differs ---------- */

struct differences {
    json_t *list; /* the first DIFFERENCES_MAX */
    size_t missing;
    size_t added;
};

static void note(struct differences *differences, bool is_added, const char *what, json_t *doc)
{
    if (is_added)
        differences->added++;
    else
        differences->missing++;
    if (json_array_size(differences->list) < DIFFERENCES_MAX)
        add(&differences->list, json_pack("{s:s, s:O}", "difference", is_added ? "added" : "missing", what, doc));
}

/* Both lists in order, side by side. */
static void note_entries(struct differences *differences, const char *what, const struct entries *before,
                         const struct entries *now)
{
    size_t i = 0, j = 0;
    while (i < before->count || j < now->count) {
        int order = i == before->count ? 1 : j == now->count ? -1 : by_text(&before->items[i], &now->items[j]);
        if (order < 0)
            note(differences, false, what, before->items[i].doc);
        if (order > 0)
            note(differences, true, what, now->items[j].doc);
        i += order <= 0;
        j += order >= 0;
    }
}

static enum stf_kind compare_lists(struct differences *differences, const char *what, const json_t *before,
                                   const json_t *now, struct stf_err *err)
{
    struct entries old = {0}, new = {0};
    enum stf_kind kind = sort_entries(before, &old, err);
    if (!kind)
        kind = sort_entries(now, &new, err);
    if (!kind)
        note_entries(differences, what, &old, &new);
    entries_fini(&old);
    entries_fini(&new);
    return kind;
}

static void compare_defaults(struct differences *differences, json_t *before, json_t *now)
{
    if (before == now || (before && now && json_equal(before, now)))
        return;
    if (before)
        note(differences, false, "default_actions", before);
    if (now)
        note(differences, true, "default_actions", now);
}

static enum stf_kind compare(const json_t *before, const json_t *now, json_t **result, struct stf_err *err)
{
    struct differences differences = {.list = json_array()};
    enum stf_kind kind = compare_lists(&differences, "policy", json_object_get(before, "policies"),
                                       json_object_get(now, "policies"), err);
    if (!kind)
        kind = compare_lists(&differences, "sa", json_object_get(before, "sas"), json_object_get(now, "sas"), err);
    if (!kind) {
        compare_defaults(&differences, json_object_get(before, "default_actions"),
                         json_object_get(now, "default_actions"));
        kind = give(json_pack("{s:b, s:I, s:I, s:I, s:I, s:o}", "is_equal", !differences.missing && !differences.added,
                              "missing", (json_int_t)differences.missing, "added", (json_int_t)differences.added,
                              "policies", (json_int_t)json_array_size(json_object_get(now, "policies")), "sas",
                              (json_int_t)json_array_size(json_object_get(now, "sas")), "differences",
                              json_incref(differences.list)),
                    "kernel_compare", result, err);
    }
    json_decref(differences.list);
    return kind;
}

static enum stf_kind read_snapshot(const json_t *args, const json_t **before, bool *has_spis, struct stf_err *err)
{
    static const char *const known[] = {"before", NULL};
    static const char *const members[] = {"policies", "sas", "default_actions", "has_spis", NULL};
    enum stf_kind kind = stf_doc_check_keys(args, known, "kernel_compare", err);
    *before = json_object_get(args, "before");
    if (!kind && !*before)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "kernel_compare", "before",
                           "member 'before' is missing: expected what kernel_snapshot gave");
    if (!kind)
        kind = stf_doc_check_keys(*before, members, "kernel_compare", err);
    return kind ? kind : stf_doc_opt_bool(*before, "has_spis", false, has_spis, err);
}

STF_KERNEL_VERB(compare)
{
    const json_t *before = NULL;
    json_t *now = NULL;
    bool has_spis = false;
    (void)self;
    enum stf_kind kind = read_snapshot(args, &before, &has_spis, err);
    if (!kind)
        kind = take_snapshot(host, has_spis, &now, err);
    if (!kind)
        kind = compare(before, now, result, err);
    json_decref(now);
    return kind;
}

/* ---------- watches ---------- */

void stf_kernel_watch_end(void *watch)
{
    json_t *unread = NULL;
    if (stf_kernel_watch_stop(watch, &unread, NULL) == STF_OK)
        json_decref(unread);
}

STF_KERNEL_VERB(watch_start)
{
    static const char *const known[] = {"acquires", NULL};
    struct stf_ipsec *ipsec = self;
    struct stf_kernel_watch_options options = {.netns = host->netns};
    struct stf_kernel_watch *watch = NULL;
    bool hears_acquires = false;

    enum stf_kind kind = stf_doc_check_keys(args, known, "kernel_watch_start", err);
    if (!kind)
        kind = stf_doc_opt_bool(args, "acquires", false, &hears_acquires, err);
    if (!kind && json_is_boolean(json_object_get(args, "acquires")))
        options.acquires = hears_acquires ? STF_KERNEL_ACQUIRES_ALWAYS : STF_KERNEL_ACQUIRES_NEVER;
    if (!kind)
        kind = stf_kernel_watch_start(&options, &watch, err);
    if (kind)
        return kind;
    int64_t handle = stf_handles_put(ipsec->kernel_watches, watch);
    if (!handle) {
        stf_kernel_watch_end(watch);
        return no_memory("kernel_watch_start", err);
    }
    return give(json_pack("{s:I}", "handle", (json_int_t)handle), "kernel_watch_start", result, err);
}

STF_KERNEL_VERB(watch_stop)
{
    static const char *const known[] = {"handle", NULL};
    struct stf_ipsec *ipsec = self;
    void *watch = NULL;
    int64_t handle = 0;
    (void)host;

    enum stf_kind kind = stf_doc_check_keys(args, known, "kernel_watch_stop", err);
    if (!kind)
        kind = stf_doc_int(args, "handle", 1, INT64_MAX, &handle, err);
    if (!kind)
        kind = stf_handles_take(ipsec->kernel_watches, handle, &watch, err);
    return kind ? kind : stf_kernel_watch_stop(watch, result, err);
}
