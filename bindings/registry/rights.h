/* rights.h - what a live key's security descriptor says (MS-DTYP 2.4.6, self-relative), as far as it is kept: who may
 * do what, its DACL. Knows no registry. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STF_RIGHTS_HEADER_SIZE = 20 };

/* Whether a descriptor says more than "as the key above": it is protected, or has entries that it did not inherit. One
 * whose list equals that of the key above was made by a system that does not mark what is inherited. */
bool stf_rights_are_own(const uint8_t *descriptor, size_t size, const uint8_t *above, size_t above_size);

/* Whether its DACL, if there is one, is all there. A damaged one is no DACL to the functions below, and no DACL lets
 * everybody do everything. */
bool stf_rights_are_whole(const uint8_t *descriptor, size_t size);

/* Whether it has nothing else: no owner, no group, no list of what is audited. */
bool stf_rights_are_all(const uint8_t *descriptor, size_t size);

/* The same descriptor with the DACL of `rights`, malloc'ed; it has at least a header. NULL when memory is
 * out. */
uint8_t *stf_rights_put(const uint8_t *descriptor, size_t size, const uint8_t *rights, size_t rights_size,
                        size_t *out_size);

/* A descriptor of nothing but the DACL, malloc'ed: always the same for the same DACL. NULL when memory is out. */
uint8_t *stf_rights_only(const uint8_t *descriptor, size_t size, size_t *out_size);
