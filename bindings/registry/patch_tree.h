/* patch_tree.h - what a patch is inside. Only patch.c and scope.c include it. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/patch.h"
#include "registry/reg_tree.h"

struct stf_registry_patch {
    struct stf_keytree_key *root; /* alterations, see reg_tree.h */
};
