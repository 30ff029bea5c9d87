/* offer.h - what a binding offers, by name. Knows no binding. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

/* NULL when the binding has none of that name. */
const struct stf_verb *stf_binding_verb(const struct stf_binding *binding, const char *name);
const struct stf_resource *stf_binding_resource(const struct stf_binding *binding, const char *name);

/* Whether a power is one to look, and to alter nothing: its name ends in ".read". */
bool stf_need_only_looks(const char *need);

/* Reading a resource needs the binding's power to look where it has one, else the power to change the resource. */
const char *stf_binding_read_need(const struct stf_binding *binding, const struct stf_resource *resource);
