/* xfrm_dump.c - reads the policies of a network namespace once, for xfrm_dump.sh to time: as structures, or as the
 * documents that scripts get. Prints how many there are. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "ipsec/drv_kernel.h"

int main(int argc, char **argv)
{
    struct stf_kernel_state state;
    struct stf_err err;
    size_t count = 0;
    if (argc != 3 || (strcmp(argv[2], "structures") != 0 && strcmp(argv[2], "documents") != 0)) {
        fprintf(stderr, "usage: xfrm_dump NETNS structures|documents\n");
        return 2;
    }
    if (stf_kernel_read(argv[1], STF_KERNEL_POLICIES, &state, &err)) {
        fprintf(stderr, "xfrm_dump: %s\n", err.message);
        return 1;
    }
    if (argv[2][0] == 's')
        count = state.policy_count;
    json_t *list = json_array();
    for (size_t i = count; i < state.policy_count; i++)
        count += json_array_append_new(list, stf_xfrm_policy_document(&state.policies[i], STF_XFRM_ALL)) == 0;
    printf("%zu\n", count);
    json_decref(list);
    stf_kernel_state_fini(&state);
    return 0;
}
