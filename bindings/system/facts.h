/* facts.h - what a host is. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/err.h>

/* The answer of system.facts: a new document. A fact that could not be found out is null. */
enum stf_kind stf_facts_read(json_t **facts, struct stf_err *err);

enum stf_answer { STF_NO, STF_YES, STF_UNKNOWN };

/* Can this kernel carry IPsec's ESP? Asked in a network namespace that nobody else ever sees. */
enum stf_answer stf_esp_is_available(void);
