/* registry_hivex.c - the peer of registry_hive.c: the same keys and values straight through libhivex, into a copy of an
 * empty hive. registry_hivex SHAPE EMPTY HIVE. SPDX-License-Identifier: MIT */
#include <hivex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hive_node_h must(hive_node_h node)
{
    if (node == 0) {
        perror("libhivex");
        exit(1);
    }
    return node;
}

static void add_key(hive_h *hive, hive_node_h parent, unsigned number, unsigned values, unsigned size)
{
    struct hive_set_value *set = calloc(values, sizeof(*set));
    char *names = calloc(values, 32);
    char *data = calloc(values, size);
    char name[32];
    hive_node_h node;

    snprintf(name, sizeof(name), "Key %u", number);
    node = must(hivex_node_add_child(hive, parent, name));
    for (unsigned i = 0; i < values; i++) {
        snprintf(names + 32 * i, 32, "Value %u", i);
        for (unsigned j = 0; j < size; j++)
            data[size * i + j] = (char)(size == 4 ? i >> (8 * j) : i + j);
        set[i] = (struct hive_set_value){names + 32 * i, size == 4 ? hive_t_REG_DWORD : hive_t_REG_BINARY, size,
                                         data + size * i};
    }
    if (hivex_node_set_values(hive, node, values, set, 0) != 0)
        must(0);
    free(set);
    free(names);
    free(data);
}

int main(int argc, char **argv)
{
    hive_h *hive;
    hive_node_h many;
    unsigned is_wide;
    unsigned size;

    if (argc != 4)
        return 64;
    is_wide = strcmp(argv[1], "wide") == 0;
    size = strcmp(argv[1], "large") == 0 ? 160 : 4;
    hive = hivex_open(argv[2], HIVEX_OPEN_WRITE);
    if (hive == NULL)
        must(0);
    many = must(hivex_node_add_child(hive, hivex_root(hive), "Many"));
    for (unsigned i = 0; i < (is_wide ? 5000u : 1000u); i++)
        add_key(hive, many, i, is_wide ? 10 : 100, size);
    for (unsigned i = 0; is_wide && i < 50; i++) {
        char name[32];
        hive_node_h group;
        snprintf(name, sizeof(name), "Group %u", i);
        group = must(hivex_node_add_child(hive, hivex_root(hive), name));
        for (unsigned j = 0; j < 100; j++)
            add_key(hive, group, j, 10, 4);
    }
    if (hivex_commit(hive, argv[3], 0) != 0)
        must(0);
    hivex_close(hive);
    return 0;
}
