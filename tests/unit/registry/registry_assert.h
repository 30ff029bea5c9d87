/* registry_assert.h - what the registry's tests share on every platform: assertions, and values that are set.
 * Header only; asserts instead of returning errors. SPDX-License-Identifier: MIT */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/registry.h"

static inline void assert_ok(enum stf_kind kind, const struct stf_err *err)
{
    if (kind != STF_OK)
        fail_msg("%s: %s", stf_kind_name(kind), err->message);
}

static inline void set_bytes(struct stf_registry *registry, const char *key, const char *name, uint32_t type,
                             const void *data, size_t size)
{
    struct stf_registry_value value;
    struct stf_err err = {0};

    assert_ok(stf_registry_value_init(&value, name, type, data, size, &err), &err);
    assert_ok(stf_registry_set(registry, key, &value, &err), &err);
    stf_registry_value_fini(&value);
}

static inline void commit_and_close(struct stf_registry *registry)
{
    struct stf_err err = {0};

    assert_ok(stf_registry_commit(registry, &err), &err);
    stf_registry_close(registry);
}

static inline void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in:\n%s", part, text);
}
