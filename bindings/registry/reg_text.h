/* reg_text.h - .reg text, the language of regedit: read as a list of edits in file order, written from such a list or
 * from any store. Lossless, or an error that says what could not be held. No I/O. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/arena.h"
#include "registry/registry.h"

enum stf_reg_version {
    STF_REG_VERSION_5, /* "Windows Registry Editor Version 5.00": hex data of text types is UTF-16LE */
    STF_REG_VERSION_4, /* "REGEDIT4": hex data of sz, expand_sz and multi_sz is cp1252, as all the text is */
};

enum stf_reg_encoding {
    STF_REG_UTF16, /* little-endian with byte order mark: what regedit writes */
    STF_REG_UTF8,
    STF_REG_UTF8_MARKED, /* with byte order mark */
    STF_REG_CP1252, /* all 256 bytes: those that the code page leaves open are C1 controls, as Windows reads them */
};

/* {0} is what regedit writes today. STF_REG_CP1252 goes with REGEDIT4. */
struct stf_reg_format {
    enum stf_reg_version version;
    enum stf_reg_encoding encoding;
};

enum stf_reg_edit_kind { STF_REG_CREATE_KEY, STF_REG_DELETE_KEY, STF_REG_SET_VALUE, STF_REG_DELETE_VALUE };

struct stf_reg_edit {
    enum stf_reg_edit_kind kind;
    size_t line;                     /* where it stands; 0 when it comes from no file */
    const char *key;                 /* the whole path, its root by the long name */
    struct stf_registry_value value; /* DELETE_VALUE: the name only. It belongs to the list: never fini it */
};

struct stf_reg_edits {
    struct stf_reg_format format; /* of the text that it was read from */
    struct stf_reg_edit *items;
    size_t count;
    size_t room;
    struct stf_arena arena; /* holds the strings and data */
};

/* Reads a whole text. STF_INVALID_DATA with line, column, what was found and what was expected; `subject`, the file's
 * name, goes into the error. Takes memory in proportion to `size`. Fini the edits in either case. */
enum stf_kind stf_reg_parse(const void *bytes, size_t size, const char *subject, struct stf_reg_edits *edits,
                            struct stf_err *err);

/* Copies `edit` to the list's end. `edits` starts as {0}. */
enum stf_kind stf_reg_edits_add(struct stf_reg_edits *edits, const struct stf_reg_edit *edit, struct stf_err *err);
void stf_reg_edits_fini(struct stf_reg_edits *edits);

/* ---- writing ---- */

/* Text under construction. Starts as {.format = ...}; of no use after a failure. */
struct stf_reg_printer {
    struct stf_reg_format format;
    uint8_t *bytes;
    size_t size;
    size_t room;
    size_t column;
    char *key; /* whose values come next */
};

/* STF_UNSUPPORTED, naming key and value, for what the format can not hold: in REGEDIT4 text beyond cp1252 and text
 * types of an odd length, in UTF-8 a name with an unpaired surrogate, everywhere a line break in a key's name. */
enum stf_kind stf_reg_print_edit(struct stf_reg_printer *printer, const struct stf_reg_edit *edit, struct stf_err *err);
/* Ends the text; the bytes are the caller's to free. Fini the printer afterwards, and after a failure. */
enum stf_kind stf_reg_printer_take(struct stf_reg_printer *printer, uint8_t **bytes, size_t *size, struct stf_err *err);
void stf_reg_printer_fini(struct stf_reg_printer *printer);

/* ---- between text and stores ---- */

/* The subtree `key` of a store as text, keys and values sorted by name. `mount` is the key that the store's root is
 * ("HKLM\\SYSTEM"); NULL when its keys start with the roots themselves. */
enum stf_kind stf_registry_export_reg(struct stf_registry *registry, const char *mount, const char *key,
                                      const struct stf_reg_format *format, uint8_t **bytes, size_t *size,
                                      struct stf_err *err);

/* Does all edits, in the order of the list, and commits once. Looks at all keys first: STF_INVALID_DATA, and nothing
 * done, for one that is outside `mount`. What already is as it should be is not touched. */
enum stf_kind stf_registry_apply_reg(struct stf_registry *registry, const char *mount,
                                     const struct stf_reg_edits *edits, struct stf_err *err);

/* Makes a new, empty .reg file, readable by its owner only. Atomic; STF_CONFLICT when something is there. */
enum stf_kind stf_regfile_create(const char *path, const struct stf_reg_format *format, struct stf_err *err);
