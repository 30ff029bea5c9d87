/* xfrm_as_ip.h - for tests: our documents in the words of ip(8), to compare with what ip itself says of the same state.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

/* What `ip -d -s xfrm policy` and `ip -d -s xfrm state list nokeys` print for these lists; malloc'ed. */
char *as_ip_policies(const json_t *policies);
char *as_ip_sas(const json_t *sas);

/* The output of `ip -n netns arguments`; malloc'ed. */
char *as_ip_run(const char *netns, const char *arguments);
