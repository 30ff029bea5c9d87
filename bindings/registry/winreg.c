/* winreg.c - NDR (C706 chapter 14) of the winreg calls (MS-RRP 3.1.5). A pointer is a number, 0 for none; what it
 * points to follows; an array starts with its room, its first index and its count. SPDX-License-Identifier: MIT */
#include "registry/winreg.h"

#include <string.h>

enum {
    REFERENT = 0x20000,      /* any number but 0 */
    KEY_NAME_SIZE = 2 * 256, /* bytes for a key's name and its NUL */
    CLASS_UNITS = 512,
    SECURITY_SIZE = 65536,
    DACL_SECURITY_INFORMATION = 4,
};

/* ---- arguments ---- */

static void put_array(struct stf_bytes_out *out, uint32_t room, uint32_t count)
{
    stf_bytes_put_u32(out, room);
    stf_bytes_put_u32(out, 0);
    stf_bytes_put_u32(out, count);
}

/* A name that says something: its NUL is counted. */
static void put_name(struct stf_bytes_out *out, struct stf_winreg_name name)
{
    uint16_t size = (uint16_t)(2 * name.units + 2);

    stf_bytes_put_u16(out, size);
    stf_bytes_put_u16(out, size);
    stf_bytes_put_u32(out, REFERENT);
    put_array(out, size / 2, size / 2);
    stf_bytes_put(out, name.data, 2 * name.units);
    stf_bytes_put_u16(out, 0);
}

/* An empty name with room for the answer. */
static void put_name_room(struct stf_bytes_out *out, uint16_t size)
{
    stf_bytes_put_u16(out, 0);
    stf_bytes_put_u16(out, size);
    stf_bytes_put_u32(out, REFERENT);
    put_array(out, size / 2, 0);
}

void stf_winreg_put_open_root(struct stf_bytes_out *out, uint32_t access)
{
    stf_bytes_put_u32(out, 0); /* the server's name, which it knows */
    stf_bytes_put_u32(out, access);
}

void stf_winreg_put_handle(struct stf_bytes_out *out, const struct stf_winreg_handle *key)
{
    stf_bytes_put(out, key->bytes, sizeof(key->bytes));
}

void stf_winreg_put_open_key(struct stf_bytes_out *out, const struct stf_winreg_handle *parent,
                             struct stf_winreg_name name, uint32_t options, uint32_t access)
{
    stf_winreg_put_handle(out, parent);
    put_name(out, name);
    stf_bytes_put_u32(out, options);
    stf_bytes_put_u32(out, access);
}

void stf_winreg_put_create_key(struct stf_bytes_out *out, const struct stf_winreg_handle *parent,
                               struct stf_winreg_name name, struct stf_winreg_name class_name, uint32_t access)
{
    stf_winreg_put_handle(out, parent);
    put_name(out, name);
    if (class_name.units > 0) {
        put_name(out, class_name);
    } else {
        stf_bytes_put_u16(out, 0);
        stf_bytes_put_u16(out, 0);
        stf_bytes_put_u32(out, 0);
    }
    stf_bytes_put_u32(out, 0); /* options */
    stf_bytes_put_u32(out, access);
    stf_bytes_put_u32(out, 0);        /* the security that the parent hands down */
    stf_bytes_put_u32(out, REFERENT); /* what was done: created or opened */
    stf_bytes_put_u32(out, 0);
}

void stf_winreg_put_delete(struct stf_bytes_out *out, const struct stf_winreg_handle *key, struct stf_winreg_name name)
{
    stf_winreg_put_handle(out, key);
    put_name(out, name);
}

/* Samba takes a class only with a NUL in it, and Windows needs room for its answer. */
void stf_winreg_put_query_info(struct stf_bytes_out *out, const struct stf_winreg_handle *key)
{
    stf_winreg_put_handle(out, key);
    stf_bytes_put_u16(out, 2);
    stf_bytes_put_u16(out, 2 * CLASS_UNITS);
    stf_bytes_put_u32(out, REFERENT);
    put_array(out, CLASS_UNITS, 1);
    stf_bytes_put_u16(out, 0);
}

void stf_winreg_put_enum_key(struct stf_bytes_out *out, const struct stf_winreg_handle *key, uint32_t index)
{
    stf_winreg_put_handle(out, key);
    stf_bytes_put_u32(out, index);
    put_name_room(out, KEY_NAME_SIZE);
    stf_bytes_put_u32(out, REFERENT); /* its class, which Samba insists on */
    put_name_room(out, 2 * CLASS_UNITS);
    stf_bytes_put_u32(out, 0); /* its time is not asked for */
}

void stf_winreg_put_enum_value(struct stf_bytes_out *out, const struct stf_winreg_handle *key, uint32_t index,
                               uint16_t name_size, uint32_t data_size)
{
    stf_winreg_put_handle(out, key);
    stf_bytes_put_u32(out, index);
    put_name_room(out, name_size);
    stf_bytes_put_u32(out, REFERENT); /* type */
    stf_bytes_put_u32(out, 0);
    stf_bytes_put_u32(out, REFERENT); /* data, of which nothing is sent */
    put_array(out, data_size, 0);
    stf_bytes_put_u32(out, REFERENT); /* the room for it */
    stf_bytes_put_u32(out, data_size);
    stf_bytes_put_u32(out, REFERENT); /* how much was sent */
    stf_bytes_put_u32(out, 0);
}

void stf_winreg_put_query_value(struct stf_bytes_out *out, const struct stf_winreg_handle *key,
                                struct stf_winreg_name name)
{
    stf_winreg_put_handle(out, key);
    put_name(out, name);
    stf_bytes_put_u32(out, REFERENT); /* type */
    stf_bytes_put_u32(out, 0);
    stf_bytes_put_u32(out, 0);        /* no data */
    stf_bytes_put_u32(out, REFERENT); /* no room for it, which Samba wants to be said */
    stf_bytes_put_u32(out, 0);
    stf_bytes_put_u32(out, REFERENT);
    stf_bytes_put_u32(out, 0);
}

void stf_winreg_put_get_security(struct stf_bytes_out *out, const struct stf_winreg_handle *key)
{
    stf_winreg_put_handle(out, key);
    stf_bytes_put_u32(out, DACL_SECURITY_INFORMATION);
    stf_bytes_put_u32(out, REFERENT);
    stf_bytes_put_u32(out, SECURITY_SIZE);
    stf_bytes_put_u32(out, 0);
    put_array(out, SECURITY_SIZE, 0);
}

void stf_winreg_put_set_security(struct stf_bytes_out *out, const struct stf_winreg_handle *key,
                                 const uint8_t *descriptor, uint32_t size)
{
    stf_winreg_put_handle(out, key);
    stf_bytes_put_u32(out, DACL_SECURITY_INFORMATION);
    stf_bytes_put_u32(out, REFERENT);
    stf_bytes_put_u32(out, size);
    stf_bytes_put_u32(out, size);
    put_array(out, size, size);
    stf_bytes_put(out, descriptor, size);
}

void stf_winreg_put_set_value(struct stf_bytes_out *out, const struct stf_winreg_handle *key,
                              struct stf_winreg_name name, uint32_t type, const void *data, uint32_t size)
{
    stf_winreg_put_handle(out, key);
    put_name(out, name);
    stf_bytes_put_u32(out, type);
    stf_bytes_put_u32(out, size);
    stf_bytes_put(out, data, size);
    stf_bytes_put_u32(out, size);
}

/* ---- results ---- */

bool stf_winreg_get_code(struct stf_bytes_in *in, uint32_t *code)
{
    *code = stf_bytes_get_u32(in);
    return !in->is_short;
}

static uint32_t get_optional_u32(struct stf_bytes_in *in)
{
    return stf_bytes_get_u32(in) != 0 ? stf_bytes_get_u32(in) : 0;
}

static void get_handle(struct stf_bytes_in *in, struct stf_winreg_handle *key)
{
    const uint8_t *bytes = stf_bytes_get(in, sizeof(key->bytes));

    if (bytes != NULL)
        memcpy(key->bytes, bytes, sizeof(key->bytes));
}

bool stf_winreg_get_handle(struct stf_bytes_in *in, struct stf_winreg_handle *key, uint32_t *code)
{
    get_handle(in, key);
    return stf_winreg_get_code(in, code);
}

static const uint8_t *get_array(struct stf_bytes_in *in, size_t item_size, size_t *count)
{
    uint32_t room = stf_bytes_get_u32(in);
    uint32_t first = stf_bytes_get_u32(in);

    *count = stf_bytes_get_u32(in);
    if (first != 0 || *count > room)
        in->is_short = true;
    return stf_bytes_get(in, item_size * *count);
}

bool stf_winreg_get_created(struct stf_bytes_in *in, struct stf_winreg_handle *key, uint32_t *code)
{
    get_handle(in, key);
    get_optional_u32(in); /* created or opened */
    return stf_winreg_get_code(in, code);
}

/* What a pointer to an array leads to; nothing when it is 0. */
static const uint8_t *get_optional_array(struct stf_bytes_in *in, size_t item_size, size_t *count)
{
    *count = 0;
    return stf_bytes_get_u32(in) != 0 ? get_array(in, item_size, count) : NULL;
}

/* With its NUL or without: servers differ, and so do calls. */
static void get_name(struct stf_bytes_in *in, struct stf_winreg_name *name)
{
    size_t units = stf_bytes_get_u16(in) / 2;
    size_t count;

    stf_bytes_get_u16(in);
    name->data = get_optional_array(in, 2, &count);
    name->units = units < count ? units : count;
    if (name->data != NULL && name->units > 0 && name->data[2 * name->units - 2] == 0 &&
        name->data[2 * name->units - 1] == 0)
        name->units--;
}

bool stf_winreg_get_info(struct stf_bytes_in *in, struct stf_winreg_info *info, uint32_t *code)
{
    uint32_t low;

    get_name(in, &info->class_name);
    info->subkey_count = stf_bytes_get_u32(in);
    stf_bytes_get_u32(in); /* longest name of a subkey */
    stf_bytes_get_u32(in); /* and class */
    info->value_count = stf_bytes_get_u32(in);
    info->name_max = stf_bytes_get_u32(in);
    info->data_max = stf_bytes_get_u32(in);
    stf_bytes_get_u32(in); /* size of the security descriptor */
    low = stf_bytes_get_u32(in);
    info->changed_at = (uint64_t)stf_bytes_get_u32(in) << 32 | low;
    return stf_winreg_get_code(in, code);
}

bool stf_winreg_get_enum_key(struct stf_bytes_in *in, struct stf_winreg_name *name, uint32_t *code)
{
    struct stf_winreg_name class_name;

    get_name(in, name);
    if (stf_bytes_get_u32(in) != 0)
        get_name(in, &class_name);
    if (stf_bytes_get_u32(in) != 0) {
        stf_bytes_get_u32(in);
        stf_bytes_get_u32(in);
    }
    return stf_winreg_get_code(in, code);
}

bool stf_winreg_get_enum_value(struct stf_bytes_in *in, struct stf_winreg_value *value, uint32_t *code)
{
    get_name(in, &value->name);
    value->type = get_optional_u32(in);
    value->data = get_optional_array(in, 1, &value->size);
    get_optional_u32(in); /* the room that is needed */
    get_optional_u32(in); /* what was sent: the array's count */
    return stf_winreg_get_code(in, code);
}

bool stf_winreg_get_query_value(struct stf_bytes_in *in, uint32_t *type, uint32_t *code)
{
    size_t size;

    *type = get_optional_u32(in);
    get_optional_array(in, 1, &size);
    get_optional_u32(in);
    get_optional_u32(in);
    return stf_winreg_get_code(in, code);
}

bool stf_winreg_get_security(struct stf_bytes_in *in, const uint8_t **descriptor, size_t *size, uint32_t *code)
{
    bool is_there = stf_bytes_get_u32(in) != 0;

    stf_bytes_get_u32(in); /* room */
    stf_bytes_get_u32(in); /* and size: the array's */
    *size = 0;
    *descriptor = is_there ? get_array(in, 1, size) : NULL;
    return stf_winreg_get_code(in, code);
}
