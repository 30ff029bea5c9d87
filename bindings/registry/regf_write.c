/* regf_write.c - lays out keys, values and lists as cells in bins (regf_write.h). The order: the root, then for each
 * key its class, its values, the lists of its subkeys and their nodes, before what is below those; a security
 * descriptor after the first node that uses it. Nothing may depend on time, addresses or history.
 * SPDX-License-Identifier: MIT */
#include "registry/regf_write.h"

#include <stdlib.h>
#include <string.h>

#include "registry/fold.h"

enum {
    BIN_SIZE = 65536,          /* unless a cell needs more; the larger, the less is lost at their ends */
    LEAF_MAX = 507,            /* subkeys in one list: what fits into a bin of 4096 bytes with its headers */
    PLAIN_DATA_MAX = 0x100000, /* of one value, before version 1.4 */
    SEGMENTS_MAX = 0xffff,
    SEGMENT_PADDING = 4, /* at least, in each cell: Windows leaves it, and libhivex counts on it */
    CAPACITY_MIN = 65536
};

struct writer {
    uint8_t *bytes; /* the base block and the bins so far; moves when it grows */
    size_t capacity;
    size_t at; /* where the next cell goes, counted as cells are */
    size_t bin_start;
    size_t bin_end;
    uint32_t minor;
    enum stf_kind kind; /* the first failure; nothing is written after it */
    struct stf_err *err;
    struct stf_hivetree_security *first_security;
    struct stf_hivetree_security *last_security;
};

size_t stf_regf_data_max(const struct stf_hivetree *tree)
{
    return stf_regf_u32(tree->base + STF_REGF_AT_MINOR) > 3 ? (size_t)SEGMENTS_MAX * STF_REGF_SEGMENT_MAX
                                                            : PLAIN_DATA_MAX;
}

static void fail(struct writer *writer, enum stf_kind kind)
{
    if (writer->kind == STF_OK) {
        writer->kind = stf_err_set(writer->err, kind, 0, "commit", NULL,
                                   kind == STF_NO_MEMORY ? "memory is out" : "a hive can not be larger than 2 GiB");
    }
}

/* ---- cells ---- */

static bool grow(struct writer *writer, size_t bins_size)
{
    size_t capacity = writer->capacity;
    uint8_t *bytes;

    if (bins_size > STF_REGF_SIZE_MAX) {
        fail(writer, STF_UNSUPPORTED);
        return false;
    }
    while (capacity < STF_REGF_BASE_SIZE + bins_size)
        capacity = capacity > 0 ? 2 * capacity : CAPACITY_MIN;
    if (capacity == writer->capacity)
        return true;
    bytes = realloc(writer->bytes, capacity);
    if (bytes == NULL) {
        fail(writer, STF_NO_MEMORY);
        return false;
    }
    memset(bytes + writer->capacity, 0, capacity - writer->capacity);
    writer->bytes = bytes;
    writer->capacity = capacity;
    return true;
}

static uint8_t *bytes_at(const struct writer *writer, size_t offset)
{
    return writer->bytes + STF_REGF_BASE_SIZE + offset;
}

static size_t whole_pages(size_t size)
{
    return (size + STF_REGF_BIN_ALIGN - 1) & ~(size_t)(STF_REGF_BIN_ALIGN - 1);
}

/* What is left of the bin becomes one free cell. */
static void end_bin(struct writer *writer)
{
    if (writer->at < writer->bin_end)
        stf_regf_put_u32(bytes_at(writer, writer->at), (uint32_t)(writer->bin_end - writer->at));
    writer->at = writer->bin_end;
}

/* The last bin is only as large as it has to be. */
static void end_last_bin(struct writer *writer)
{
    writer->bin_end = whole_pages(writer->at);
    stf_regf_put_u32(bytes_at(writer, writer->bin_start) + 8, (uint32_t)(writer->bin_end - writer->bin_start));
    end_bin(writer);
}

static bool start_bin(struct writer *writer, size_t cell_size)
{
    size_t start = writer->bin_end;
    size_t size = whole_pages(STF_REGF_BIN_HEADER_SIZE + cell_size);
    uint8_t *header;

    size = size < BIN_SIZE ? BIN_SIZE : size;
    if (!grow(writer, start + size))
        return false;
    end_bin(writer);
    header = bytes_at(writer, start);
    memcpy(header, "hbin", 4);
    stf_regf_put_u32(header + 4, (uint32_t)start);
    stf_regf_put_u32(header + 8, (uint32_t)size);
    if (start == 0)
        memcpy(header + 20, writer->bytes + STF_REGF_AT_WRITTEN, 8); /* the second copy of this time */
    writer->at = start + STF_REGF_BIN_HEADER_SIZE;
    writer->bin_start = start;
    writer->bin_end = start + size;
    return true;
}

/* A new cell for `size` bytes, all zero; its offset, or STF_REGF_NOTHING after a failure. */
static uint32_t new_cell(struct writer *writer, size_t size)
{
    size_t whole = (4 + size + 7) & ~(size_t)7;
    uint32_t offset;

    if (writer->kind != STF_OK || (whole > writer->bin_end - writer->at && !start_bin(writer, whole)))
        return STF_REGF_NOTHING;
    offset = (uint32_t)writer->at;
    stf_regf_put_u32(bytes_at(writer, offset), 0u - (uint32_t)whole);
    writer->at += whole;
    return offset;
}

/* The bytes of a cell, valid until the next one is made; NULL when it was not made. */
static uint8_t *cell_bytes(const struct writer *writer, uint32_t offset)
{
    return offset != STF_REGF_NOTHING ? bytes_at(writer, offset) + 4 : NULL;
}

static uint32_t put_padded(struct writer *writer, const void *bytes, size_t size, size_t padding)
{
    uint32_t offset = new_cell(writer, size + padding);
    uint8_t *cell = cell_bytes(writer, offset);

    if (cell != NULL && size > 0)
        memcpy(cell, bytes, size);
    return offset;
}

static uint32_t put_bytes(struct writer *writer, const void *bytes, size_t size)
{
    return put_padded(writer, bytes, size, 0);
}

/* A list of references. */
static uint32_t put_offsets(struct writer *writer, const uint32_t *offsets, size_t count)
{
    uint32_t list = new_cell(writer, 4 * count);
    uint8_t *cell = cell_bytes(writer, list);

    for (size_t i = 0; cell != NULL && i < count; i++)
        stf_regf_put_u32(cell + 4 * i, offsets[i]);
    return list;
}

/* ---- names in their order ---- */

/* A key or value to be written. Windows orders names by the UTF-16 units of their upper-case form. */
struct entry {
    struct stf_keytree_item *item;
    uint16_t *units;
    uint16_t *folded; /* in upper case */
    size_t count;
    bool is_latin1;
    uint32_t offset;
};

/* The members of a list, sorted; the names' units are in one block. */
struct entries {
    struct entry *items;
    uint16_t *units;
    size_t count;
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;

    for (size_t i = 0; i < x->count && i < y->count; i++)
        if (x->folded[i] != y->folded[i])
            return x->folded[i] < y->folded[i] ? -1 : 1;
    return (x->count > y->count) - (x->count < y->count);
}

static void entries_free(struct entries *entries)
{
    free(entries->items);
    free(entries->units);
}

/* The units of a name; there is room for one for each of its bytes. */
static bool put_units(struct writer *writer, const char *name, struct entry *entry)
{
    uint8_t *wide;
    enum stf_kind kind;

    for (; (unsigned char)name[entry->count] - 1u < 0x7f; entry->count++)
        entry->units[entry->count] = (unsigned char)name[entry->count];
    if (name[entry->count] == '\0')
        return true;
    kind = stf_registry_name_to_utf16(name, &wide, &entry->count, writer->err);
    if (kind != STF_OK) {
        writer->kind = kind;
        return false;
    }
    for (size_t i = 0; i < entry->count; i++)
        entry->units[i] = (uint16_t)stf_regf_u16(wide + 2 * i);
    free(wide);
    return true;
}

/* Takes room for the entry's units from *room. */
static bool entry_init(struct writer *writer, struct entry *entry, struct stf_keytree_item *item, uint16_t **room)
{
    *entry = (struct entry){.item = item, .units = *room, .is_latin1 = true};
    if (!put_units(writer, item->name, entry))
        return false;
    entry->folded = entry->units + entry->count;
    for (size_t i = 0; i < entry->count; i++) {
        entry->folded[i] = (uint16_t)stf_registry_fold(entry->units[i]);
        entry->is_latin1 = entry->is_latin1 && entry->units[i] < 0x100;
    }
    *room = entry->folded + entry->count;
    return true;
}

/* False after a failure; free the entries in either case. */
static bool entries_init(struct writer *writer, struct entries *entries, struct stf_keytree_item *const *items,
                         size_t count)
{
    size_t size = 0;
    uint16_t *room;

    for (size_t i = 0; i < count; i++)
        size += strlen(items[i]->name);
    *entries = (struct entries){
        .items = malloc((count + 1) * sizeof(entries->items[0])),
        .units = malloc((2 * size + 1) * sizeof(entries->units[0])),
        .count = count,
    };
    room = entries->units;
    if (entries->items == NULL || entries->units == NULL)
        fail(writer, STF_NO_MEMORY);
    for (size_t i = 0; writer->kind == STF_OK && i < count; i++)
        entry_init(writer, &entries->items[i], items[i], &room);
    if (writer->kind == STF_OK)
        qsort(entries->items, count, sizeof(entries->items[0]), compare_entries);
    return writer->kind == STF_OK;
}

static size_t name_size(const struct entry *entry)
{
    return entry->is_latin1 ? entry->count : 2 * entry->count;
}

static void put_name(uint8_t *at, const struct entry *entry)
{
    for (size_t i = 0; i < entry->count; i++)
        if (entry->is_latin1)
            at[i] = (uint8_t)entry->units[i];
        else
            stf_regf_put_u16(at + 2 * i, entry->units[i]);
}

/* ---- values ---- */

static uint32_t put_segments(struct writer *writer, const uint8_t *data, size_t size)
{
    size_t count = (size + STF_REGF_SEGMENT_MAX - 1) / STF_REGF_SEGMENT_MAX;
    uint32_t *offsets = calloc(count, sizeof(*offsets));
    uint32_t record = new_cell(writer, 8);
    uint32_t list;
    uint8_t *cell;

    if (offsets == NULL) {
        fail(writer, STF_NO_MEMORY);
        return STF_REGF_NOTHING;
    }
    for (size_t i = 0; i < count; i++) {
        size_t part = size < STF_REGF_SEGMENT_MAX ? size : STF_REGF_SEGMENT_MAX;
        offsets[i] = put_padded(writer, data, part, SEGMENT_PADDING);
        data += part;
        size -= part;
    }
    list = put_offsets(writer, offsets, count);
    cell = cell_bytes(writer, record);
    if (cell != NULL && list != STF_REGF_NOTHING) {
        memcpy(cell, "db", 2);
        stf_regf_put_u16(cell + 2, (uint32_t)count);
        stf_regf_put_u32(cell + 4, list);
    }
    free(offsets);
    return record;
}

static void put_value(struct writer *writer, struct entry *entry)
{
    const struct stf_keytree_value *value = (const struct stf_keytree_value *)entry->item;
    uint32_t data = 0;
    uint8_t *cell;

    entry->offset = new_cell(writer, STF_REGF_VK_NAME + name_size(entry));
    if (value->size > STF_REGF_SEGMENT_MAX && writer->minor > 3)
        data = put_segments(writer, value->data, value->size);
    else if (value->size > 4)
        data = put_bytes(writer, value->data, value->size);
    cell = cell_bytes(writer, entry->offset);
    if (cell == NULL)
        return;
    memcpy(cell, "vk", 2);
    stf_regf_put_u16(cell + STF_REGF_VK_NAME_SIZE, (uint32_t)name_size(entry));
    stf_regf_put_u32(cell + STF_REGF_VK_DATA_SIZE, (uint32_t)value->size);
    stf_regf_put_u32(cell + STF_REGF_VK_DATA, data);
    if (value->size <= 4) {
        stf_regf_put_u32(cell + STF_REGF_VK_DATA_SIZE, (uint32_t)value->size | STF_REGF_DATA_INLINE);
        memcpy(cell + STF_REGF_VK_DATA, value->data, value->size);
    }
    stf_regf_put_u32(cell + STF_REGF_VK_TYPE, value->type);
    stf_regf_put_u16(cell + STF_REGF_VK_FLAGS, entry->is_latin1 && entry->count > 0 ? STF_REGF_VALUE_LATIN1 : 0);
    put_name(cell + STF_REGF_VK_NAME, entry);
}

/* ---- keys ---- */

/* What a key node says of what is below it. */
struct below {
    uint32_t subkeys;
    uint32_t values;
    uint32_t max_subkey_name; /* bytes, as UTF-16 */
    uint32_t max_subkey_class;
    uint32_t max_value_name;
    uint32_t max_value_data;
};

static uint32_t larger(uint32_t a, size_t b)
{
    return b > a ? (uint32_t)b : a;
}

static uint32_t put_values(struct writer *writer, const struct stf_keytree_key *key, struct below *below)
{
    size_t count = key->values.count;
    uint32_t list = STF_REGF_NOTHING;
    struct entries entries;
    uint8_t *cell;

    if (count == 0)
        return list;
    if (entries_init(writer, &entries, key->values.items, count))
        list = new_cell(writer, 4 * count);
    for (size_t i = 0; writer->kind == STF_OK && i < count; i++) {
        struct entry *entry = &entries.items[i];
        put_value(writer, entry);
        below->max_value_name = larger(below->max_value_name, 2 * entry->count);
        below->max_value_data = larger(below->max_value_data, ((struct stf_keytree_value *)entry->item)->size);
    }
    cell = cell_bytes(writer, list);
    for (size_t i = 0; cell != NULL && i < count; i++)
        stf_regf_put_u32(cell + 4 * i, entries.items[i].offset);
    entries_free(&entries);
    return list;
}

/* The place of a key's node; and its security descriptor, unless an earlier key has brought it. */
static void new_node(struct writer *writer, struct entry *entry)
{
    const struct stf_keytree_key *key = (const struct stf_keytree_key *)entry->item;
    struct stf_hivetree_security *security = stf_hivetree_extras_of(key)->security;
    uint8_t *cell;

    entry->offset = new_cell(writer, STF_REGF_NK_NAME + name_size(entry));
    if (security == NULL || security->users++ > 0)
        return;
    security->cell = new_cell(writer, STF_REGF_SK_BYTES + security->size);
    cell = cell_bytes(writer, security->cell);
    if (cell == NULL)
        return;
    memcpy(cell, "sk", 2);
    stf_regf_put_u32(cell + STF_REGF_SK_SIZE, (uint32_t)security->size);
    memcpy(cell + STF_REGF_SK_BYTES, security->bytes, security->size);
    if (writer->last_security != NULL)
        writer->last_security->following = security;
    else
        writer->first_security = security;
    writer->last_security = security;
}

/* By this Windows looks a name up in a list; before version 1.5 by the name's first four characters. */
static void put_hint(const struct writer *writer, uint8_t *at, const struct entry *entry)
{
    uint32_t hash = 0;

    if (writer->minor < 5) {
        for (size_t i = 0; i < entry->count && i < 4; i++) {
            at[i] = (uint8_t)entry->units[i];
            if (entry->units[i] > 0xff) {
                memset(at, 0, 4);
                return;
            }
        }
        return;
    }
    for (size_t i = 0; i < entry->count; i++)
        hash = hash * 37 + entry->folded[i];
    stf_regf_put_u32(at, hash);
}

static uint32_t put_leaf(struct writer *writer, uint32_t cell_offset, const struct entry *entries, size_t count)
{
    uint8_t *cell = cell_bytes(writer, cell_offset);

    if (cell != NULL) {
        memcpy(cell, writer->minor < 5 ? "lf" : "lh", 2);
        stf_regf_put_u16(cell + 2, (uint32_t)count);
        for (size_t i = 0; i < count; i++) {
            stf_regf_put_u32(cell + 4 + 8 * i, entries[i].offset);
            put_hint(writer, cell + 8 + 8 * i, &entries[i]);
        }
    }
    return cell_offset;
}

/* The list, or the list of lists, and the subkeys' nodes, whose offsets it fills in; the nodes are still empty. */
static uint32_t put_subkeys(struct writer *writer, struct entry *entries, size_t count)
{
    size_t leaf_count = (count + LEAF_MAX - 1) / LEAF_MAX;
    uint32_t *leaves = calloc(leaf_count + 1, sizeof(*leaves));
    uint32_t root = STF_REGF_NOTHING;
    uint8_t *cell;

    if (leaves == NULL) {
        fail(writer, STF_NO_MEMORY);
        return STF_REGF_NOTHING;
    }
    if (leaf_count > 1)
        root = new_cell(writer, 4 + 4 * leaf_count);
    for (size_t i = 0; i < leaf_count; i++) {
        size_t left = count - i * LEAF_MAX;
        leaves[i] = new_cell(writer, 4 + 8 * (left < LEAF_MAX ? left : LEAF_MAX));
    }
    for (size_t i = 0; i < count; i++)
        new_node(writer, &entries[i]);
    for (size_t i = 0; i < leaf_count; i++) {
        size_t left = count - i * LEAF_MAX;
        put_leaf(writer, leaves[i], entries + i * LEAF_MAX, left < LEAF_MAX ? left : LEAF_MAX);
    }
    cell = cell_bytes(writer, root);
    if (cell != NULL) {
        memcpy(cell, "ri", 2);
        stf_regf_put_u16(cell + 2, (uint32_t)leaf_count);
        for (size_t i = 0; i < leaf_count; i++)
            stf_regf_put_u32(cell + 4 + 4 * i, leaves[i]);
    }
    root = leaf_count == 1 ? leaves[0] : root;
    free(leaves);
    return root;
}

static void put_node(struct writer *writer, const struct entry *entry, uint32_t parent, uint32_t class_cell,
                     uint32_t values, uint32_t subkeys, const struct below *below)
{
    const struct stf_hivetree_extras *extras = stf_hivetree_extras_of((const struct stf_keytree_key *)entry->item);
    uint8_t *node = cell_bytes(writer, entry->offset);

    if (node == NULL || writer->kind != STF_OK)
        return;
    memcpy(node, "nk", 2);
    stf_regf_put_u16(node + STF_REGF_NK_FLAGS, extras->flags | (entry->is_latin1 ? STF_REGF_KEY_LATIN1 : 0u));
    stf_regf_put_u64(node + STF_REGF_NK_WRITTEN, extras->written);
    stf_regf_put_u32(node + STF_REGF_NK_ACCESS, extras->access);
    stf_regf_put_u32(node + STF_REGF_NK_PARENT, parent);
    stf_regf_put_u32(node + STF_REGF_NK_SUBKEY_COUNT, below->subkeys);
    stf_regf_put_u32(node + STF_REGF_NK_SUBKEYS, subkeys);
    stf_regf_put_u32(node + STF_REGF_NK_VOLATILE_SUBKEYS, STF_REGF_NOTHING);
    stf_regf_put_u32(node + STF_REGF_NK_VALUE_COUNT, below->values);
    stf_regf_put_u32(node + STF_REGF_NK_VALUES, values);
    stf_regf_put_u32(node + STF_REGF_NK_SECURITY, extras->security != NULL ? extras->security->cell : STF_REGF_NOTHING);
    stf_regf_put_u32(node + STF_REGF_NK_CLASS, class_cell);
    stf_regf_put_u16(node + STF_REGF_NK_MAX_SUBKEY_NAME, below->max_subkey_name);
    stf_regf_put_u16(node + STF_REGF_NK_CONTROL, extras->control);
    stf_regf_put_u32(node + STF_REGF_NK_MAX_SUBKEY_CLASS, below->max_subkey_class);
    stf_regf_put_u32(node + STF_REGF_NK_MAX_VALUE_NAME, below->max_value_name);
    stf_regf_put_u32(node + STF_REGF_NK_MAX_VALUE_DATA, below->max_value_data);
    stf_regf_put_u16(node + STF_REGF_NK_NAME_SIZE, (uint32_t)name_size(entry));
    stf_regf_put_u16(node + STF_REGF_NK_CLASS_SIZE, extras->class_size);
    put_name(node + STF_REGF_NK_NAME, entry);
}

/* Fills the key's node, which has its place already, and writes all that is below. */
static void put_key(struct writer *writer, const struct entry *entry, uint32_t parent)
{
    const struct stf_keytree_key *key = (const struct stf_keytree_key *)entry->item;
    const struct stf_hivetree_extras *extras = stf_hivetree_extras_of(key);
    size_t count = key->keys.count;
    struct below below = {.subkeys = (uint32_t)count, .values = (uint32_t)key->values.count};
    uint32_t class_cell = STF_REGF_NOTHING;
    uint32_t subkeys = STF_REGF_NOTHING;
    uint32_t values;
    struct entries entries = {0};

    if (extras->class_size > 0)
        class_cell = put_bytes(writer, extras->class_name, extras->class_size);
    values = put_values(writer, key, &below);
    if (count > 0 && entries_init(writer, &entries, key->keys.items, count))
        subkeys = put_subkeys(writer, entries.items, count);
    for (size_t i = 0; writer->kind == STF_OK && i < count; i++) {
        const struct stf_keytree_key *subkey = (const struct stf_keytree_key *)entries.items[i].item;
        below.max_subkey_name = larger(below.max_subkey_name, 2 * entries.items[i].count);
        below.max_subkey_class = larger(below.max_subkey_class, stf_hivetree_extras_of(subkey)->class_size);
    }
    put_node(writer, entry, parent, class_cell, values, subkeys, &below);
    for (size_t i = 0; writer->kind == STF_OK && i < count; i++)
        put_key(writer, &entries.items[i], entry->offset);
    entries_free(&entries);
}

/* ---- the file ---- */

/* The ring of the descriptors, and how many keys use each. */
static void put_ring(struct writer *writer)
{
    uint32_t previous = writer->last_security != NULL ? writer->last_security->cell : STF_REGF_NOTHING;

    for (struct stf_hivetree_security *each = writer->first_security; each != NULL; each = each->following) {
        const struct stf_hivetree_security *next = each->following != NULL ? each->following : writer->first_security;
        uint8_t *cell = cell_bytes(writer, each->cell);
        stf_regf_put_u32(cell + STF_REGF_SK_NEXT, next->cell);
        stf_regf_put_u32(cell + STF_REGF_SK_PREVIOUS, previous);
        stf_regf_put_u32(cell + STF_REGF_SK_USERS, each->users);
        previous = each->cell;
    }
}

static void put_base(struct writer *writer, uint32_t root)
{
    stf_regf_put_u32(writer->bytes + STF_REGF_AT_SEQUENCE_1, stf_regf_u32(writer->bytes + STF_REGF_AT_SEQUENCE_2));
    stf_regf_put_u32(writer->bytes + STF_REGF_AT_ROOT, root);
    stf_regf_put_u32(writer->bytes + STF_REGF_AT_BINS_SIZE, (uint32_t)writer->bin_end);
    stf_regf_put_checksum(writer->bytes);
}

static void reset_securities(struct stf_hivetree *tree)
{
    for (size_t i = 0; i < tree->bucket_count; i++) {
        for (struct stf_hivetree_security *each = tree->buckets[i]; each != NULL; each = each->next) {
            each->users = 0;
            each->following = NULL;
        }
    }
}

enum stf_kind stf_regf_write(struct stf_hivetree *tree, uint8_t **bytes, size_t *size, struct stf_err *err)
{
    struct writer writer = {.minor = stf_regf_u32(tree->base + STF_REGF_AT_MINOR), .err = err};
    struct stf_keytree_item *item = &tree->root->item;
    struct entries root = {0};
    uint32_t offset = STF_REGF_NOTHING;

    reset_securities(tree);
    if (grow(&writer, 0) && entries_init(&writer, &root, &item, 1)) {
        memcpy(writer.bytes, tree->base, STF_REGF_BASE_SIZE);
        new_node(&writer, &root.items[0]);
        offset = root.items[0].offset;
        put_key(&writer, &root.items[0], STF_REGF_NOTHING);
    }
    entries_free(&root);
    if (writer.kind != STF_OK) {
        free(writer.bytes);
        return writer.kind;
    }
    put_ring(&writer);
    end_last_bin(&writer);
    put_base(&writer, offset);
    *bytes = writer.bytes;
    *size = STF_REGF_BASE_SIZE + writer.bin_end;
    return STF_OK;
}
