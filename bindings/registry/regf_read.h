/* regf_read.h - keys and values of a hive's image, each read when it is asked for. Never trusts a count, a size or a
 * reference; what it gives was checked, or there is an error that says where. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/regf_image.h"
#include "registry/store.h"

/* A key node. The pointers live as long as the image. */
struct stf_regf_key {
    uint32_t offset;
    const uint8_t *record;
    const uint8_t *name;
    uint32_t name_size; /* bytes */
    bool is_latin1;     /* one byte for each UTF-16 unit */
};

enum stf_kind stf_regf_root(struct stf_regf_image *image, struct stf_regf_key *key, struct stf_err *err);
/* A key whose offset an earlier call gave. */
struct stf_regf_key stf_regf_key_known(const struct stf_regf_image *image, uint32_t offset);
/* *name is malloc'ed. */
enum stf_kind stf_regf_key_name(const struct stf_regf_key *key, char **name, struct stf_err *err);

/* Offsets of cells, malloc'ed. */
struct stf_regf_offsets {
    uint32_t *items;
    size_t count;
};

/* The subkeys, in their order in the file; the values' cells likewise. Free the items. */
enum stf_kind stf_regf_subkeys(struct stf_regf_image *image, const struct stf_regf_key *key,
                               struct stf_regf_offsets *subkeys, struct stf_err *err);
enum stf_kind stf_regf_values(struct stf_regf_image *image, const struct stf_regf_key *key,
                              struct stf_regf_offsets *values, struct stf_err *err);
/* A value whose offset stf_regf_values gave. On failure `value` is empty. */
enum stf_kind stf_regf_value(struct stf_regf_image *image, uint32_t offset, struct stf_registry_value *value,
                             struct stf_err *err);

/* By name, in whatever spelling. STF_NOT_FOUND, without filling an error, when there is none. */
enum stf_kind stf_regf_find_subkey(struct stf_regf_image *image, const struct stf_regf_key *parent, const char *name,
                                   struct stf_regf_key *key, struct stf_err *err);
enum stf_kind stf_regf_find_value(struct stf_regf_image *image, const struct stf_regf_key *key, const char *name,
                                  struct stf_registry_value *value, struct stf_err *err);

/* Bytes of the class name (UTF-16LE) and of the security descriptor, which live as long as the image; NULL and 0 when
 * the key has none. */
enum stf_kind stf_regf_class(struct stf_regf_image *image, const struct stf_regf_key *key, const uint8_t **bytes,
                             size_t *size, struct stf_err *err);
enum stf_kind stf_regf_security(struct stf_regf_image *image, const struct stf_regf_key *key, const uint8_t **bytes,
                                size_t *size, struct stf_err *err);
