/* test_bindings.c - what every call of every binding has in common: it takes no argument that it does not know, and
 * says so before it does anything, also when memory is out. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <staffetta/binding.h>

#include "fail_alloc.h"

extern const struct stf_binding stf_registry_binding, stf_ipsec_binding, stf_probe_binding, stf_vip_binding,
    stf_wire_binding, stf_system_binding;

static const struct stf_binding *const bindings[] = {&stf_registry_binding, &stf_ipsec_binding, &stf_probe_binding,
                                                     &stf_vip_binding,      &stf_wire_binding,  &stf_system_binding};
enum { BINDING_COUNT = sizeof(bindings) / sizeof(bindings[0]) };

/* A verb, or a resource read or written. */
struct call {
    const char *name;
    void *self;
    const struct stf_verb *verb;
    const struct stf_resource *resource;
    bool is_write;
};

static enum stf_kind make_call(const struct call *call, const struct stf_host *host, const json_t *args,
                               struct stf_err *err)
{
    json_t *result = NULL;
    enum stf_kind kind = call->verb != NULL ? call->verb->call(call->self, host, args, &result, err)
                         : call->is_write   ? call->resource->write(call->self, host, args, json_null(), err)
                                            : call->resource->read(call->self, host, args, &result, err);

    json_decref(result);
    return kind;
}

/* With every allocation failing in turn, and at last with none. */
static void check_call(const struct call *call, const struct stf_host *host, const json_t *args)
{
    bool is_reached = true;

    for (size_t n = 1; is_reached; n++) {
        struct stf_err err = {0};
        enum stf_kind kind;
        stf_fail_alloc_arm(n);
        kind = make_call(call, host, args, &err);
        is_reached = stf_fail_alloc_disarm();
        if (kind != STF_INVALID_DATA && !(is_reached && kind == STF_NO_MEMORY))
            fail_msg("%s: %s: %s", call->name, stf_kind_name(kind), err.message);
        /* Writing may look at the state, which null is for some, before the id. */
        if (!is_reached && !call->is_write && strstr(err.message, "no_such_member") == NULL)
            fail_msg("%s does not name the member: %s", call->name, err.message);
    }
}

static void check_binding(const struct stf_binding *binding, const struct stf_host *host, const json_t *args)
{
    void *self = binding->open != NULL ? binding->open() : NULL;

    for (const struct stf_verb *verb = binding->verbs; verb != NULL && verb->name != NULL; verb++)
        check_call(&(struct call){.name = verb->name, .self = self, .verb = verb}, host, args);
    for (const struct stf_resource *resource = binding->resources; resource != NULL && resource->name != NULL;
         resource++) {
        struct call call = {.name = resource->name, .self = self, .resource = resource};
        check_call(&call, host, args);
        call.is_write = true;
        check_call(&call, host, args);
    }
    if (binding->close != NULL)
        binding->close(self);
}

static void test_unknown_members_are_refused(void **state)
{
    json_t *config = json_object();
    json_t *args = json_pack("{s:i}", "no_such_member", 1);
    const struct stf_host host = {.name = "host", .config = config, .site_dir = "/nonexistent"};

    (void)state;
    for (size_t i = 0; i < BINDING_COUNT; i++)
        check_binding(bindings[i], &host, args);
    json_decref(args);
    json_decref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_unknown_members_are_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
