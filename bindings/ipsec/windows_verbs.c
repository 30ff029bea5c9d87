/* windows_verbs.c - texts in, texts out: nothing here speaks to a host. SPDX-License-Identifier: MIT */
#include "ipsec/windows_verbs.h"

#include <string.h>

#include "common/doc.h"
#include "ipsec/windows_capabilities.h"
#include "ipsec/windows_read.h"
#include "ipsec/windows_render.h"

enum stf_kind stf_windows_verb_scripts(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                       struct stf_err *err)
{
    (void)self;
    (void)host;
    return stf_windows_scripts(args, result, err);
}

enum stf_kind stf_windows_verb_check(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                     struct stf_err *err)
{
    static const char *const known[] = {"name", "document", NULL};
    json_t *request = json_copy(json_object_get(args, "document")), *nothing = json_array(), *scripts = NULL;
    (void)self;
    (void)host;
    enum stf_kind kind = stf_doc_check_keys(args, known, "windows_check", err);
    if (!kind && (!nothing || json_object_set(request, "name", json_object_get(args, "name")) < 0))
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "windows_check", NULL, "'document' and 'name' must be there");
    if (!kind)
        kind = stf_windows_commands(request, nothing, &scripts, err);
    if (!kind)
        *result = json_pack("{s:O}", "left_out", json_object_get(scripts, "left_out"));
    json_decref(scripts);
    json_decref(nothing);
    json_decref(request);
    return kind;
}

enum stf_kind stf_windows_verb_capabilities(void *self, const struct stf_host *host, const json_t *args,
                                            json_t **result, struct stf_err *err)
{
    static const char *const known[] = {"generation", NULL};
    const char *text = NULL;
    (void)self;
    (void)host;
    enum stf_kind kind = stf_doc_check_keys(args, known, "windows_capabilities", err);
    if (!kind)
        kind = stf_doc_string(args, "generation", &text, err);
    if (kind)
        return kind;
    enum stf_windows_generation generation = stf_windows_generation_of(text);
    if (generation == STF_WINDOWS_COUNT)
        return stf_err_set(err, STF_INVALID_DATA, 0, "windows_capabilities", text,
                           "'generation' is \"%.40s\"; expected one such as \"2003\" or \"2008r2\"", text);
    *result = stf_windows_capabilities(generation);
    return *result ? STF_OK
                   : stf_err_set(err, STF_NO_MEMORY, 0, "windows_capabilities", NULL, "no memory for the answer");
}

enum stf_kind stf_windows_verb_read(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                    struct stf_err *err)
{
    static const char *const known[] = {"language", "text", NULL};
    const char *language = NULL, *text = NULL;
    (void)self;
    (void)host;
    enum stf_kind kind = stf_doc_check_keys(args, known, "windows_read", err);
    if (!kind)
        kind = stf_doc_string(args, "language", &language, err);
    if (!kind)
        kind = stf_doc_string(args, "text", &text, err);
    if (kind)
        return kind;
    if (strcmp(language, "netsh") == 0)
        return stf_windows_read_consec(text, strlen(text), result, err);
    if (strcmp(language, "netsh_static") == 0)
        return stf_windows_read_static(text, strlen(text), result, err);
    if (strcmp(language, "powershell") == 0)
        return stf_windows_read_powershell(text, strlen(text), result, err);
    return stf_err_set(err, STF_INVALID_DATA, 0, "windows_read", language,
                       "'language' is \"%.40s\"; expected \"netsh\", \"netsh_static\" or \"powershell\"", language);
}
