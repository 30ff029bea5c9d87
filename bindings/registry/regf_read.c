/* regf_read.c - follows the references of key nodes, lists, values and data in a hive's image (regf_read.h).
 * Must look into no cell that it has not followed. SPDX-License-Identifier: MIT */
#include "registry/regf_read.h"

#include <stdlib.h>
#include <string.h>

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "hive", NULL, "memory is out");
}

static bool is_a(struct stf_regf_cell cell, const char *signature, uint32_t size)
{
    return cell.size >= size && memcmp(cell.bytes, signature, 2) == 0;
}

/* ---- names ---- */

struct name {
    const uint8_t *bytes;
    uint32_t size;
    bool is_latin1;
};

static size_t name_units(struct name name)
{
    return name.is_latin1 ? name.size : name.size / 2;
}

static uint32_t name_unit(struct name name, size_t i)
{
    return name.is_latin1 ? name.bytes[i] : stf_regf_u16(name.bytes + 2 * i);
}

static enum stf_kind name_to_text(struct name name, char **text, struct stf_err *err)
{
    size_t units = name_units(name);
    uint8_t *wide;
    char *plain = malloc(units + 1);
    enum stf_kind kind;
    size_t i = 0;

    if (plain == NULL)
        return no_memory(err);
    for (; i < units && name_unit(name, i) - 1 < 0x7f; i++) /* not NUL either */
        plain[i] = (char)name_unit(name, i);
    if (i == units) {
        plain[i] = '\0';
        *text = plain;
        return STF_OK;
    }
    free(plain);
    if (!name.is_latin1)
        return stf_registry_name_from_utf16(name.bytes, units, text, err);
    wide = malloc(2 * units);
    if (wide == NULL)
        return no_memory(err);
    for (i = 0; i < units; i++)
        stf_regf_put_u16(wide + 2 * i, name.bytes[i]);
    kind = stf_registry_name_from_utf16(wide, units, text, err);
    free(wide);
    return kind;
}

/* A name that is looked for. */
struct wanted {
    const char *text;
    size_t size;
    bool is_ascii;
    uint32_t hash; /* as lists of subkeys have it; of an ASCII name */
};

static uint32_t ascii_upper(uint32_t unit)
{
    return unit >= 'a' && unit <= 'z' ? unit - 'a' + 'A' : unit;
}

static struct wanted want(const char *text)
{
    struct wanted wanted = {.text = text, .size = strlen(text), .is_ascii = true};

    for (size_t i = 0; i < wanted.size; i++) {
        wanted.is_ascii = wanted.is_ascii && (unsigned char)text[i] < 0x80;
        wanted.hash = wanted.hash * 37 + ascii_upper((unsigned char)text[i]);
    }
    return wanted;
}

/* No letter beyond ASCII is another case of one in it, so an ASCII name has only ASCII spellings. */
static enum stf_kind name_is(struct name name, const struct wanted *wanted, bool *is_it, struct stf_err *err)
{
    char *text;
    enum stf_kind kind;

    if (wanted->is_ascii) {
        *is_it = name_units(name) == wanted->size;
        for (size_t i = 0; *is_it && i < wanted->size; i++)
            *is_it = ascii_upper(name_unit(name, i)) == ascii_upper((unsigned char)wanted->text[i]);
        return STF_OK;
    }
    kind = name_to_text(name, &text, err);
    if (kind == STF_OK) {
        *is_it = stf_registry_name_compare(text, wanted->text) == 0;
        free(text);
    }
    return kind;
}

/* ---- keys ---- */

struct stf_regf_key stf_regf_key_known(const struct stf_regf_image *image, uint32_t offset)
{
    const uint8_t *record = stf_regf_cell_known(image, offset).bytes;

    return (struct stf_regf_key){
        .offset = offset,
        .record = record,
        .name = record + STF_REGF_NK_NAME,
        .name_size = stf_regf_u16(record + STF_REGF_NK_NAME_SIZE),
        .is_latin1 = (stf_regf_u16(record + STF_REGF_NK_FLAGS) & STF_REGF_KEY_LATIN1) != 0,
    };
}

static struct name key_name(const struct stf_regf_key *key)
{
    return (struct name){key->name, key->name_size, key->is_latin1};
}

static bool has_backslash(struct name name)
{
    for (size_t i = 0; i < name_units(name); i++)
        if (name_unit(name, i) == '\\')
            return true;
    return false;
}

static enum stf_kind follow_key(struct stf_regf_image *image, const uint8_t *from, uint32_t offset,
                                struct stf_regf_key *key, struct stf_err *err)
{
    struct stf_regf_cell cell;
    enum stf_kind kind = stf_regf_cell_follow(image, from, offset, &cell, err);

    if (kind != STF_OK)
        return kind;
    if (!is_a(cell, "nk", STF_REGF_NK_NAME) ||
        stf_regf_u16(cell.bytes + STF_REGF_NK_NAME_SIZE) > cell.size - STF_REGF_NK_NAME)
        return stf_regf_damaged(image, offset, "a key is said to be here, and is not", err);
    *key = stf_regf_key_known(image, offset);
    return STF_OK;
}

enum stf_kind stf_regf_root(struct stf_regf_image *image, struct stf_regf_key *key, struct stf_err *err)
{
    const uint8_t *from = image->bytes + STF_REGF_AT_ROOT;

    return follow_key(image, from, stf_regf_u32(from), key, err);
}

/* Names of subkeys are held to what a path can say; the root's is never part of one. */
static enum stf_kind follow_subkey(struct stf_regf_image *image, const struct stf_regf_key *parent, const uint8_t *from,
                                   struct stf_regf_key *key, struct stf_err *err)
{
    enum stf_kind kind = follow_key(image, from, stf_regf_u32(from), key, err);
    struct name name;

    if (kind != STF_OK)
        return kind;
    name = key_name(key);
    if (stf_regf_u32(key->record + STF_REGF_NK_PARENT) != parent->offset)
        return stf_regf_damaged(image, key->offset, "a key does not name the key above it", err);
    if (name_units(name) == 0 || name_units(name) > STF_REGISTRY_KEY_UNITS_MAX ||
        (!name.is_latin1 && name.size % 2 != 0) || has_backslash(name))
        return stf_regf_damaged(image, key->offset, "a key's name is empty, too long or has a backslash", err);
    return STF_OK;
}

enum stf_kind stf_regf_key_name(const struct stf_regf_key *key, char **name, struct stf_err *err)
{
    return name_to_text(key_name(key), name, err);
}

/* ---- lists of subkeys ---- */

/* Part of a list: references to keys, `stride` bytes apart. */
struct leaf {
    const uint8_t *items;
    uint32_t count;
    uint32_t stride;
    bool has_hashes;
};

static bool leaf_init(struct stf_regf_cell cell, struct leaf *leaf)
{
    static const struct {
        const char *signature;
        uint32_t stride;
        bool has_hashes;
    } known[] = {{"lh", 8, true}, {"lf", 8, false}, {"li", 4, false}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (is_a(cell, known[i].signature, 4)) {
            *leaf = (struct leaf){cell.bytes + 4, stf_regf_u16(cell.bytes + 2), known[i].stride, known[i].has_hashes};
            return leaf->count <= (cell.size - 4) / leaf->stride;
        }
    }
    return false;
}

/* What is done with each leaf; STF_NOT_FOUND goes on. */
typedef enum stf_kind (*on_leaf)(void *context, const struct leaf *leaf, struct stf_err *err);

static enum stf_kind each_leaf(struct stf_regf_image *image, const struct stf_regf_key *key, on_leaf call,
                               void *context, struct stf_err *err)
{
    const uint8_t *from = key->record + STF_REGF_NK_SUBKEYS;
    uint32_t offset = stf_regf_u32(from);
    uint32_t left = stf_regf_u32(key->record + STF_REGF_NK_SUBKEY_COUNT);
    uint32_t count = 1;
    struct stf_regf_cell cell;
    enum stf_kind kind;

    if (left == 0)
        return STF_NOT_FOUND;
    kind = stf_regf_cell_follow(image, from, offset, &cell, err);
    if (kind != STF_OK)
        return kind;
    if (is_a(cell, "ri", 4)) { /* a list of lists */
        from = cell.bytes + 4;
        count = stf_regf_u16(cell.bytes + 2);
        if (count > (cell.size - 4) / 4)
            return stf_regf_damaged(image, offset, "a list is longer than its cell", err);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct leaf leaf = {0};
        offset = stf_regf_u32(from + 4 * i);
        kind = stf_regf_cell_follow(image, from + 4 * i, offset, &cell, err);
        if (kind == STF_OK && (!leaf_init(cell, &leaf) || leaf.count > left))
            kind = stf_regf_damaged(image, offset, "a list of subkeys is none, or has too many", err);
        if (kind == STF_OK) {
            left -= leaf.count;
            kind = call(context, &leaf, err);
        }
        if (kind != STF_NOT_FOUND)
            return kind;
    }
    return left == 0 ? STF_NOT_FOUND
                     : stf_regf_damaged(image, key->offset, "a key has fewer subkeys than it says", err);
}

struct listing {
    struct stf_regf_image *image;
    const struct stf_regf_key *parent;
    struct stf_regf_offsets *into;
};

static enum stf_kind list_leaf(void *context, const struct leaf *leaf, struct stf_err *err)
{
    struct listing *listing = context;
    struct stf_regf_offsets *into = listing->into;
    uint32_t *more = realloc(into->items, (into->count + leaf->count + 1) * sizeof(*more));

    if (more == NULL)
        return no_memory(err);
    into->items = more;
    for (uint32_t i = 0; i < leaf->count; i++) {
        struct stf_regf_key key;
        enum stf_kind kind =
            follow_subkey(listing->image, listing->parent, leaf->items + (size_t)i * leaf->stride, &key, err);
        if (kind != STF_OK)
            return kind;
        into->items[into->count++] = key.offset;
    }
    return STF_NOT_FOUND;
}

enum stf_kind stf_regf_subkeys(struct stf_regf_image *image, const struct stf_regf_key *key,
                               struct stf_regf_offsets *subkeys, struct stf_err *err)
{
    struct listing listing = {image, key, subkeys};
    enum stf_kind kind;

    *subkeys = (struct stf_regf_offsets){0};
    kind = each_leaf(image, key, list_leaf, &listing, err);
    if (kind == STF_NOT_FOUND)
        return STF_OK;
    free(subkeys->items);
    *subkeys = (struct stf_regf_offsets){0};
    return kind;
}

struct search {
    struct stf_regf_image *image;
    const struct stf_regf_key *parent;
    struct wanted wanted;
    struct stf_regf_key *found;
    bool is_by_hash;
};

static enum stf_kind search_leaf(void *context, const struct leaf *leaf, struct stf_err *err)
{
    struct search *search = context;

    for (uint32_t i = 0; i < leaf->count; i++) {
        const uint8_t *item = leaf->items + (size_t)i * leaf->stride;
        bool is_it = false;
        enum stf_kind kind;
        if (search->is_by_hash && leaf->has_hashes && stf_regf_u32(item + 4) != search->wanted.hash)
            continue;
        kind = follow_subkey(search->image, search->parent, item, search->found, err);
        if (kind == STF_OK)
            kind = name_is(key_name(search->found), &search->wanted, &is_it, err);
        if (kind != STF_OK || is_it)
            return kind;
    }
    return STF_NOT_FOUND;
}

/* First by the hashes of the list. Not every writer gets them right, so what they do not find is looked for by name. */
enum stf_kind stf_regf_find_subkey(struct stf_regf_image *image, const struct stf_regf_key *parent, const char *name,
                                   struct stf_regf_key *key, struct stf_err *err)
{
    struct stf_regf_key found;
    struct search search = {image, parent, want(name), &found, true};
    enum stf_kind kind = STF_NOT_FOUND;

    if (search.wanted.is_ascii)
        kind = each_leaf(image, parent, search_leaf, &search, err);
    if (kind == STF_NOT_FOUND) {
        search.is_by_hash = false;
        kind = each_leaf(image, parent, search_leaf, &search, err);
    }
    if (kind == STF_OK)
        *key = found;
    return kind;
}

/* ---- values ---- */

static struct name value_name(const uint8_t *record)
{
    return (struct name){record + STF_REGF_VK_NAME, stf_regf_u16(record + STF_REGF_VK_NAME_SIZE),
                         (stf_regf_u16(record + STF_REGF_VK_FLAGS) & STF_REGF_VALUE_LATIN1) != 0};
}

static enum stf_kind follow_value(struct stf_regf_image *image, const uint8_t *from, struct stf_err *err)
{
    uint32_t offset = stf_regf_u32(from);
    struct stf_regf_cell cell;
    struct name name;
    enum stf_kind kind = stf_regf_cell_follow(image, from, offset, &cell, err);

    if (kind != STF_OK)
        return kind;
    if (!is_a(cell, "vk", STF_REGF_VK_NAME) ||
        stf_regf_u16(cell.bytes + STF_REGF_VK_NAME_SIZE) > cell.size - STF_REGF_VK_NAME)
        return stf_regf_damaged(image, offset, "a value is said to be here, and is not", err);
    name = value_name(cell.bytes);
    if (name_units(name) > STF_REGISTRY_VALUE_UNITS_MAX || (!name.is_latin1 && name.size % 2 != 0))
        return stf_regf_damaged(image, offset, "a value's name is too long", err);
    if ((stf_regf_u16(cell.bytes + STF_REGF_VK_FLAGS) & STF_REGF_VALUE_TOMBSTONE) != 0) {
        return stf_err_set(err, STF_UNSUPPORTED, 0, "read", image->path,
                           "the hive %s is a layer over another one (it marks values as deleted), which this program "
                           "can not handle",
                           image->path);
    }
    return STF_OK;
}

/* The references to the values; `count` is 0 when there are none. */
static enum stf_kind value_list(struct stf_regf_image *image, const struct stf_regf_key *key, const uint8_t **items,
                                uint32_t *count, struct stf_err *err)
{
    const uint8_t *from = key->record + STF_REGF_NK_VALUES;
    struct stf_regf_cell cell;
    enum stf_kind kind;

    *count = stf_regf_u32(key->record + STF_REGF_NK_VALUE_COUNT);
    if ((stf_regf_u16(key->record + STF_REGF_NK_FLAGS) & STF_REGF_KEY_PREDEFINED) != 0) {
        return stf_err_set(err, STF_UNSUPPORTED, 0, "read", image->path,
                           "the hive %s has a key that stands for a predefined one, which this program can not handle",
                           image->path);
    }
    if (*count == 0)
        return STF_OK;
    kind = stf_regf_cell_follow(image, from, stf_regf_u32(from), &cell, err);
    if (kind == STF_OK && *count > cell.size / 4)
        kind = stf_regf_damaged(image, stf_regf_u32(from), "a list of values is longer than its cell", err);
    *items = cell.bytes;
    return kind;
}

enum stf_kind stf_regf_values(struct stf_regf_image *image, const struct stf_regf_key *key,
                              struct stf_regf_offsets *values, struct stf_err *err)
{
    const uint8_t *items = NULL;
    uint32_t count;
    enum stf_kind kind = value_list(image, key, &items, &count, err);

    *values = (struct stf_regf_offsets){0};
    if (kind != STF_OK || count == 0)
        return kind;
    values->items = malloc(count * sizeof(values->items[0]));
    if (values->items == NULL)
        return no_memory(err);
    for (; kind == STF_OK && values->count < count; values->count++) {
        const uint8_t *from = items + 4 * values->count;
        values->items[values->count] = stf_regf_u32(from);
        kind = follow_value(image, from, err);
    }
    if (kind != STF_OK) {
        free(values->items);
        *values = (struct stf_regf_offsets){0};
    }
    return kind;
}

/* ---- data ---- */

/* Data in segments: a record names a list of cells, each full but the last. */
static enum stf_kind read_segments(struct stf_regf_image *image, struct stf_regf_cell record, uint32_t offset,
                                   uint8_t *into, uint32_t size, struct stf_err *err)
{
    uint32_t count = (size + STF_REGF_SEGMENT_MAX - 1) / STF_REGF_SEGMENT_MAX;
    struct stf_regf_cell list;
    enum stf_kind kind;

    if (!is_a(record, "db", 8) || stf_regf_u16(record.bytes + 2) != count)
        return stf_regf_damaged(image, offset, "a value's data is shorter than the value says", err);
    kind = stf_regf_cell_follow(image, record.bytes + 4, stf_regf_u32(record.bytes + 4), &list, err);
    if (kind == STF_OK && count > list.size / 4) {
        kind =
            stf_regf_damaged(image, stf_regf_u32(record.bytes + 4), "a list of segments is longer than its cell", err);
    }
    for (uint32_t i = 0; kind == STF_OK && i < count; i++) {
        const uint8_t *from = list.bytes + 4 * i;
        uint32_t part = size < STF_REGF_SEGMENT_MAX ? size : STF_REGF_SEGMENT_MAX;
        struct stf_regf_cell segment;
        kind = stf_regf_cell_follow(image, from, stf_regf_u32(from), &segment, err);
        if (kind == STF_OK && segment.size < part)
            kind = stf_regf_damaged(image, stf_regf_u32(from), "a segment of a value's data is too short", err);
        if (kind == STF_OK) {
            memcpy(into, segment.bytes, part);
            into += part;
            size -= part;
        }
    }
    return kind;
}

/* libhivex puts data of any size into one cell, and so did Windows before version 1.4: where the cell is large enough
 * for the data, the data is what is in it. */
static enum stf_kind read_data(struct stf_regf_image *image, const uint8_t *record, struct stf_registry_value *value,
                               struct stf_err *err)
{
    const uint8_t *from = record + STF_REGF_VK_DATA;
    uint32_t said = stf_regf_u32(record + STF_REGF_VK_DATA_SIZE);
    uint32_t size = said & ~STF_REGF_DATA_INLINE;
    struct stf_regf_cell cell = {from, 4};
    enum stf_kind kind = STF_OK;

    if (said == size && size > 0)
        kind = stf_regf_cell_follow(image, from, stf_regf_u32(from), &cell, err);
    if (kind == STF_OK && size > cell.size &&
        (size <= STF_REGF_SEGMENT_MAX || said != size || size > image->bins_size)) {
        kind = stf_regf_damaged(image, (uint32_t)(record - image->bytes) - STF_REGF_BASE_SIZE - 4,
                                "a value's data is shorter than the value says", err);
    }
    if (kind != STF_OK)
        return kind;
    value->data = malloc((size_t)size + 1);
    value->size = size;
    if (value->data == NULL)
        return no_memory(err);
    if (size > cell.size)
        return read_segments(image, cell, stf_regf_u32(from), value->data, size, err);
    memcpy(value->data, cell.bytes, size);
    return STF_OK;
}

enum stf_kind stf_regf_value(struct stf_regf_image *image, uint32_t offset, struct stf_registry_value *value,
                             struct stf_err *err)
{
    const uint8_t *record = stf_regf_cell_known(image, offset).bytes;
    enum stf_kind kind;

    *value = (struct stf_registry_value){.type = stf_regf_u32(record + STF_REGF_VK_TYPE)};
    kind = name_to_text(value_name(record), &value->name, err);
    if (kind == STF_OK)
        kind = read_data(image, record, value, err);
    if (kind != STF_OK)
        stf_registry_value_fini(value);
    return kind;
}

enum stf_kind stf_regf_find_value(struct stf_regf_image *image, const struct stf_regf_key *key, const char *name,
                                  struct stf_registry_value *value, struct stf_err *err)
{
    struct wanted wanted = want(name);
    const uint8_t *items = NULL;
    uint32_t count;
    enum stf_kind kind = value_list(image, key, &items, &count, err);

    for (uint32_t i = 0; kind == STF_OK && i < count; i++) {
        const uint8_t *from = items + 4 * (size_t)i;
        bool is_it = false;
        kind = follow_value(image, from, err);
        if (kind == STF_OK)
            kind = name_is(value_name(stf_regf_cell_known(image, stf_regf_u32(from)).bytes), &wanted, &is_it, err);
        if (kind == STF_OK && is_it)
            return stf_regf_value(image, stf_regf_u32(from), value, err);
    }
    return kind == STF_OK ? STF_NOT_FOUND : kind;
}

/* ---- class and security ---- */

enum stf_kind stf_regf_class(struct stf_regf_image *image, const struct stf_regf_key *key, const uint8_t **bytes,
                             size_t *size, struct stf_err *err)
{
    const uint8_t *from = key->record + STF_REGF_NK_CLASS;
    struct stf_regf_cell cell;
    enum stf_kind kind;

    *bytes = NULL;
    *size = stf_regf_u16(key->record + STF_REGF_NK_CLASS_SIZE);
    if (*size == 0 || stf_regf_u32(from) == STF_REGF_NOTHING) {
        *size = 0;
        return STF_OK;
    }
    kind = stf_regf_cell_follow(image, from, stf_regf_u32(from), &cell, err);
    if (kind == STF_OK && *size > cell.size)
        kind = stf_regf_damaged(image, stf_regf_u32(from), "a class name is longer than its cell", err);
    *bytes = cell.bytes;
    return kind;
}

enum stf_kind stf_regf_security(struct stf_regf_image *image, const struct stf_regf_key *key, const uint8_t **bytes,
                                size_t *size, struct stf_err *err)
{
    uint32_t offset = stf_regf_u32(key->record + STF_REGF_NK_SECURITY);
    struct stf_regf_cell cell;
    enum stf_kind kind;

    *bytes = NULL;
    *size = 0;
    if (offset == STF_REGF_NOTHING)
        return STF_OK;
    kind = stf_regf_cell_share(image, offset, &cell, err);
    if (kind == STF_OK && (!is_a(cell, "sk", STF_REGF_SK_BYTES) ||
                           stf_regf_u32(cell.bytes + STF_REGF_SK_SIZE) > cell.size - STF_REGF_SK_BYTES))
        kind = stf_regf_damaged(image, offset, "a security descriptor is said to be here, and is not", err);
    if (kind == STF_OK) {
        *size = stf_regf_u32(cell.bytes + STF_REGF_SK_SIZE);
        *bytes = cell.bytes + STF_REGF_SK_BYTES;
    }
    return kind;
}
