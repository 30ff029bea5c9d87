/* list_methods.c - prints what the program offers to scripts, one name a line, from its own tables: "method vip.take",
 * "kind busy", "type dword". Calls none of it. SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "registry/value.h"
#include "runtime.h"

int main(void)
{
    for (const struct stf_bound *bound = stf_builtin_bindings; bound->binding; bound++)
        for (const struct stf_lua_method *method = bound->module->methods; method->name; method++)
            printf("method %s.%s\n", bound->binding->name, method->name);
    for (int kind = STF_OK + 1; kind <= STF_NO_MEMORY; kind++)
        printf("kind %s\n", stf_kind_name((enum stf_kind)kind));
    for (uint32_t type = STF_REG_NONE; stf_registry_type_name(type); type++)
        printf("type %s\n", stf_registry_type_name(type));
    return 0;
}
