/* patch.c - edits as one change, and that change as text (patch.h). Touches no store: scope.c does.
 * SPDX-License-Identifier: MIT */
#include "registry/patch.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "registry/patch_tree.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "patch", NULL, "memory is out");
}

enum stf_kind stf_registry_patch_new(const struct stf_reg_edits *edits, const char *mount,
                                     struct stf_registry *registry, struct stf_registry_patch **patch,
                                     struct stf_err *err)
{
    struct stf_registry_patch *made = calloc(1, sizeof(*made));
    enum stf_kind kind = made != NULL ? stf_reg_tree_new(edits, mount, registry, &made->root, err) : no_memory(err);

    *patch = NULL;
    if (kind != STF_OK) {
        free(made);
        return kind;
    }
    *patch = made;
    return STF_OK;
}

void stf_registry_patch_free(struct stf_registry_patch *patch)
{
    if (patch != NULL) {
        stf_keytree_key_free(patch->root);
        free(patch);
    }
}

/* ---- to text ---- */

enum { NUMBER_MAX = 21 }; /* a number and the colon after it */

struct text {
    char *bytes;
    size_t size;
    size_t room;
    bool has_failed;
};

/* Where the next `most` bytes may go; NULL when memory is out. */
static char *reserve(struct text *text, size_t most)
{
    size_t room = text->room;
    char *bytes;

    if (text->has_failed)
        return NULL;
    if (room - text->size < most) {
        room = 2 * (room + most);
        bytes = realloc(text->bytes, room);
        if (bytes == NULL) {
            text->has_failed = true;
            return NULL;
        }
        text->bytes = bytes;
        text->room = room;
    }
    return text->bytes + text->size;
}

static char *put_number(char *at, size_t number)
{
    char digits[NUMBER_MAX];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        *at++ = digits[--count];
    *at++ = ':';
    return at;
}

static char *put_name(char *at, char sign, const char *name, size_t size)
{
    *at++ = sign;
    at = put_number(at, size);
    memcpy(at, name, size);
    return at + size;
}

static void put_value(struct text *text, const struct stf_keytree_value *value)
{
    static const char digits[] = "0123456789abcdef";
    size_t name_size = strlen(value->item.name);
    char *at = reserve(text, 1 + 3 * NUMBER_MAX + name_size + 2 * value->size);

    if (at == NULL)
        return;
    at = put_name(at, value->data != NULL ? '=' : '~', value->item.name, name_size);
    if (value->data != NULL) {
        at = put_number(at, value->type);
        at = put_number(at, value->size);
        for (size_t i = 0; i < value->size; i++) {
            *at++ = digits[value->data[i] >> 4];
            *at++ = digits[value->data[i] & 15];
        }
    }
    text->size = (size_t)(at - text->bytes);
}

static char sign_of(const struct stf_keytree_key *key)
{
    if (key->is_reset)
        return key->is_wanted ? '!' : '-';
    return key->is_wanted ? '+' : '.';
}

static void put_key(struct text *text, const struct stf_keytree_key *key)
{
    size_t name_size = strlen(key->item.name);
    char *at = reserve(text, 1 + NUMBER_MAX + name_size);

    if (at != NULL)
        text->size = (size_t)(put_name(at, sign_of(key), key->item.name, name_size) - text->bytes);
    for (size_t i = 0; i < key->values.count; i++)
        put_value(text, stf_keytree_value_at(key, i));
    for (size_t i = 0; i < key->keys.count; i++)
        put_key(text, stf_keytree_key_at(key, i));
    at = reserve(text, 2);
    if (at != NULL) {
        at[0] = ')';
        at[1] = '\0';
        text->size++;
    }
}

char *stf_registry_patch_text(const struct stf_registry_patch *patch)
{
    struct text text = {0};

    put_key(&text, patch->root);
    if (text.has_failed) {
        free(text.bytes);
        return NULL;
    }
    return text.bytes;
}

/* ---- from text ---- */

struct item {
    char sign; /* as in the text; '\0' for anything that is no item */
    const char *name;
    size_t name_size;
    uint32_t type;
    const char *hex;
    size_t size; /* of the data */
};

/* "12:"; SIZE_MAX when it is none, or more than `max`. */
static size_t take_number(const char **at, size_t max)
{
    size_t number = 0;
    const char *start = *at;

    for (; **at >= '0' && **at <= '9' && number <= max; ++*at)
        number = 10 * number + (size_t)(**at - '0');
    return number <= max && *at > start && *(*at)++ == ':' ? number : SIZE_MAX;
}

/* A number, and so many bytes; NULL when the text ends before. */
static const char *take_bytes(const char **at, const char *end, size_t each, size_t *count)
{
    const char *bytes;

    *count = take_number(at, (size_t)(end - *at) / each);
    bytes = *at;
    if (*count == SIZE_MAX || *count > (size_t)(end - bytes) / each)
        return NULL;
    *at += each * *count;
    return bytes;
}

static struct item take_item(const char **at, const char *end)
{
    struct item item = {.sign = *at < end ? *(*at)++ : '\0'};
    size_t type;

    if (item.sign == ')')
        return item;
    if (item.sign == '\0' || strchr("+-!.=~", item.sign) == NULL)
        return (struct item){0};
    item.name = take_bytes(at, end, 1, &item.name_size);
    if (item.name == NULL || item.sign != '=')
        return item.name != NULL ? item : (struct item){0};
    type = take_number(at, UINT32_MAX);
    item.type = (uint32_t)type;
    item.hex = type != SIZE_MAX ? take_bytes(at, end, 2, &item.size) : NULL;
    return item.hex != NULL ? item : (struct item){0};
}

static enum stf_kind bad_text(const char *text, const char *at, struct stf_err *err)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "patch", NULL, "the text of a registry patch is wrong at byte %zu",
                       (size_t)(at - text));
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A text on its way into a tree; names and data go through one buffer that is as large as the text. */
struct parser {
    const char *text;
    const char *at;
    const char *end;
    char *buffer;
    struct stf_err *err;
};

static enum stf_kind add_value(struct parser *parser, const struct item *item, struct stf_keytree_key *key)
{
    char *name = parser->buffer;
    uint8_t *data = (uint8_t *)name + item->name_size + 1;
    enum stf_kind kind;

    memcpy(name, item->name, item->name_size);
    name[item->name_size] = '\0';
    for (size_t i = 0; i < item->size; i++) {
        int high = hex_digit(item->hex[2 * i]);
        int low = hex_digit(item->hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return bad_text(parser->text, item->hex + 2 * i, parser->err);
        data[i] = (uint8_t)(high << 4 | low);
    }
    kind = stf_registry_check_value_name(name, parser->err);
    if (kind != STF_OK)
        return kind;
    return stf_keytree_set(key, name, item->type, item->sign == '=' ? data : NULL, item->size) ? STF_OK
                                                                                               : no_memory(parser->err);
}

/* The key that the item starts; the root where `above` is NULL. */
static enum stf_kind add_key(struct parser *parser, const struct item *item, struct stf_keytree_key *above,
                             struct stf_keytree_key **key)
{
    char *name = parser->buffer;
    enum stf_kind kind = STF_OK;

    memcpy(name, item->name, item->name_size);
    name[item->name_size] = '\0';
    if (above != NULL)
        kind = stf_registry_check_key_name(name, parser->err);
    if (kind == STF_OK && (above != NULL ? stf_keytree_find_key(above, name) != NULL : *name != '\0'))
        kind = bad_text(parser->text, item->name, parser->err);
    if (kind != STF_OK)
        return kind;
    *key = stf_keytree_key_new(above, name);
    if (*key == NULL)
        return no_memory(parser->err);
    (*key)->is_reset = item->sign == '-' || item->sign == '!';
    (*key)->is_wanted = item->sign == '+' || item->sign == '!';
    return STF_OK;
}

/* All up to the end of the root. */
static enum stf_kind parse_tree(struct parser *parser, struct stf_keytree_key *root)
{
    struct stf_keytree_key *key = root;
    size_t depth = 0;
    enum stf_kind kind = STF_OK;

    while (kind == STF_OK && key != NULL) {
        const char *start = parser->at;
        struct item item = take_item(&parser->at, parser->end);
        if (item.sign == ')') {
            key = key->parent;
            depth--;
        } else if (item.sign == '=' || item.sign == '~') {
            kind = add_value(parser, &item, key);
        } else if (item.sign != '\0' && depth++ < STF_REGISTRY_DEPTH_MAX) {
            kind = add_key(parser, &item, key, &key);
        } else {
            kind = bad_text(parser->text, start, parser->err);
        }
    }
    return kind == STF_OK && parser->at < parser->end ? bad_text(parser->text, parser->at, parser->err) : kind;
}

enum stf_kind stf_registry_patch_parse(const char *text, struct stf_registry_patch **patch, struct stf_err *err)
{
    size_t size = strlen(text);
    struct parser parser = {.text = text, .at = text, .end = text + size, .buffer = malloc(size + 2), .err = err};
    struct stf_registry_patch *made = calloc(1, sizeof(*made));
    enum stf_kind kind = parser.buffer != NULL && made != NULL ? STF_OK : no_memory(err);

    if (kind == STF_OK) {
        struct item item = take_item(&parser.at, parser.end);
        kind = item.sign == '+' ? add_key(&parser, &item, NULL, &made->root) : bad_text(text, text, err);
    }
    if (kind == STF_OK)
        kind = parse_tree(&parser, made->root);
    free(parser.buffer);
    if (kind != STF_OK) {
        stf_registry_patch_free(made);
        return kind;
    }
    *patch = made;
    return STF_OK;
}

/* ---- to edits ---- */

static enum stf_kind add_edit(struct stf_reg_edits *edits, enum stf_reg_edit_kind edit_kind, const char *path,
                              const struct stf_keytree_value *value, struct stf_err *err)
{
    struct stf_reg_edit edit = {.kind = edit_kind, .key = path, .value = {.name = ""}};

    if (value != NULL)
        edit.value = stf_keytree_borrow(value);
    return stf_reg_edits_add(edits, &edit, err);
}

static enum stf_kind edits_of(const struct stf_keytree_key *key, const char *path, struct stf_reg_edits *edits,
                              struct stf_err *err)
{
    enum stf_kind kind = key->is_reset ? add_edit(edits, STF_REG_DELETE_KEY, path, NULL, err) : STF_OK;

    if (kind == STF_OK && key->is_wanted && *path != '\0')
        kind = add_edit(edits, STF_REG_CREATE_KEY, path, NULL, err);
    for (size_t i = 0; i < key->values.count && kind == STF_OK; i++) {
        const struct stf_keytree_value *value = stf_keytree_value_at(key, i);
        kind = add_edit(edits, value->data != NULL ? STF_REG_SET_VALUE : STF_REG_DELETE_VALUE, path, value, err);
    }
    for (size_t i = 0; i < key->keys.count && kind == STF_OK; i++) {
        const struct stf_keytree_key *subkey = stf_keytree_key_at(key, i);
        char *below = NULL;
        kind = asprintf(&below, "%s%s%s", path, *path != '\0' ? "\\" : "", subkey->item.name) >= 0
                   ? edits_of(subkey, below, edits, err)
                   : no_memory(err);
        free(below);
    }
    return kind;
}

enum stf_kind stf_registry_patch_edits(const struct stf_registry_patch *patch, const char *mount,
                                       struct stf_reg_edits *edits, struct stf_err *err)
{
    return edits_of(patch->root, mount, edits, err);
}

/* ---- counting ---- */

/* How many items of each sign there are below the root. */
static void count_signs(const char *text, size_t counts[UCHAR_MAX + 1])
{
    const char *end = text + strlen(text);
    struct item item = take_item(&text, end); /* the root */

    while (item.sign != '\0') {
        item = take_item(&text, end);
        counts[(unsigned char)item.sign]++;
    }
}

struct stf_registry_patch_size stf_registry_patch_count_after(const char *text)
{
    size_t counts[UCHAR_MAX + 1] = {0};

    count_signs(text, counts);
    return (struct stf_registry_patch_size){.values = counts['='], .keys = counts['+'] + counts['!']};
}

struct stf_registry_patch_size stf_registry_patch_count_named(const char *text)
{
    size_t counts[UCHAR_MAX + 1] = {0};

    count_signs(text, counts);
    return (struct stf_registry_patch_size){
        .values = counts['='] + counts['~'],
        .keys = counts['+'] + counts['!'] + counts['-'] + counts['.'],
    };
}

struct stf_registry_patch_size stf_registry_patch_count_state(const json_t *doc)
{
    struct stf_registry_patch_size size = {0, 0};
    const json_t *values = json_object_get(doc, "values");
    const char *name;
    json_t *item;

    size.values = json_array_size(values);
    json_object_foreach ((json_t *)values, name, item)
        size.values += !json_is_null(item);
    json_object_foreach (json_object_get(doc, "keys"), name, item) {
        struct stf_registry_patch_size below = stf_registry_patch_count_state(item);
        size.values += below.values;
        size.keys += below.keys + !json_is_null(item);
    }
    return size;
}
