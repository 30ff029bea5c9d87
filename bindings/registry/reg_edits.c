/* reg_edits.c - lists of edits, and code page 1252. Never frees a part of a list. SPDX-License-Identifier: MIT */
#include "registry/reg_edits.h"

#include <stdlib.h>
#include <string.h>

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "reg", NULL, "memory is out");
}

bool stf_reg_edits_reserve(struct stf_reg_edits *edits, size_t room)
{
    struct stf_reg_edit *items = realloc(edits->items, room * sizeof(*items));

    if (items != NULL) {
        edits->items = items;
        edits->room = room;
    }
    return items != NULL;
}

struct stf_reg_edit *stf_reg_edits_next(struct stf_reg_edits *edits)
{
    if (edits->count == edits->room && !stf_reg_edits_reserve(edits, edits->room > 0 ? 2 * edits->room : 64))
        return NULL;
    return &edits->items[edits->count++];
}

static void *keep_copy(struct stf_reg_edits *edits, const void *bytes, size_t size)
{
    void *copy = stf_arena_alloc(&edits->arena, size + 1);

    if (copy != NULL && size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

enum stf_kind stf_reg_edits_add(struct stf_reg_edits *edits, const struct stf_reg_edit *edit, struct stf_err *err)
{
    struct stf_reg_edit copy = *edit;
    const struct stf_reg_edit *last = edits->count > 0 ? &edits->items[edits->count - 1] : NULL;
    struct stf_reg_edit *item;

    copy.key = last != NULL && strcmp(last->key, edit->key) == 0 ? last->key
                                                                 : keep_copy(edits, edit->key, strlen(edit->key) + 1);
    if (edit->value.name != NULL) {
        copy.value.name = keep_copy(edits, edit->value.name, strlen(edit->value.name) + 1);
        copy.value.data = keep_copy(edits, edit->value.data, edit->value.size);
    }
    if (copy.key == NULL || (edit->value.name != NULL && (copy.value.name == NULL || copy.value.data == NULL)))
        return no_memory(err);
    item = stf_reg_edits_next(edits);
    if (item == NULL)
        return no_memory(err);
    *item = copy;
    return STF_OK;
}

void stf_reg_edits_fini(struct stf_reg_edits *edits)
{
    stf_arena_fini(&edits->arena);
    free(edits->items);
    *edits = (struct stf_reg_edits){0};
}

/* ---- code page 1252: Latin 1 but for this row ---- */

static const uint16_t row_80[32] = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008d, 0x017d, 0x008f, 0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};

uint32_t stf_reg_cp1252_code(uint8_t byte)
{
    return byte >= 0x80 && byte < 0xa0 ? row_80[byte - 0x80] : byte;
}

int stf_reg_cp1252_byte(uint32_t code)
{
    if (code < 0x80 || (code >= 0xa0 && code < 0x100))
        return (int)code;
    for (int i = 0; i < 32; i++)
        if (row_80[i] == code)
            return 0x80 + i;
    return -1;
}
