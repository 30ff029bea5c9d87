/* regf_test.h - what the tests of the hive format share: trees in memory, and their bytes.
 * Header only; asserts instead of returning errors. SPDX-License-Identifier: MIT */
#pragma once

#include "registry_assert.h"

#include "registry/regf_write.h"

static inline void fill(uint8_t *bytes, size_t size, unsigned *seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)rand_r(seed);
}

static inline void init_tree(struct stf_hivetree *tree)
{
    struct stf_err err = {0};

    assert_ok(stf_hivetree_init(tree, 0x1d295059e68e89e, &err), &err);
}

static inline struct stf_keytree_key *add_key(struct stf_keytree_key *parent, const char *name)
{
    struct stf_hivetree_extras extras = {.security = stf_hivetree_extras_of(parent)->security, .written = 1};
    struct stf_keytree_key *key = stf_keytree_key_new(parent, name);
    struct stf_err err = {0};

    assert_non_null(key);
    assert_ok(stf_hivetree_attach(key, &extras, NULL, 0, &err), &err);
    return key;
}

static inline void add_value(struct stf_keytree_key *key, const char *name, uint32_t type, const void *data,
                             size_t size)
{
    assert_true(stf_keytree_set(key, name, type, data != NULL ? data : "", size));
}

static inline uint8_t *write_tree(struct stf_hivetree *tree, size_t *size)
{
    struct stf_err err = {0};
    uint8_t *bytes = NULL;

    assert_ok(stf_regf_write(tree, &bytes, size, &err), &err);
    return bytes;
}

/* An image of a copy of the bytes. */
static inline void init_image(struct stf_regf_image *image, const uint8_t *bytes, size_t size)
{
    struct stf_err err = {0};
    uint8_t *copy = malloc(size);

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    assert_ok(stf_regf_image_init_whole(image, copy, "hive", &err), &err);
}

static inline enum stf_kind try_read_tree(const uint8_t *bytes, size_t size, struct stf_hivetree *tree,
                                          struct stf_err *err)
{
    struct stf_regf_image image;
    enum stf_kind kind;

    init_image(&image, bytes, size);
    kind = stf_hivetree_init_from(tree, &image, err);
    stf_regf_image_fini(&image);
    return kind;
}

static inline void read_tree(const uint8_t *bytes, size_t size, struct stf_hivetree *tree)
{
    struct stf_err err = {0};

    assert_ok(stf_regf_check_format(bytes, "hive", &err), &err);
    assert_ok(stf_regf_check_clean(bytes, "hive", &err), &err);
    assert_ok(stf_regf_check_size(bytes, size, "hive", &err), &err);
    assert_ok(try_read_tree(bytes, size, tree, &err), &err);
}

static inline void check_equal_extras(const struct stf_hivetree_extras *a, const struct stf_hivetree_extras *b)
{
    assert_int_equal(a->written, b->written);
    assert_int_equal(a->access, b->access);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->control, b->control);
    assert_int_equal(a->class_size, b->class_size);
    assert_memory_equal(a->class_name, b->class_name, a->class_size);
    assert_int_equal(a->security != NULL, b->security != NULL);
    if (a->security != NULL) {
        assert_int_equal(a->security->size, b->security->size);
        assert_memory_equal(a->security->bytes, b->security->bytes, a->security->size);
    }
}

static inline void check_equal_keys(const struct stf_keytree_key *a, const struct stf_keytree_key *b)
{
    assert_string_equal(a->item.name, b->item.name);
    check_equal_extras(stf_hivetree_extras_of(a), stf_hivetree_extras_of(b));
    assert_int_equal(a->values.count, b->values.count);
    for (size_t i = 0; i < a->values.count; i++) {
        const struct stf_keytree_value *x = stf_keytree_value_at(a, i);
        const struct stf_keytree_value *y = stf_keytree_find_value(b, x->item.name);
        assert_non_null(y);
        assert_string_equal(x->item.name, y->item.name);
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->size, y->size);
        assert_memory_equal(x->data, y->data, x->size);
    }
    assert_int_equal(a->keys.count, b->keys.count);
    for (size_t i = 0; i < a->keys.count; i++) {
        const struct stf_keytree_key *x = stf_keytree_key_at(a, i);
        const struct stf_keytree_key *y = stf_keytree_find_key(b, x->item.name);
        assert_non_null(y);
        check_equal_keys(x, y);
    }
}

static inline uint8_t *cell_at(const uint8_t *bytes, uint32_t offset)
{
    return (uint8_t *)bytes + STF_REGF_BASE_SIZE + offset + 4;
}
