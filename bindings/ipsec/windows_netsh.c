/* windows_netsh.c - scripts for cmd.exe with the commands of `netsh ipsec static` and of `netsh advfirewall`. Syntax:
 * Microsoft TechNet "Netsh commands for Internet Protocol security (IPSec)" (2003), dd736198 "Netsh AdvFirewall Consec
 * Commands", dd736066 "Netsh AdvFirewall MainMode Commands", KB 949856. Must never have a secret in the text.
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>

#include "ipsec/windows_plan.h"

static const char *action_of(const struct stf_windows_plan *plan)
{
    return json_string_value(json_object_get(plan->policy, "action"));
}

static bool is_action(const struct stf_windows_plan *plan, const char *action)
{
    return strcmp(action_of(plan), action) == 0;
}

static bool has_psk(const struct stf_windows_plan *plan)
{
    return !plan->is_bare && strcmp(plan->auth, "psk") == 0;
}

/* ---------- cmd.exe ---------- */

static void head(FILE *out, const struct stf_windows_plan *plan, const char *what)
{
    fprintf(out, "@echo off\nsetlocal EnableDelayedExpansion\nrem %s: %s, for %s\n", plan->name, what,
            stf_windows_generation_name(plan->generation));
}

static void left_out(FILE *out, const struct stf_windows_plan *plan)
{
    size_t i;
    json_t *text;
    json_array_foreach (plan->left_out, i, text)
        fprintf(out, "rem left out, not for this host: %s\n", json_string_value(text));
}

/* Begins a command that changes something; in a plan it is only a comment. */
static void begin(FILE *out, const struct stf_windows_plan *plan)
{
    fputs(plan->is_plan ? "rem would run: " : "", out);
}

static void end(FILE *out)
{
    fputs(" || exit /b 1\n", out);
}

/* The key goes from its file to netsh through a variable. Delayed expansion: cmd.exe does not parse what is in it. */
static void read_key(FILE *out, const struct stf_windows_plan *plan)
{
    if (!has_psk(plan))
        return;
    fprintf(out, "set \"STAFFETTA_PSK=\"\nset /p STAFFETTA_PSK=<\"%s\"\n", plan->secret_file);
    fprintf(out, "if not defined STAFFETTA_PSK echo no key in %s& exit /b 1\n", plan->secret_file);
}

/* ---------- netsh ipsec static ---------- */

static void static_remove(FILE *out, const struct stf_windows_plan *plan)
{
    static const char *const parts[] = {"protect", "exempt"};
    begin(out, plan);
    fprintf(out, "netsh ipsec static set policy name=\"%s\" assign=no\n", plan->name);
    begin(out, plan);
    fprintf(out, "netsh ipsec static delete policy name=\"%s\"\n", plan->name);
    for (int i = 0; i < 2; i++) {
        begin(out, plan);
        fprintf(out, "netsh ipsec static delete filterlist name=\"%s-%s\"\n", plan->name, parts[i]);
        begin(out, plan);
        fprintf(out, "netsh ipsec static delete filteraction name=\"%s-%s\"\n", plan->name, parts[i]);
    }
}

static void write_filter(FILE *out, const struct stf_windows_plan *plan, const struct stf_windows_rule *rule,
                         const json_t *local_port, const json_t *remote_port)
{
    begin(out, plan);
    fprintf(out, "netsh ipsec static add filter filterlist=\"%s-%s\" srcaddr=%s dstaddr=%s protocol=", plan->name,
            rule->is_exempt ? "exempt" : "protect", rule->local_address, rule->remote_address);
    for (const char *at = rule->protocol; *at; at++)
        fputc(toupper((unsigned char)*at), out);
    fputs(" mirrored=yes srcmask=32 dstmask=32", out);
    if (strcmp(rule->protocol, "tcp") == 0 || strcmp(rule->protocol, "udp") == 0)
        fprintf(out, " srcport=%" JSON_INTEGER_FORMAT " dstport=%" JSON_INTEGER_FORMAT, json_integer_value(local_port),
                json_integer_value(remote_port));
    end(out);
}

static void static_filter(FILE *out, const struct stf_windows_plan *plan, const struct stf_windows_rule *rule,
                          size_t number)
{
    const json_t *ports = rule->local_ports ? rule->local_ports : rule->remote_ports;
    (void)number;
    if (!ports)
        write_filter(out, plan, rule, NULL, NULL);
    for (size_t i = 0; i < json_array_size(ports); i++)
        write_filter(out, plan, rule, json_array_get(rule->local_ports, i), json_array_get(rule->remote_ports, i));
}

static void static_policy(FILE *out, const struct stf_windows_plan *plan)
{
    begin(out, plan);
    fprintf(out, "netsh ipsec static add policy name=\"%s\" activatedefaultrule=no assign=no", plan->name);
    if (!plan->is_bare) {
        fprintf(out, " mmpfs=no mmlifetime=%lld mmsecmethods=\"", plan->ike_minutes);
        for (size_t i = 0; i < plan->ike_count; i++)
            fprintf(out, "%s%s-%s-%s", i ? " " : "", plan->ike[i].encryption->name[STF_WINDOWS_STATIC],
                    plan->ike[i].integrity->name[STF_WINDOWS_STATIC], plan->ike[i].group->name[STF_WINDOWS_STATIC]);
        fputc('"', out);
    }
    end(out);
}

static void static_actions(FILE *out, const struct stf_windows_plan *plan)
{
    const char *clear = is_action(plan, "permit") ? "yes" : "no";
    begin(out, plan);
    fprintf(out, "netsh ipsec static add filteraction name=\"%s-protect\"", plan->name);
    if (plan->is_bare) {
        fprintf(out, " action=%s", is_action(plan, "drop") ? "block" : "permit");
    } else {
        fprintf(out, " qmpfs=%s inpass=%s soft=%s action=negotiate qmsecmethods=\"", plan->pfs ? "yes" : "no", clear,
                clear);
        for (size_t i = 0; i < plan->esp_count; i++)
            fprintf(out, "%sESP[%s,%s]:%lldk/%llds", i ? " " : "", plan->esp[i].encryption->name[STF_WINDOWS_STATIC],
                    plan->esp[i].integrity->name[STF_WINDOWS_STATIC], plan->esp_kilobytes, plan->esp_seconds);
        fputc('"', out);
    }
    end(out);
    begin(out, plan);
    fprintf(out, "netsh ipsec static add filteraction name=\"%s-exempt\" action=permit", plan->name);
    end(out);
}

static void static_rules(FILE *out, const struct stf_windows_plan *plan)
{
    static const char *const parts[] = {"exempt", "protect"};
    for (int i = 0; i < 2; i++) {
        begin(out, plan);
        fprintf(out,
                "netsh ipsec static add rule name=\"%s-%s\" policy=\"%s\" filterlist=\"%s-%s\" filteraction=\"%s-%s\" "
                "conntype=all",
                plan->name, parts[i], plan->name, plan->name, parts[i], plan->name, parts[i]);
        if (i == 1 && has_psk(plan))
            fputs(" kerberos=no psk=\"!STAFFETTA_PSK!\"", out);
        else if (i == 1 && !plan->is_bare && strcmp(plan->auth, "kerberos") == 0)
            fputs(" kerberos=yes", out);
        else if (i == 1 && !plan->is_bare)
            fprintf(out, " kerberos=no rootca=\"%s\"", plan->ca_name);
        end(out);
    }
}

static void static_apply(FILE *out, const struct stf_windows_plan *plan)
{
    head(out, plan, "netsh ipsec static");
    left_out(out, plan);
    read_key(out, plan);
    static_remove(out, plan);
    static_policy(out, plan);
    stf_windows_each_rule(out, plan, static_filter);
    static_actions(out, plan);
    static_rules(out, plan);
    begin(out, plan);
    fprintf(out, "netsh ipsec static set policy name=\"%s\" assign=yes", plan->name);
    end(out);
}

static void static_undo(FILE *out, const struct stf_windows_plan *plan)
{
    head(out, plan, "the way back");
    struct stf_windows_plan real = *plan;
    real.is_plan = false;
    static_remove(out, &real);
    if (plan->before) {
        fprintf(out, "netsh ipsec static set policy name=\"%s\" assign=yes", plan->before);
        end(out);
    }
}

static void static_show(FILE *out, const struct stf_windows_plan *plan)
{
    head(out, plan, "what stands");
    fprintf(out,
            "netsh ipsec static show gpoassignedpolicy\nnetsh ipsec static show policy name=\"%s\" level=verbose\n",
            plan->name);
}

/* ---------- netsh advfirewall ---------- */

static bool has_main_mode_rules(const struct stf_windows_plan *plan)
{
    return !plan->is_bare && plan->generation >= STF_WINDOWS_2008R2;
}

static bool has_global_main_mode(const struct stf_windows_plan *plan)
{
    return !plan->is_bare && plan->generation == STF_WINDOWS_2008;
}

/* By number up to the limit, so that what an earlier policy had more than this one goes too. */
static void consec_remove(FILE *out, const struct stf_windows_plan *plan)
{
    begin(out, plan);
    fprintf(out, "for /l %%%%i in (1,1,%d) do netsh advfirewall consec delete rule name=\"%s-%%%%i\" >nul\n",
            STF_WINDOWS_RULES_MAX, plan->name);
    if (plan->generation >= STF_WINDOWS_2008R2) {
        begin(out, plan);
        fprintf(out, "for /l %%%%i in (1,1,%d) do netsh advfirewall mainmode delete rule name=\"%s-%%%%i\" >nul\n",
                STF_WINDOWS_RULES_MAX, plan->name);
    }
}

static void consec_auth(FILE *out, const struct stf_windows_plan *plan)
{
    if (has_psk(plan))
        fputs(" auth1=computerpsk auth1psk=\"!STAFFETTA_PSK!\"", out);
    else if (strcmp(plan->auth, "kerberos") == 0)
        fputs(" auth1=computerkerb", out);
    else
        fprintf(out, " auth1=computercert auth1ca=\"%s\"", plan->ca_name);
}

static void main_mode_methods(FILE *out, const struct stf_windows_plan *plan)
{
    for (size_t i = 0; i < plan->ike_count; i++)
        fprintf(out, "%s%s:%s-%s", i ? "," : "", plan->ike[i].group->name[STF_WINDOWS_CONSEC],
                plan->ike[i].encryption->name[STF_WINDOWS_CONSEC], plan->ike[i].integrity->name[STF_WINDOWS_CONSEC]);
}

static void consec_main_mode(FILE *out, const struct stf_windows_plan *plan)
{
    size_t i;
    json_t *pair;
    if (has_global_main_mode(plan)) {
        begin(out, plan);
        fputs("netsh advfirewall set global mainmode mmsecmethods ", out);
        main_mode_methods(out, plan);
        end(out);
    }
    json_array_foreach (has_main_mode_rules(plan) ? plan->pairs : NULL, i, pair) {
        begin(out, plan);
        fprintf(out, "netsh advfirewall mainmode add rule name=\"%s-%zu\" endpoint1=%s endpoint2=%s", plan->name, i + 1,
                json_string_value(json_object_get(pair, "local_address")),
                json_string_value(json_object_get(pair, "remote_address")));
        consec_auth(out, plan);
        fprintf(out, " mmkeylifetime=%lldmin mmsecmethods=", plan->ike_minutes);
        main_mode_methods(out, plan);
        end(out);
    }
}

static void quick_mode_methods(FILE *out, const struct stf_windows_plan *plan)
{
    fprintf(out, " qmpfs=%s qmsecmethods=", plan->pfs ? plan->pfs->name[STF_WINDOWS_CONSEC] : "none");
    for (size_t i = 0; i < plan->esp_count; i++) {
        const char *encryption = plan->esp[i].encryption->name[STF_WINDOWS_CONSEC];
        fprintf(out, "%sesp:%s-%s+%lldmin+%lldkb", i ? "," : "",
                plan->esp[i].integrity ? plan->esp[i].integrity->name[STF_WINDOWS_CONSEC] : encryption, encryption,
                plan->esp_seconds / 60, plan->esp_kilobytes);
    }
}

static void consec_ports(FILE *out, const char *option, const json_t *ports)
{
    if (ports) {
        fputs(option, out);
        stf_windows_print_ports(out, ports);
    }
}

static void consec_rule(FILE *out, const struct stf_windows_plan *plan, const struct stf_windows_rule *rule,
                        size_t number)
{
    bool is_protected = !rule->is_exempt && !plan->is_bare;
    bool is_tunnel = is_protected && strcmp(json_string_value(json_object_get(plan->policy, "mode")), "tunnel") == 0;
    const char *protocol = strcmp(rule->protocol, "icmp") != 0 ? rule->protocol : rule->is_ipv6 ? "icmpv6" : "icmpv4";
    const char *action = !is_protected               ? "noauthentication"
                         : is_action(plan, "permit") ? "requestinrequestout"
                                                     : "requireinrequireout";
    begin(out, plan);
    fprintf(out, "netsh advfirewall consec add rule name=\"%s-%zu\" endpoint1=%s endpoint2=%s action=%s mode=%s",
            plan->name, number, rule->local_address, rule->remote_address, action, is_tunnel ? "tunnel" : "transport");
    if (is_tunnel)
        fprintf(out, " localtunnelendpoint=%s remotetunnelendpoint=%s", rule->local_address, rule->remote_address);
    consec_ports(out, " port1=", rule->local_ports);
    consec_ports(out, " port2=", rule->remote_ports);
    fprintf(out, " protocol=%s", protocol);
    if (is_protected) {
        consec_auth(out, plan);
        quick_mode_methods(out, plan);
    }
    end(out);
}

static void consec_apply(FILE *out, const struct stf_windows_plan *plan)
{
    head(out, plan, "netsh advfirewall");
    left_out(out, plan);
    read_key(out, plan);
    consec_remove(out, plan);
    consec_main_mode(out, plan);
    stf_windows_each_rule(out, plan, consec_rule);
}

static void consec_undo(FILE *out, const struct stf_windows_plan *plan)
{
    struct stf_windows_plan real = *plan;
    real.is_plan = false;
    head(out, plan, "the way back");
    consec_remove(out, &real);
    if (has_global_main_mode(plan)) {
        fprintf(out, "netsh advfirewall set global mainmode mmsecmethods \"%s\"", plan->before);
        end(out);
    }
}

static void consec_show(FILE *out, const struct stf_windows_plan *plan)
{
    head(out, plan, "what stands");
    if (has_global_main_mode(plan))
        fputs("netsh advfirewall show global\n", out);
    fputs("netsh advfirewall consec show rule name=all verbose\n", out);
    if (has_main_mode_rules(plan))
        fputs("netsh advfirewall mainmode show rule name=all verbose\n", out);
}

const struct stf_windows_writer stf_windows_static = {"netsh", static_apply, static_undo, static_show};
const struct stf_windows_writer stf_windows_consec = {"netsh", consec_apply, consec_undo, consec_show};
