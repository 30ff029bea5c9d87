/* hive.c - makes the registry hive that stands for a Windows front end, with a key tree as on Windows Server 2003.
 * Must never alter a hive that is there already. SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parts.h"
#include "registry/registry.h"

/* `text` of a multi_sz holds one string a line. COMPUTER stands for the host's name in capitals. */
struct row {
    const char *key, *name;
    enum stf_registry_type type;
    int64_t number;
    const char *text;
};

#define SERVICES "ControlSet001\\Services\\"
#define COMPUTER "@COMPUTER@"

/* No NLBSFlags: a rollout sets it. LastKnownGood is the current set, as after a start that went well. */
static const struct row system_rows[] = {
    {"Select", "Current", STF_REG_DWORD, 1, NULL},
    {"Select", "Default", STF_REG_DWORD, 1, NULL},
    {"Select", "Failed", STF_REG_DWORD, 0, NULL},
    {"Select", "LastKnownGood", STF_REG_DWORD, 1, NULL},
    {"ControlSet001\\Control\\ComputerName\\ComputerName", "ComputerName", STF_REG_SZ, 0, COMPUTER},
    {"ControlSet001\\Control\\ProductOptions", "ProductType", STF_REG_SZ, 0, "ServerNT"},
    {"ControlSet001\\Control\\Windows", "CSDVersion", STF_REG_DWORD, 0x200, NULL},
    {SERVICES "PolicyAgent", "Type", STF_REG_DWORD, 0x20, NULL},
    {SERVICES "PolicyAgent", "Start", STF_REG_DWORD, 2, NULL},
    {SERVICES "PolicyAgent", "ErrorControl", STF_REG_DWORD, 1, NULL},
    {SERVICES "PolicyAgent", "ImagePath", STF_REG_EXPAND_SZ, 0, "%SystemRoot%\\system32\\lsass.exe"},
    {SERVICES "PolicyAgent", "DisplayName", STF_REG_SZ, 0, "IPSEC Services"},
    {SERVICES "PolicyAgent", "DependOnService", STF_REG_MULTI_SZ, 0, "RPCSS\nTcpip\nIPSec"},
    {SERVICES "PolicyAgent", "ObjectName", STF_REG_SZ, 0, "LocalSystem"},
    {SERVICES "PolicyAgent\\Oakley", "EnableLogging", STF_REG_DWORD, 0, NULL},
    {SERVICES "IPSec", "Type", STF_REG_DWORD, 1, NULL},
    {SERVICES "IPSec", "Start", STF_REG_DWORD, 1, NULL},
    {SERVICES "IPSec", "ErrorControl", STF_REG_DWORD, 1, NULL},
    {SERVICES "IPSec", "ImagePath", STF_REG_EXPAND_SZ, 0, "system32\\DRIVERS\\ipsec.sys"},
    {SERVICES "IPSec", "DisplayName", STF_REG_SZ, 0, "IPSEC driver"},
    {SERVICES "Tcpip", "Type", STF_REG_DWORD, 1, NULL},
    {SERVICES "Tcpip", "Start", STF_REG_DWORD, 1, NULL},
    {SERVICES "Tcpip", "DependOnService", STF_REG_MULTI_SZ, 0, "IPSec"},
    {SERVICES "Tcpip\\Parameters", "Hostname", STF_REG_SZ, 0, COMPUTER},
    {SERVICES "Tcpip\\Parameters", "NV Hostname", STF_REG_SZ, 0, COMPUTER},
    {SERVICES "Tcpip\\Parameters", "DataBasePath", STF_REG_EXPAND_SZ, 0, "%SystemRoot%\\System32\\drivers\\etc"},
    {SERVICES "Tcpip\\Parameters", "IPEnableRouter", STF_REG_DWORD, 0, NULL},
    {SERVICES "W3SVC", "Start", STF_REG_DWORD, 2, NULL},
    {SERVICES "POP3Svc", "Start", STF_REG_DWORD, 2, NULL},
    {SERVICES "IMAP4Svc", "Start", STF_REG_DWORD, 2, NULL},
};

enum { MAX_ITEMS = 8, ROW_COUNT = sizeof system_rows / sizeof *system_rows };

static struct stf_registry_string string_of(const char *text, size_t size)
{
    return (struct stf_registry_string){text, size};
}

static void split_lines(const char *text, struct stf_registry_string items[MAX_ITEMS], size_t *count)
{
    for (*count = 0; *count < MAX_ITEMS && *text; text += strspn(text, "\n")) {
        size_t size = strcspn(text, "\n");
        items[(*count)++] = string_of(text, size);
        text += size;
    }
}

static enum stf_kind set_row(struct stf_registry *registry, const struct row *row, const char *computer,
                             struct stf_err *err)
{
    struct stf_registry_string items[MAX_ITEMS];
    struct stf_registry_plain plain = {.form = STF_REGISTRY_FORM_INTEGER, .integer = row->number};
    struct stf_registry_value value = {.name = (char *)row->name, .type = row->type};
    const char *text = row->text && strcmp(row->text, COMPUTER) == 0 ? computer : row->text;
    if (row->type == STF_REG_MULTI_SZ) {
        plain = (struct stf_registry_plain){.form = STF_REGISTRY_FORM_LIST, .items = items};
        split_lines(text, items, &plain.count);
    } else if (text) {
        plain = (struct stf_registry_plain){.form = STF_REGISTRY_FORM_STRING, .string = string_of(text, strlen(text))};
    }
    enum stf_kind kind = stf_registry_value_encode(row->type, &plain, &value.data, &value.size, err);
    if (kind)
        return kind;
    kind = stf_registry_set(registry, row->key, &value, err);
    free(value.data);
    return kind;
}

static enum stf_kind fill_system(const char *path, const char *host, struct stf_err *err)
{
    const struct stf_registry_place place = {.path = path};
    struct stf_registry *registry;
    char computer[32];
    size_t size = 0;
    for (; host[size] && size < sizeof computer - 1; size++)
        computer[size] = (char)toupper((unsigned char)host[size]);
    computer[size] = '\0';

    enum stf_kind kind = stf_registry_open(&stf_registry_backend_hive, &place, STF_REGISTRY_WRITE, &registry, err);
    if (kind)
        return kind;
    for (size_t i = 0; i < ROW_COUNT && !kind; i++)
        kind = set_row(registry, &system_rows[i], computer, err);
    if (!kind)
        kind = stf_registry_commit(registry, err);
    stf_registry_close(registry);
    return kind;
}

static enum stf_kind make_hive(struct stf_lab *lab, const json_t *hive, struct stf_err *err)
{
    const char *path = stf_lab_text(hive, "path");
    if (access(path, F_OK) == 0)
        return STF_OK;
    enum stf_kind kind = stf_lab_make_parent_dir(lab->state, path, err);
    if (!kind)
        kind = stf_lab_note_made(lab->state, path, err);
    if (!kind)
        kind = stf_hive_create(path, err);
    if (!kind && strcasecmp(stf_lab_text(hive, "mount"), "HKLM\\SYSTEM") == 0)
        kind = fill_system(path, stf_lab_text(hive, "host"), err);
    return kind;
}

enum stf_kind stf_lab_hives_make(struct stf_lab *lab, struct stf_err *err)
{
    size_t i;
    json_t *hive;
    enum stf_kind kind = STF_OK;
    json_array_foreach (json_object_get(lab->state, "hives"), i, hive)
        if (!kind)
            kind = make_hive(lab, hive, err);
    return kind;
}
