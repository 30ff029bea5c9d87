/* binding.h - what a binding is: verbs that look or act, and resources whose state can be read, written and put back.
 * Lua-free and loop-free: every function here runs on a worker thread and may block. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/err.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One host of the site, as a binding sees it. All members live as long as the call. */
struct stf_host {
    const char *name;     /* its name in site.lua */
    const char *netns;    /* the network namespace it lives in (a name under /run/netns), or NULL: the program's own */
    const json_t *config; /* its whole table in site.lua; a binding reads its own part, e.g. config.ipsec.vici */
    const char *site_dir; /* relative paths in config start here */
};

/* A verb takes a document and gives a document. `args` is always a JSON object. On STF_OK `*result` is a new reference
 * (or left NULL for "nothing to say"). Verbs never alter what a rollback would have to restore: that is a resource. */
struct stf_verb {
    const char *name; /* "registry.list" */
    const char *need; /* the power a script must have declared: "registry.read" */
    enum stf_kind (*call)(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                          struct stf_err *err);
};

/* A resource is one kind of thing on a host that Staffetta may change: a registry value, a connection, an address.
 * `id` (a JSON object) names one such thing; its state is a document too, JSON null meaning "absent".
 *
 * The contract, which the change engine relies on and tests/unit checks for each resource:
 *  - read gives a canonical document: two reads of the same state are json_equal;
 *  - write makes the host's state equal `state`, atomically where the system allows, and is idempotent, so it can be
 *    repeated after a crash; after write(s), read gives s;
 *  - a state that stands on disk but is not in effect (a write cut short, a daemon restarted) has "loaded": false
 *    beside its other members, and rollback sees from those whose it is;
 *  - a state never holds a secret, only a reference to where the secret is kept. */
struct stf_resource {
    const char *name; /* "registry.value" */
    const char *need; /* "registry.write" */
    enum stf_kind (*read)(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                          struct stf_err *err);
    enum stf_kind (*write)(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                           struct stf_err *err);
    /* One line for a person: the id ("HKLM\\SYSTEM\\...\\NLBSFlags") when state is NULL, else the state ("dword 1").
     * NULL: the runtime prints compact JSON. The string is malloc'ed. */
    char *(*describe)(const json_t *id, const json_t *state);
};

/* A kind of document that scripts hand around as data and that this binding knows the form of. `name` is the kind of
 * script that holds it ("policy"). The runtime puts each such document into its normal form before a run begins, so
 * that a mistake in it stops the run before any host is touched. Pure functions: no host, no state. */
struct stf_document_kind {
    const char *name;
    /* All fields checked and filled in; `*normal` is a new reference. Errors name the field. */
    enum stf_kind (*normalize)(const json_t *document, json_t **normal, struct stf_err *err);
    /* Of what the document means, as text that does not change with its spelling. */
    enum stf_kind (*fingerprint)(const json_t *document, char fingerprint[65], struct stf_err *err);
};

struct stf_binding {
    const char *name;                      /* the field of a host in Lua: host.registry */
    void *(*open)(void);                   /* state shared by all calls, thread-safe; NULL function: no state */
    void (*close)(void *self);             /* ends everything the binding started */
    const struct stf_verb *verbs;          /* ended by a NULL name; NULL: none */
    const struct stf_resource *resources;  /* ended by a NULL name; NULL: none */
    const struct stf_document_kind *kinds; /* ended by a NULL name; NULL: none */
    /* A resource, of whatever binding, and the verb of this one that restores what no state of it holds, such as the
     * SAs of an address that went back: called after a rollback, with {"id","state"} of each such thing. NULL: none. */
    const char *settles, *settle;
    /* The resource whose things have others of this binding in them, such as keys; and what such a part is while the
     * whole has `state`, as the part's own resource reads it: a new reference, or NULL when it is not in there or that
     * can not be told. So a rollback sees through the later change of a whole. `with_part` is the reverse: what the
     * whole will be once the part has `part_state`, so that a rollback sees through later changes in a whole that the
     * run has changed. NULL, all three: there is none. */
    const char *whole;
    json_t *(*part)(const json_t *id, const json_t *state, const char *part, const json_t *part_id);
    json_t *(*with_part)(const json_t *id, const json_t *state, const char *part, const json_t *part_id,
                         const json_t *part_state);
    /* Where several ids name one thing, as in a registry, which takes a name in any case: what is the same of them and
     * of no others, a new reference; and a state that `from` has, as `to` has it, also a new reference. In a run such a
     * thing is one, under the id that it was first changed by. NULL result: memory is out. NULL, both: each id names a
     * thing of its own. */
    json_t *(*identity)(const char *resource, const json_t *id);
    json_t *(*respell)(const char *resource, const json_t *state, const json_t *from, const json_t *to);
};

#ifdef __cplusplus
}
#endif
