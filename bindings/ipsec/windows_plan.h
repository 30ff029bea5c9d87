/* windows_plan.h - a checked request, resolved to what one Windows host can do. Internal to bindings/ipsec: what
 * windows_render.c hands to the writers of scripts. SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "ipsec/traffic.h"
#include "ipsec/windows_capabilities.h"

enum { STF_WINDOWS_METHODS_MAX = 32, STF_WINDOWS_RULES_MAX = 256 };

struct stf_windows_method {
    const struct stf_windows_algorithm *encryption, *integrity, *group; /* AEAD: no integrity; ESP: no group */
};

/* Strings are checked: none can end a quotation of cmd.exe or netsh. */
struct stf_windows_plan {
    json_t *policy;
    const json_t *pairs;
    const char *name, *secret_file, *ca_name, *before, *auth;
    enum stf_windows_generation generation;
    enum stf_windows_tool tool;
    int ike_version;
    bool is_plan, is_bare;  /* bare: pass or drop, without IKE */
    const json_t *standing; /* what to remove (windows_state.h), for netsh's own prompt; NULL: for cmd.exe */
    struct stf_windows_method ike[STF_WINDOWS_METHODS_MAX], esp[STF_WINDOWS_METHODS_MAX];
    size_t ike_count, esp_count;
    const struct stf_windows_algorithm *pfs; /* NULL: none */
    long long ike_minutes, esp_seconds, esp_kilobytes;
    json_t *left_out;
};

/* One rule or filter to write: for ports, `local` or `remote` is a list, the other NULL. */
struct stf_windows_rule {
    const char *local_address, *remote_address;
    const char *protocol; /* tcp, udp, icmp, any */
    bool is_ipv6, is_exempt, is_server;
    const json_t *local_ports, *remote_ports;
};

/* Calls `write` for each rule of the plan: what is protected first, then what is exempt. */
typedef void (*stf_windows_write)(FILE *out, const struct stf_windows_plan *plan, const struct stf_windows_rule *rule,
                                  size_t number);
void stf_windows_each_rule(FILE *out, const struct stf_windows_plan *plan, stf_windows_write write);

/* Whether the rule asks for IPsec: nothing exempt does, nor anything of a bare policy. */
bool stf_windows_is_protected(const struct stf_windows_plan *plan, const struct stf_windows_rule *rule);

/* "110,143"; ranges are written as such. */
void stf_windows_print_ports(FILE *out, const json_t *ports);

/* "tcp 10.9.0.1:any 10.9.0.100:110,143", as facts have it. */
void stf_windows_print_ends(FILE *out, const struct stf_windows_rule *rule);

/* How a tool writes its three scripts, undo always as one to run (not `is_plan`), and a line for each fact that holds
 * after apply, as windows_state.h tells them from what show prints. */
struct stf_windows_writer {
    const char *language;
    void (*apply)(FILE *out, const struct stf_windows_plan *plan);
    void (*undo)(FILE *out, const struct stf_windows_plan *plan);
    void (*show)(FILE *out, const struct stf_windows_plan *plan);
    void (*facts)(FILE *out, const struct stf_windows_plan *plan);
};

extern const struct stf_windows_writer stf_windows_static, stf_windows_consec, stf_windows_powershell;
