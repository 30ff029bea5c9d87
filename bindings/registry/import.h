/* import.h - what a .reg text does to a host, as changes: one for each of the host's stores that it touches.
 * Writes nothing. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/binding.h>

#include "registry/reg_text.h"

/* *changes is a new list of {"id", "state"}, for the resource registry.patch. STF_INVALID_DATA for a key that no store
 * of the host has. `binding` is an instance of stf_registry_binding, and has the patch at hand when it is asked to make
 * the (last) change. */
enum stf_kind stf_registry_import(void *binding, const struct stf_host *host, const struct stf_reg_edits *edits,
                                  json_t **changes, struct stf_err *err);
