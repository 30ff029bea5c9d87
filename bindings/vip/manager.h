/* manager.h - cluster managers that can be asked who has the virtual IP, and told to move it. Internal to bindings/vip.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

struct stf_vip_owner {
    char node[64];  /* the owner's name in the cluster; "": nobody has it */
    bool is_pinned; /* a constraint of a move stands: one that was cut short, or somebody else's */
};

/* `resource`: what carries the address there, Pacemaker's resource or the Windows cluster's group. STF_CONFLICT when it
 * carries another `address` (NULL: not looked at). Moving waits until the node has it, and leaves no constraint. */
struct stf_vip_manager {
    const char *member; /* of the host's vip in site.lua, which names the resource */
    enum stf_kind (*find)(const struct stf_host *host, const char *resource, const char *address,
                          struct stf_vip_owner *owner, struct stf_err *err);
    enum stf_kind (*move)(const struct stf_host *host, const char *resource, const char *node, struct stf_err *err);
};

/* The error of a site whose resource is another one's. */
enum stf_kind stf_vip_wrong_address(const struct stf_host *host, const char *resource, const char *address,
                                    struct stf_err *err);

extern const struct stf_vip_manager stf_vip_pacemaker, stf_vip_windows_cluster;

/* The scripts for PowerShell, malloc'ed; NULL when memory is out. Names are quoted. */
char *stf_windows_cluster_find_script(const char *group);
char *stf_windows_cluster_move_script(const char *group, const char *node);
