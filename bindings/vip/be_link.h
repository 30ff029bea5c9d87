/* be_link.h - an interface up or down, and the routes that it loses with it.
 * Must know neither documents nor hosts: it acts in the network namespace that the calling thread is in.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include <staffetta/err.h>

enum stf_kind stf_link_is_up(const char *interface, bool *is_up, struct stf_err *err);
enum stf_kind stf_link_set_up(unsigned interface_index, bool is_up, struct stf_err *err);

/* An interface that was set up carries traffic a moment later. STF_OK also when there is no cable: a second is waited.
 */
enum stf_kind stf_link_await_carrier(const char *interface, struct stf_err *err);

/* The IPv4 routes over the interface that do not come back by themselves, as a sorted array of the kernel's own bytes
 * in hex. Left out are those that the kernel makes of addresses, and charon's table, which it fills anew. */
enum stf_kind stf_link_routes(unsigned interface_index, json_t **routes, struct stf_err *err);

/* Adds such routes; one that is there already is fine. */
enum stf_kind stf_link_add_routes(const json_t *routes, struct stf_err *err);
