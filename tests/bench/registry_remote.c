/* registry_remote.c - the registry of another host on one connection: how long opening it takes, and one get, set and
 * list each. Usage: bench_registry_remote HOST CREDENTIALS HELPER; prints "NAME MILLISECONDS" lines, medians.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "registry/registry.h"

enum { ROUNDS = 101, CONNECTIONS = 11, KEY_VALUES = 1000 };

static struct stf_registry_remote remote;
static struct stf_registry *registry;
static struct stf_err err;

static void check(enum stf_kind kind)
{
    if (kind != STF_OK) {
        fprintf(stderr, "%s: %s\n", stf_kind_name(kind), err.message);
        exit(1);
    }
}

static void connect_once(int round)
{
    const struct stf_registry_place place = {.remote = &remote};

    (void)round;
    stf_registry_close(registry);
    check(stf_registry_open(&stf_registry_backend_remote, &place, STF_REGISTRY_WRITE, &registry, &err));
}

static void get_once(int round)
{
    struct stf_registry_value value = {0};

    (void)round;
    check(stf_registry_get(registry, "HKLM\\SOFTWARE\\Bench", "v", &value, &err));
    stf_registry_value_fini(&value);
}

static void set_once(int round)
{
    uint32_t data = (uint32_t)round;
    struct stf_registry_value value = {"v", STF_REG_DWORD, (uint8_t *)&data, sizeof(data)};

    check(stf_registry_set(registry, "HKLM\\SOFTWARE\\Bench", &value, &err));
}

static void list_once(int round)
{
    struct stf_registry_listing listing = {0};

    (void)round;
    check(stf_registry_list(registry, "HKLM\\SOFTWARE\\Bench\\Large", &listing, &err));
    stf_registry_listing_fini(&listing);
}

static void make_large_key(void)
{
    char name[16];

    for (uint32_t i = 0; i < KEY_VALUES; i++) {
        struct stf_registry_value value = {name, STF_REG_DWORD, (uint8_t *)&i, sizeof(i)};
        snprintf(name, sizeof(name), "value %u", i);
        check(stf_registry_set(registry, "HKLM\\SOFTWARE\\Bench\\Large", &value, &err));
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void measure(const char *name, int rounds, void (*once)(int round))
{
    int64_t spent_ns[ROUNDS];

    for (int i = 0; i < rounds; i++) {
        int64_t start_ns = stf_clock_ns();
        once(i);
        spent_ns[i] = stf_clock_ns() - start_ns;
    }
    qsort(spent_ns, (size_t)rounds, sizeof(spent_ns[0]), compare);
    printf("%s %.4f\n", name, (double)spent_ns[rounds / 2] / 1e6);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: bench_registry_remote HOST CREDENTIALS HELPER\n", stderr);
        return 2;
    }
    remote = (struct stf_registry_remote){.host = argv[1], .credentials_file = argv[2], .helper = argv[3]};
    measure("connect", CONNECTIONS, connect_once);
    measure("set", ROUNDS, set_once);
    measure("get", ROUNDS, get_once);
    make_large_key();
    measure("list-1000-values", CONNECTIONS, list_once);
    stf_registry_close(registry);
    return 0;
}
