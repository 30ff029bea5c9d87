/* fuzz_regfile.c - any bytes as .reg text: refused, or edits that survive being printed and read again, and that make
 * the same tree on an empty store. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "registry/reg_text.h"
#include "registry/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint8_t *print(const struct stf_reg_edits *edits, size_t *size)
{
    struct stf_reg_printer printer = {0};
    uint8_t *text = NULL;

    for (size_t i = 0; i < edits->count; i++)
        if (stf_reg_print_edit(&printer, &edits->items[i], NULL) != STF_OK)
            abort(); /* UTF-16 holds all that a file can say */
    if (stf_reg_printer_take(&printer, &text, size, NULL) != STF_OK)
        abort();
    stf_reg_printer_fini(&printer);
    return text;
}

static json_t *apply(const struct stf_reg_edits *edits)
{
    struct stf_registry_memory *memory = stf_registry_memory_new();
    const struct stf_registry_place place = {.memory = memory};
    struct stf_registry *registry = NULL;
    json_t *tree = NULL;

    if (stf_registry_open(&stf_registry_backend_memory, &place, STF_REGISTRY_WRITE, &registry, NULL) != STF_OK ||
        stf_registry_apply_reg(registry, NULL, edits, NULL) != STF_OK ||
        stf_registry_tree_read(registry, "", &tree, NULL) != STF_OK)
        abort();
    stf_registry_close(registry);
    stf_registry_memory_free(memory);
    return tree;
}

static bool is_equal(const struct stf_reg_edit *a, const struct stf_reg_edit *b)
{
    if (a->kind != b->kind || strcmp(a->key, b->key) != 0)
        return false;
    return a->kind == STF_REG_SET_VALUE      ? stf_registry_value_equal(&a->value, &b->value)
           : a->kind == STF_REG_DELETE_VALUE ? strcmp(a->value.name, b->value.name) == 0
                                             : true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct stf_reg_edits edits, again;
    json_t *tree, *tree_again;
    uint8_t *text;
    size_t text_size;

    if (stf_reg_parse(bytes, size, "input", &edits, NULL) != STF_OK)
        return 0;
    text = print(&edits, &text_size);
    if (stf_reg_parse(text, text_size, "printed", &again, NULL) != STF_OK || edits.count != again.count)
        abort();
    for (size_t i = 0; i < edits.count; i++)
        if (!is_equal(&edits.items[i], &again.items[i]))
            abort();
    tree = apply(&edits);
    tree_again = apply(&again);
    if (!json_equal(tree, tree_again))
        abort();
    json_decref(tree);
    json_decref(tree_again);
    stf_reg_edits_fini(&edits);
    stf_reg_edits_fini(&again);
    free(text);
    return 0;
}
