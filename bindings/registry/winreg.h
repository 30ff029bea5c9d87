/* winreg.h - the calls of the remote registry (MS-RRP) as bytes in NDR, the transfer syntax of DCE/RPC: arguments out,
 * results in. No I/O. Results come from another host: nothing in them is trusted, nor read beyond their end.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registry/bytes.h"

/* MS-RRP 3.1.5. */
enum stf_winreg_call {
    STF_WINREG_OPEN_HKCR = 0,
    STF_WINREG_OPEN_HKCU = 1,
    STF_WINREG_OPEN_HKLM = 2,
    STF_WINREG_OPEN_HKU = 4,
    STF_WINREG_CLOSE_KEY = 5,
    STF_WINREG_CREATE_KEY = 6,
    STF_WINREG_DELETE_KEY = 7,
    STF_WINREG_DELETE_VALUE = 8,
    STF_WINREG_ENUM_KEY = 9,
    STF_WINREG_ENUM_VALUE = 10,
    STF_WINREG_FLUSH_KEY = 11,
    STF_WINREG_GET_KEY_SECURITY = 12,
    STF_WINREG_OPEN_KEY = 15,
    STF_WINREG_QUERY_INFO_KEY = 16,
    STF_WINREG_QUERY_VALUE = 17,
    STF_WINREG_SET_KEY_SECURITY = 21,
    STF_WINREG_SET_VALUE = 22,
    STF_WINREG_OPEN_HKCC = 27,
};

/* What a call answers (MS-ERREF 2.2), as far as somebody here cares. */
enum {
    STF_WERR_OK = 0,
    STF_WERR_FILE_NOT_FOUND = 2,
    STF_WERR_PATH_NOT_FOUND = 3,
    STF_WERR_ACCESS_DENIED = 5,
    STF_WERR_INVALID_HANDLE = 6,
    STF_WERR_SHARING_VIOLATION = 32,
    STF_WERR_NOT_SUPPORTED = 50,
    STF_WERR_INVALID_PARAMETER = 87,
    STF_WERR_CALL_NOT_IMPLEMENTED = 120,
    STF_WERR_INVALID_NAME = 123,
    STF_WERR_BAD_PATHNAME = 161,
    STF_WERR_BUSY = 170,
    STF_WERR_MORE_DATA = 234,
    STF_WERR_NO_MORE_ITEMS = 259,
    STF_WERR_BADKEY = 1010,
    STF_WERR_KEY_DELETED = 1018,
    STF_WERR_KEY_HAS_CHILDREN = 1020,
    STF_WERR_CHILD_MUST_BE_VOLATILE = 1021,
    STF_WERR_NO_SYSTEM_RESOURCES = 1450,
};

enum {
    STF_WINREG_READ = 0x20019,              /* KEY_READ */
    STF_WINREG_MAXIMUM_ALLOWED = 0x2000000, /* whatever the user may do with the key */
    STF_WINREG_OPEN_LINK = 8,               /* option: a link itself, not what it leads to */
};

/* A key that the other side has open. */
struct stf_winreg_handle {
    uint8_t bytes[20];
};

/* UTF-16LE without a final NUL. */
struct stf_winreg_name {
    const uint8_t *data;
    size_t units;
};

/* ---- arguments ---- */

void stf_winreg_put_open_root(struct stf_bytes_out *out, uint32_t access);
/* CloseKey, FlushKey. */
void stf_winreg_put_handle(struct stf_bytes_out *out, const struct stf_winreg_handle *key);
void stf_winreg_put_open_key(struct stf_bytes_out *out, const struct stf_winreg_handle *parent,
                             struct stf_winreg_name name, uint32_t options, uint32_t access);
void stf_winreg_put_create_key(struct stf_bytes_out *out, const struct stf_winreg_handle *parent,
                               struct stf_winreg_name name, struct stf_winreg_name class_name, uint32_t access);
/* DeleteKey: of a subkey without subkeys; DeleteValue. */
void stf_winreg_put_delete(struct stf_bytes_out *out, const struct stf_winreg_handle *key, struct stf_winreg_name name);
void stf_winreg_put_query_info(struct stf_bytes_out *out, const struct stf_winreg_handle *key);
void stf_winreg_put_enum_key(struct stf_bytes_out *out, const struct stf_winreg_handle *key, uint32_t index);
/* With room for a name of `name_size` bytes (its NUL counted) and `data_size` bytes of data. */
void stf_winreg_put_enum_value(struct stf_bytes_out *out, const struct stf_winreg_handle *key, uint32_t index,
                               uint16_t name_size, uint32_t data_size);
/* For the type only. */
void stf_winreg_put_query_value(struct stf_bytes_out *out, const struct stf_winreg_handle *key,
                                struct stf_winreg_name name);
/* For the list of who may do what (DACL). */
void stf_winreg_put_get_security(struct stf_bytes_out *out, const struct stf_winreg_handle *key);
void stf_winreg_put_set_security(struct stf_bytes_out *out, const struct stf_winreg_handle *key,
                                 const uint8_t *descriptor, uint32_t size);
void stf_winreg_put_set_value(struct stf_bytes_out *out, const struct stf_winreg_handle *key,
                              struct stf_winreg_name name, uint32_t type, const void *data, uint32_t size);

/* ---- results: false when they have not the form they must have. *code is what the call answers. ---- */

bool stf_winreg_get_code(struct stf_bytes_in *in, uint32_t *code);
/* Of OpenHKLM and its kin, OpenKey. */
bool stf_winreg_get_handle(struct stf_bytes_in *in, struct stf_winreg_handle *key, uint32_t *code);
bool stf_winreg_get_created(struct stf_bytes_in *in, struct stf_winreg_handle *key, uint32_t *code);

/* `class_name` points into the results. */
struct stf_winreg_info {
    uint32_t subkey_count;
    uint32_t value_count;
    uint32_t name_max; /* of a value, in units or bytes: servers differ */
    uint32_t data_max;
    uint64_t changed_at; /* FILETIME; 0 when the server has none */
    struct stf_winreg_name class_name;
};
bool stf_winreg_get_info(struct stf_bytes_in *in, struct stf_winreg_info *info, uint32_t *code);

/* `name` points into the results. */
bool stf_winreg_get_enum_key(struct stf_bytes_in *in, struct stf_winreg_name *name, uint32_t *code);

/* Everything points into the results. */
struct stf_winreg_value {
    struct stf_winreg_name name;
    uint32_t type;
    const uint8_t *data;
    size_t size;
};
bool stf_winreg_get_enum_value(struct stf_bytes_in *in, struct stf_winreg_value *value, uint32_t *code);
bool stf_winreg_get_query_value(struct stf_bytes_in *in, uint32_t *type, uint32_t *code);
/* `descriptor` points into the results; NULL when there is none. */
bool stf_winreg_get_security(struct stf_bytes_in *in, const uint8_t **descriptor, size_t *size, uint32_t *code);
