/* describe.c - registry values as one line for a person, as plans, diffs and reports print them.
 * Never fails on odd data: what is not of its type's form is shown as bytes. SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "registry/value.h"

enum { SHOWN_BYTES_MAX = 32, SHOWN_TEXT_MAX = 200 };

/* How much of one value is shown. */
struct limits {
    size_t bytes;
    size_t text;
};

static void print_bytes(FILE *out, const uint8_t *data, size_t size, const struct limits *limits)
{
    for (size_t i = 0; i < size && i < limits->bytes; i++)
        fprintf(out, "%02x", data[i]);
    if (size > limits->bytes)
        fprintf(out, "... (%zu bytes)", size);
    else if (size == 0)
        fputs("(empty)", out);
}

static void print_quoted(FILE *out, struct stf_registry_string text, const struct limits *limits)
{
    const char *at = text.bytes;
    const char *end = text.bytes + text.size;
    uint32_t code;

    fputc('"', out);
    while (at < end) {
        const char *from = at;
        if ((size_t)(from - text.bytes) >= limits->text) {
            fputs("...", out);
            break;
        }
        if (!stf_utf8_next(&at, end, &code))
            break;
        if (code == '"' || code == '\\')
            fputc('\\', out);
        if (code < 0x20 || code == 0x7f)
            fprintf(out, "\\x%02x", (unsigned)code);
        else
            fwrite(from, 1, (size_t)(at - from), out);
    }
    fputc('"', out);
}

static void print_list(FILE *out, const struct stf_registry_plain *plain, const struct limits *limits)
{
    fputc('[', out);
    for (size_t i = 0; i < plain->count; i++) {
        fputs(i > 0 ? ", " : "", out);
        print_quoted(out, plain->items[i], limits);
    }
    fputc(']', out);
}

static bool is_text(uint32_t type)
{
    return type == STF_REG_SZ || type == STF_REG_EXPAND_SZ || type == STF_REG_LINK;
}

static char *describe(uint32_t type, const uint8_t *data, size_t size, const struct limits *limits)
{
    struct stf_registry_plain plain;
    const char *name = stf_registry_type_name(type);
    char *line = NULL;
    size_t line_size;
    FILE *out;

    if (stf_registry_value_decode(type, data, size, &plain, NULL) != STF_OK)
        return NULL;
    out = open_memstream(&line, &line_size);
    if (out == NULL) {
        stf_registry_plain_fini(&plain);
        return NULL;
    }
    if (name != NULL)
        fprintf(out, "%s ", name);
    else
        fprintf(out, "type 0x%08" PRIx32 " ", type);
    if (plain.form == STF_REGISTRY_FORM_INTEGER) {
        fprintf(out, "%" PRId64 " (0x%0*" PRIx64 ")", plain.integer, (int)(2 * size), (uint64_t)plain.integer);
    } else if (plain.form == STF_REGISTRY_FORM_LIST) {
        print_list(out, &plain, limits);
    } else if (plain.form == STF_REGISTRY_FORM_STRING && is_text(type)) {
        print_quoted(out, plain.string, limits);
    } else {
        fputs(plain.form == STF_REGISTRY_FORM_NONE ? "bytes " : "", out);
        print_bytes(out, data, size, limits);
    }
    if (plain.form != STF_REGISTRY_FORM_NONE && !plain.is_exact)
        fputs(" (stored in an unusual form)", out);
    stf_registry_plain_fini(&plain);
    if (fclose(out) != 0) {
        free(line);
        return NULL;
    }
    return line;
}

char *stf_registry_value_describe(uint32_t type, const uint8_t *data, size_t size)
{
    static const struct limits some = {SHOWN_BYTES_MAX, SHOWN_TEXT_MAX};

    return describe(type, data, size, &some);
}

char *stf_registry_value_text(uint32_t type, const uint8_t *data, size_t size)
{
    static const struct limits all = {SIZE_MAX, SIZE_MAX};

    return describe(type, data, size, &all);
}
