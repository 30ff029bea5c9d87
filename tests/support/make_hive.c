/* make_hive.c - makes an empty registry hive for tests: make_hive PATH. SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <staffetta/err.h>

#include "registry/registry.h"

int main(int argc, char **argv)
{
    struct stf_err err;
    if (argc != 2) {
        fprintf(stderr, "usage: make_hive PATH\n");
        return 64;
    }
    if (stf_hive_create(argv[1], &err) == STF_OK)
        return 0;
    fprintf(stderr, "make_hive: %s\n", err.message);
    return 1;
}
