/* windows_capabilities.c - the table, and questions to it. Each row names the publication that says so.
 * Must never guess. SPDX-License-Identifier: MIT */
#include "ipsec/windows_capabilities.h"

#include <stdio.h>
#include <string.h>

#define NEVER STF_WINDOWS_COUNT

/* ---------- the sources ---------- */

static const char source_tools_2003[] = "Microsoft TechNet: IPSec Policy Extension Tools and Settings (Windows 2000's "
                                        "tool is Ipsecpol.exe of the Resource Kit; netsh ipsec came with 2003)";
static const char source_static[] = "Microsoft TechNet: Netsh commands for Internet Protocol security (IPSec), 2003";
static const char source_algorithms[] =
    "Microsoft TechNet dd125356: Descriptions of the IPsec Algorithms and Methods (DH 14 from XP, AES from Vista)";
static const char source_suite_b[] = "Microsoft KB 949856: support for Suite B cryptographic algorithms added to IPsec "
                                     "(SHA-256, SHA-384, AES-GCM, ECDH from Vista SP1 and Server 2008)";
static const char source_consec[] = "Microsoft TechNet dd736198: Netsh AdvFirewall Consec Commands";
static const char source_mainmode[] =
    "Microsoft TechNet dd736066: Netsh AdvFirewall MainMode Commands (only from Windows 7 and Server 2008 R2)";
static const char source_powershell[] =
    "Microsoft: NetSecurity, New-NetIPsecRule, New-NetIPsecMainModeCryptoProposal and "
    "New-NetIPsecQuickModeCryptoProposal "
    "(Windows Server 2012: no GCM in main mode; IKEv2 not with Kerberos or a pre-shared key)";

/* ---------- the table ---------- */

static const struct {
    const char *word, *name;
    bool has_tool[STF_WINDOWS_TOOL_COUNT];
    const char *sources[6];
} generations[STF_WINDOWS_COUNT] = {
    {"2000", "Windows 2000", {false, false, false}, {source_tools_2003, source_algorithms}},
    {"2003", "Windows Server 2003", {true, false, false}, {source_static, source_algorithms}},
    {"2008", "Windows Server 2008", {true, true, false}, {source_static, source_suite_b, source_consec}},
    {"2008r2",
     "Windows Server 2008 R2",
     {true, true, false},
     {source_static, source_suite_b, source_consec, source_mainmode}},
    {"2012",
     "Windows Server 2012",
     {false, true, true},
     {source_suite_b, source_consec, source_mainmode, source_powershell}},
    {"2012r2",
     "Windows Server 2012 R2",
     {false, true, true},
     {source_suite_b, source_consec, source_mainmode, source_powershell}},
    {"2016",
     "Windows Server 2016",
     {false, true, true},
     {source_suite_b, source_consec, source_mainmode, source_powershell}},
    {"2019",
     "Windows Server 2019",
     {false, true, true},
     {source_suite_b, source_consec, source_mainmode, source_powershell}},
    {"2022",
     "Windows Server 2022",
     {false, true, true},
     {source_suite_b, source_consec, source_mainmode, source_powershell}},
};

const char *const stf_windows_generations[] = {"2000",   "2003", "2008", "2008r2", "2012",
                                               "2012r2", "2016", "2019", "2022",   NULL};

static const char *const tools[] = {"ipsec_static", "consec", "powershell"};

/* DES, 3DES, MD5, SHA-1, groups 1 and 2: source_static and source_algorithms; group 14: source_algorithms; the rest:
 * source_suite_b, source_consec; group 24: source_powershell. */
static const struct stf_windows_algorithm algorithms[] = {
    {"des", STF_ENCRYPTION, {STF_WINDOWS_2000, STF_WINDOWS_2000}, {"DES", "des", "DES"}},
    {"3des", STF_ENCRYPTION, {STF_WINDOWS_2000, STF_WINDOWS_2000}, {"3DES", "3des", "DES3"}},
    {"aes128", STF_ENCRYPTION, {STF_WINDOWS_2008, STF_WINDOWS_2008}, {NULL, "aes128", "AES128"}},
    {"aes192", STF_ENCRYPTION, {STF_WINDOWS_2008, STF_WINDOWS_2008}, {NULL, "aes192", "AES192"}},
    {"aes256", STF_ENCRYPTION, {STF_WINDOWS_2008, STF_WINDOWS_2008}, {NULL, "aes256", "AES256"}},
    {"aes128gcm16", STF_AEAD, {NEVER, STF_WINDOWS_2008}, {NULL, "aesgcm128", "AESGCM128"}},
    {"aes192gcm16", STF_AEAD, {NEVER, STF_WINDOWS_2008}, {NULL, "aesgcm192", "AESGCM192"}},
    {"aes256gcm16", STF_AEAD, {NEVER, STF_WINDOWS_2008}, {NULL, "aesgcm256", "AESGCM256"}},
    {"md5", STF_INTEGRITY, {STF_WINDOWS_2000, STF_WINDOWS_2000}, {"MD5", "md5", "MD5"}},
    {"sha1", STF_INTEGRITY, {STF_WINDOWS_2000, STF_WINDOWS_2000}, {"SHA1", "sha1", "SHA1"}},
    {"sha256", STF_INTEGRITY, {STF_WINDOWS_2008, STF_WINDOWS_2008}, {NULL, "sha256", "SHA256"}},
    {"sha384", STF_INTEGRITY, {STF_WINDOWS_2008, NEVER}, {NULL, "sha384", "SHA384"}},
    {"modp768", STF_DH_GROUP, {STF_WINDOWS_2000, STF_WINDOWS_2000}, {"1", "dhgroup1", "DH1"}},
    {"modp1024", STF_DH_GROUP, {STF_WINDOWS_2000, STF_WINDOWS_2000}, {"2", "dhgroup2", "DH2"}},
    {"modp2048", STF_DH_GROUP, {STF_WINDOWS_2003, STF_WINDOWS_2003}, {"3", "dhgroup14", "DH14"}},
    {"ecp256", STF_DH_GROUP, {STF_WINDOWS_2008, STF_WINDOWS_2008}, {NULL, "ecdhp256", "DH19"}},
    {"ecp384", STF_DH_GROUP, {STF_WINDOWS_2008, STF_WINDOWS_2008}, {NULL, "ecdhp384", "DH20"}},
    {"modp2048s256", STF_DH_GROUP, {STF_WINDOWS_2012, STF_WINDOWS_2012}, {NULL, NULL, "DH24"}},
};
enum { ALGORITHM_COUNT = sizeof algorithms / sizeof *algorithms };

/* ---------- questions ---------- */

enum stf_windows_generation stf_windows_generation_of(const char *text)
{
    int i = 0;
    while (i < STF_WINDOWS_COUNT && strcmp(generations[i].word, text) != 0)
        i++;
    return (enum stf_windows_generation)i;
}

const char *stf_windows_generation_name(enum stf_windows_generation generation)
{
    return generations[generation].name;
}

enum stf_windows_tool stf_windows_tool_of(const char *text)
{
    int i = 0;
    while (i < STF_WINDOWS_TOOL_COUNT && strcmp(tools[i], text) != 0)
        i++;
    return (enum stf_windows_tool)i;
}

bool stf_windows_has_tool(enum stf_windows_generation generation, enum stf_windows_tool tool)
{
    return tool < STF_WINDOWS_TOOL_COUNT && generations[generation].has_tool[tool];
}

enum stf_windows_tool stf_windows_default_tool(enum stf_windows_generation generation)
{
    int tool = STF_WINDOWS_TOOL_COUNT;
    while (tool-- > 0)
        if (generations[generation].has_tool[tool])
            return (enum stf_windows_tool)tool;
    return STF_WINDOWS_TOOL_COUNT;
}

static bool has(enum stf_windows_generation generation, enum stf_windows_tool tool, enum stf_windows_phase phase,
                const struct stf_windows_algorithm *algorithm)
{
    return generation >= algorithm->since[phase] && (tool == STF_WINDOWS_TOOL_COUNT || algorithm->name[tool]);
}

const struct stf_windows_algorithm *stf_windows_algorithm(enum stf_windows_generation generation,
                                                          enum stf_windows_tool tool, enum stf_windows_phase phase,
                                                          const char *word)
{
    for (size_t i = 0; i < ALGORITHM_COUNT; i++)
        if (strcmp(algorithms[i].word, word) == 0)
            return has(generation, tool, phase, &algorithms[i]) ? &algorithms[i] : NULL;
    return NULL;
}

void stf_windows_list(enum stf_windows_generation generation, enum stf_windows_tool tool, enum stf_windows_phase phase,
                      enum stf_algorithm_role role, char *text, size_t size)
{
    size_t used = 0;
    snprintf(text, size, "none");
    for (size_t i = 0; i < ALGORITHM_COUNT && used < size; i++)
        if (algorithms[i].role == role && has(generation, tool, phase, &algorithms[i]))
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", algorithms[i].word);
}

bool stf_windows_has_ikev2(enum stf_windows_generation generation, enum stf_windows_tool tool)
{
    return generation >= STF_WINDOWS_2012 && tool == STF_WINDOWS_POWERSHELL;
}

/* ---------- as a document ---------- */

static json_t *phase_document(enum stf_windows_generation generation, enum stf_windows_phase phase)
{
    static const char *const members[] = {"encryption", "aead", "integrity", NULL, "groups"};
    json_t *document = json_object();
    for (int role = STF_ENCRYPTION; role <= STF_DH_GROUP; role++) {
        json_t *words = json_array();
        for (size_t i = 0; i < ALGORITHM_COUNT; i++)
            if (algorithms[i].role == (enum stf_algorithm_role)role &&
                has(generation, STF_WINDOWS_TOOL_COUNT, phase, &algorithms[i]))
                json_array_append_new(words, json_string(algorithms[i].word));
        if (members[role])
            json_object_set_new(document, members[role], words);
        else
            json_decref(words);
    }
    return document;
}

json_t *stf_windows_capabilities(enum stf_windows_generation generation)
{
    json_t *tool_words = json_array(), *sources = json_array();
    for (int i = 0; i < STF_WINDOWS_TOOL_COUNT; i++)
        if (generations[generation].has_tool[i])
            json_array_append_new(tool_words, json_string(tools[i]));
    for (int i = 0; generations[generation].sources[i]; i++)
        json_array_append_new(sources, json_string(generations[generation].sources[i]));
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "generation", generations[generation].word, "tools", tool_words,
                     "ike_versions", generation >= STF_WINDOWS_2012 ? json_pack("[i, i]", 1, 2) : json_pack("[i]", 1),
                     "main_mode", phase_document(generation, STF_WINDOWS_MAIN_MODE), "quick_mode",
                     phase_document(generation, STF_WINDOWS_QUICK_MODE), "sources", sources);
}
