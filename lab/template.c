/* template.c - configuration files of the lab's daemons from the embedded templates.
 * Must never leave a placeholder in a file. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/embedded.h"
#include "parts.h"

extern const struct stf_embedded stf_lab_templates[];

static const char *value_of(const struct stf_lab_value values[], const char *name, size_t size)
{
    for (; values->name; values++)
        if (strlen(values->name) == size && memcmp(values->name, name, size) == 0)
            return values->value;
    return NULL;
}

enum stf_kind stf_lab_substitute(const char *source, const struct stf_lab_value values[], char **text,
                                 struct stf_err *err)
{
    size_t size;
    *text = NULL;
    FILE *out = open_memstream(text, &size);
    if (!out)
        return stf_err_set(err, STF_NO_MEMORY, 0, "template", NULL, "no memory");

    enum stf_kind kind = STF_OK;
    while (*source && !kind) {
        size_t name_size = *source == '@' ? strspn(source + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") : 0;
        if (name_size == 0 || source[1 + name_size] != '@') {
            fputc(*source++, out);
            continue;
        }
        const char *value = value_of(values, source + 1, name_size);
        if (value)
            fputs(value, out);
        else
            kind = stf_err_set(err, STF_INVALID_DATA, 0, "template", NULL, "the placeholder @%.*s@ has no value",
                               (int)name_size, source + 1);
        source += name_size + 2;
    }
    if (fclose(out) != 0 && !kind)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "template", NULL, "no memory");
    if (kind) {
        free(*text);
        *text = NULL;
    }
    return kind;
}

enum stf_kind stf_lab_template(const char *name, const struct stf_lab_value values[], char **text, struct stf_err *err)
{
    for (const struct stf_embedded *file = stf_lab_templates; file->name; file++)
        if (strcmp(file->name, name) == 0)
            return stf_lab_substitute(file->bytes, values, text, err);
    return stf_err_set(err, STF_NOT_FOUND, 0, "template", name, "the program has no template '%s'", name);
}
