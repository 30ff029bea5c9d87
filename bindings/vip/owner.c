/* owner.c - vip.owner: asks the manager that the host's vip names in site.lua, and checks what goes in and out.
 * Must never give a manager a name that could be an option. SPDX-License-Identifier: MIT */
#include "owner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "manager.h"

static const struct stf_vip_manager *const managers[] = {&stf_vip_pacemaker, &stf_vip_windows_cluster};

static enum stf_kind check_name(const char *name, const char *what, struct stf_err *err)
{
    bool is_good = *name && *name != '-' && strlen(name) < sizeof((struct stf_vip_owner *)0)->node;
    for (const char *at = name; *at; at++)
        is_good = is_good && (unsigned char)*at >= ' ';
    return is_good ? STF_OK
                   : stf_err_set(err, STF_INVALID_DATA, 0, "vip.owner", what,
                                 "%s: expected a name of 1 to 63 characters that does not begin with '-', found '%s'",
                                 what, name);
}

enum stf_kind stf_vip_wrong_address(const struct stf_host *host, const char *resource, const char *address,
                                    struct stf_err *err)
{
    return stf_err_set(err, STF_CONFLICT, 0, "vip.owner", host->name,
                       "'%s', which host '%s' names in site.lua, does not carry %s in the cluster", resource,
                       host->name, address);
}

static enum stf_kind find_manager(const struct stf_host *host, const json_t *id, const struct stf_vip_manager **manager,
                                  const char **resource, struct stf_err *err)
{
    static const char *const known[] = {"address", NULL};
    const json_t *vip = json_object_get(host->config, "vip");
    enum stf_kind kind = stf_doc_check_keys(id, known, "vip.owner", err);
    *manager = NULL;
    for (size_t i = 0; !kind && !*manager && i < sizeof managers / sizeof managers[0]; i++)
        if (json_object_get(vip, managers[i]->member))
            *manager = managers[i];
    if (kind)
        return kind;
    if (!*manager)
        return stf_err_set(err, STF_INVALID_DATA, 0, "configure", host->name,
                           "host '%s' names no cluster manager that could be asked; add to it in site.lua vip = { "
                           "resource = \"virtual_ip\" } for Pacemaker, or vip = { group = \"Mail\" } for a Windows "
                           "cluster",
                           host->name);
    kind = stf_doc_string(vip, (*manager)->member, resource, err);
    return kind ? kind : check_name(*resource, (*manager)->member, err);
}

static json_t *owner_to_doc(const struct stf_vip_owner *owner)
{
    json_t *doc = json_pack("{s:o}", "node", *owner->node ? json_string(owner->node) : json_null());
    if (doc && owner->is_pinned && json_object_set_new(doc, "loaded", json_false()) < 0) {
        json_decref(doc);
        doc = NULL;
    }
    return doc;
}

enum stf_kind stf_vip_owner_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                 struct stf_err *err)
{
    const struct stf_vip_manager *manager;
    struct stf_vip_owner owner = {.node = ""};
    const char *resource, *address;
    (void)self;
    enum stf_kind kind = find_manager(host, id, &manager, &resource, err);
    if (!kind)
        kind = stf_doc_opt_string(id, "address", NULL, &address, err);
    if (!kind)
        kind = manager->find(host, resource, address, &owner, err);
    if (kind)
        return kind;
    *state = owner_to_doc(&owner);
    return *state ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "vip.owner", host->name, "no memory for the answer");
}

enum stf_kind stf_vip_owner_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                  struct stf_err *err)
{
    static const char *const known[] = {"node", "loaded", NULL};
    const struct stf_vip_manager *manager;
    const char *resource, *node;
    (void)self;
    enum stf_kind kind = find_manager(host, id, &manager, &resource, err);
    if (!kind)
        kind = stf_doc_check_keys(state, known, "state of vip.owner", err);
    if (!kind)
        kind = stf_doc_string(state, "node", &node, err);
    if (!kind)
        kind = check_name(node, "node", err);
    return kind ? kind : manager->move(host, resource, node, err);
}

char *stf_vip_owner_describe(const json_t *id, const json_t *state)
{
    char *line = NULL;
    (void)id;
    if (!state)
        return strdup("owner of the virtual IP");
    const char *node = json_string_value(json_object_get(state, "node"));
    const char *pinned = json_object_get(state, "loaded") ? ", held there by a constraint" : "";
    return asprintf(&line, "%s%s", node ? node : "nobody", pinned) < 0 ? NULL : line;
}
