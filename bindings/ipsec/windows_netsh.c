/* windows_netsh.c - the commands of `netsh ipsec static` and of `netsh advfirewall`, for cmd.exe or `netsh -f`. Syntax:
 * Microsoft TechNet "Netsh commands for Internet Protocol security (IPSec)" (2003), dd736198 "Netsh AdvFirewall Consec
 * Commands", dd736066 "Netsh AdvFirewall MainMode Commands", KB 949856. Must never have a secret in the text.
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>

#include "ipsec/windows_plan.h"
#include "ipsec/windows_render.h"

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

/* ---------- cmd.exe, or netsh -f ---------- */

static bool is_for_cmd(const struct stf_windows_plan *plan)
{
    return plan->standing == NULL;
}

static void head(FILE *out, const struct stf_windows_plan *plan, const char *what)
{
    if (is_for_cmd(plan))
        fprintf(out, "@echo off\nsetlocal EnableDelayedExpansion\nrem %s: %s, for %s\n", plan->name, what,
                stf_windows_generation_name(plan->generation));
}

static void left_out(FILE *out, const struct stf_windows_plan *plan)
{
    size_t i;
    json_t *text;
    json_array_foreach (is_for_cmd(plan) ? plan->left_out : NULL, i, text)
        fprintf(out, "rem left out, not for this host: %s\n", json_string_value(text));
}

static void begin_line(FILE *out, const struct stf_windows_plan *plan)
{
    fputs(plan->is_plan ? "rem would run: " : "", out);
}

/* Begins a command that changes something; in a plan it is only a comment. */
static void begin(FILE *out, const struct stf_windows_plan *plan)
{
    begin_line(out, plan);
    fputs(is_for_cmd(plan) ? "netsh " : "", out);
}

static void end(FILE *out, const struct stf_windows_plan *plan)
{
    fputs(is_for_cmd(plan) ? " || exit /b 1\n" : "\n", out);
}

static void show_line(FILE *out, const struct stf_windows_plan *plan, const char *command)
{
    fprintf(out, "%s%s\n", is_for_cmd(plan) ? "netsh " : "", command);
}

/* The key goes from its file to netsh through a variable. Delayed expansion: cmd.exe does not parse what is in it. */
static void read_key(FILE *out, const struct stf_windows_plan *plan)
{
    if (!has_psk(plan) || !is_for_cmd(plan))
        return;
    fprintf(out, "set \"STAFFETTA_PSK=\"\nset /p STAFFETTA_PSK=<\"%s\"\n", plan->secret_file);
    fprintf(out, "if not defined STAFFETTA_PSK echo no key in %s& exit /b 1\n", plan->secret_file);
}

/* COMMAND name="NAME"OPTIONS for what stands of one kind (windows_state.h). */
static void each_standing(FILE *out, const struct stf_windows_plan *plan, const char *kind, const char *command,
                          const char *options)
{
    size_t i;
    json_t *item;
    json_array_foreach (plan->standing, i, item)
        if (strcmp(json_string_value(json_object_get(item, "kind")), kind) == 0)
            fprintf(out, "%s name=\"%s\"%s\n", command, json_string_value(json_object_get(item, "name")), options);
}

/* ---------- netsh ipsec static ---------- */

static void static_remove(FILE *out, const struct stf_windows_plan *plan)
{
    static const char *const parts[] = {"protect", "exempt"};
    if (!is_for_cmd(plan)) {
        each_standing(out, plan, "policy", "ipsec static set policy", " assign=no");
        each_standing(out, plan, "policy", "ipsec static delete policy", "");
        each_standing(out, plan, "filterlist", "ipsec static delete filterlist", "");
        each_standing(out, plan, "filteraction", "ipsec static delete filteraction", "");
        return;
    }
    begin(out, plan);
    fprintf(out, "ipsec static set policy name=\"%s\" assign=no\n", plan->name);
    begin(out, plan);
    fprintf(out, "ipsec static delete policy name=\"%s\"\n", plan->name);
    for (int i = 0; i < 2; i++) {
        begin(out, plan);
        fprintf(out, "ipsec static delete filterlist name=\"%s-%s\"\n", plan->name, parts[i]);
        begin(out, plan);
        fprintf(out, "ipsec static delete filteraction name=\"%s-%s\"\n", plan->name, parts[i]);
    }
}

static void write_filter(FILE *out, const struct stf_windows_plan *plan, const struct stf_windows_rule *rule,
                         const json_t *local_port, const json_t *remote_port)
{
    begin(out, plan);
    fprintf(out, "ipsec static add filter filterlist=\"%s-%s\" srcaddr=%s dstaddr=%s protocol=", plan->name,
            rule->is_exempt ? "exempt" : "protect", rule->local_address, rule->remote_address);
    for (const char *at = rule->protocol; *at; at++)
        fputc(toupper((unsigned char)*at), out);
    fputs(" mirrored=yes srcmask=32 dstmask=32", out);
    if (strcmp(rule->protocol, "tcp") == 0 || strcmp(rule->protocol, "udp") == 0)
        fprintf(out, " srcport=%" JSON_INTEGER_FORMAT " dstport=%" JSON_INTEGER_FORMAT, json_integer_value(local_port),
                json_integer_value(remote_port));
    end(out, plan);
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
    fprintf(out, "ipsec static add policy name=\"%s\" activatedefaultrule=no assign=no", plan->name);
    if (!plan->is_bare) {
        fprintf(out, " mmpfs=no mmlifetime=%lld mmsecmethods=\"", plan->ike_minutes);
        for (size_t i = 0; i < plan->ike_count; i++)
            fprintf(out, "%s%s-%s-%s", i ? " " : "", plan->ike[i].encryption->name[STF_WINDOWS_STATIC],
                    plan->ike[i].integrity->name[STF_WINDOWS_STATIC], plan->ike[i].group->name[STF_WINDOWS_STATIC]);
        fputc('"', out);
    }
    end(out, plan);
}

static void static_actions(FILE *out, const struct stf_windows_plan *plan)
{
    const char *clear = is_action(plan, "permit") ? "yes" : "no";
    begin(out, plan);
    fprintf(out, "ipsec static add filteraction name=\"%s-protect\"", plan->name);
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
    end(out, plan);
    begin(out, plan);
    fprintf(out, "ipsec static add filteraction name=\"%s-exempt\" action=permit", plan->name);
    end(out, plan);
}

static void static_rules(FILE *out, const struct stf_windows_plan *plan)
{
    static const char *const parts[] = {"exempt", "protect"};
    for (int i = 0; i < 2; i++) {
        begin(out, plan);
        fprintf(out,
                "ipsec static add rule name=\"%s-%s\" policy=\"%s\" filterlist=\"%s-%s\" filteraction=\"%s-%s\" "
                "conntype=all",
                plan->name, parts[i], plan->name, plan->name, parts[i], plan->name, parts[i]);
        if (i == 1 && has_psk(plan))
            fputs(" kerberos=no psk=\"" STF_WINDOWS_KEY "\"", out);
        else if (i == 1 && !plan->is_bare && strcmp(plan->auth, "kerberos") == 0)
            fputs(" kerberos=yes", out);
        else if (i == 1 && !plan->is_bare)
            fprintf(out, " kerberos=no rootca=\"%s\"", plan->ca_name);
        end(out, plan);
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
    fprintf(out, "ipsec static set policy name=\"%s\" assign=yes", plan->name);
    end(out, plan);
}

static void static_undo(FILE *out, const struct stf_windows_plan *plan)
{
    head(out, plan, "the way back");
    static_remove(out, plan);
    if (plan->before) {
        begin(out, plan);
        fprintf(out, "ipsec static set policy name=\"%s\" assign=yes", plan->before);
        end(out, plan);
    }
}

static void static_show(FILE *out, const struct stf_windows_plan *plan)
{
    head(out, plan, "what stands");
    show_line(out, plan, "ipsec static show policy all level=verbose");
    show_line(out, plan, "ipsec static show filterlist all level=verbose");
    show_line(out, plan, "ipsec static show filteraction all level=verbose");
}

static void print_filter_fact(FILE *out, const struct stf_windows_plan *plan, const struct stf_windows_rule *rule,
                              size_t number)
{
    const json_t *ports = rule->local_ports ? rule->local_ports : rule->remote_ports;
    const char *part = rule->is_exempt ? "exempt" : "protect";
    (void)number;
    for (size_t i = 0; i < (ports ? json_array_size(ports) : 1); i++) {
        json_t *port = ports ? json_pack("[O]", json_array_get(ports, i)) : NULL;
        struct stf_windows_rule one = *rule;
        one.local_ports = rule->local_ports ? port : NULL;
        one.remote_ports = rule->remote_ports ? port : NULL;
        fprintf(out, "filter %s-%s ", plan->name, part);
        stf_windows_print_ends(out, &one);
        fputs(" mirrored yes\n", out);
        json_decref(port);
    }
}

static void static_facts(FILE *out, const struct stf_windows_plan *plan)
{
    const char *clear = is_action(plan, "permit") ? "yes" : "no", *name = plan->name;
    fprintf(out, "policy %s assigned yes\n", name);
    fprintf(out, "rule %s-protect %s-protect %s-protect\n", name, name, name);
    fprintf(out, "rule %s-exempt %s-exempt %s-exempt\n", name, name, name);
    fprintf(out, "filterlist %s-protect\nfilterlist %s-exempt\n", name, name);
    fprintf(out, "filteraction %s-exempt permit\n", name);
    if (plan->is_bare)
        fprintf(out, "filteraction %s-protect %s\n", name, is_action(plan, "drop") ? "block" : "permit");
    else
        fprintf(out, "filteraction %s-protect negotiate clear in %s out %s\n", name, clear, clear);
    stf_windows_each_rule(out, plan, print_filter_fact);
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
    static const char *const contexts[] = {"consec", "mainmode"};
    if (!is_for_cmd(plan)) {
        each_standing(out, plan, "rule", "advfirewall consec delete rule", "");
        each_standing(out, plan, "mainmode", "advfirewall mainmode delete rule", "");
        return;
    }
    for (int i = 0; i < (plan->generation >= STF_WINDOWS_2008R2 ? 2 : 1); i++) {
        begin_line(out, plan);
        fprintf(out, "for /l %%%%i in (1,1,%d) do netsh advfirewall %s delete rule name=\"%s-%%%%i\" >nul\n",
                STF_WINDOWS_RULES_MAX, contexts[i], plan->name);
    }
}

static const char *consec_auth_word(const struct stf_windows_plan *plan)
{
    return has_psk(plan) ? "computerpsk" : strcmp(plan->auth, "kerberos") == 0 ? "computerkerb" : "computercert";
}

static void consec_auth(FILE *out, const struct stf_windows_plan *plan)
{
    fprintf(out, " auth1=%s", consec_auth_word(plan));
    if (has_psk(plan))
        fputs(" auth1psk=\"" STF_WINDOWS_KEY "\"", out);
    else if (strcmp(plan->auth, "certificate") == 0)
        fprintf(out, " auth1ca=\"%s\"", plan->ca_name);
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
        fputs("advfirewall set global mainmode mmsecmethods ", out);
        main_mode_methods(out, plan);
        end(out, plan);
    }
    json_array_foreach (has_main_mode_rules(plan) ? plan->pairs : NULL, i, pair) {
        begin(out, plan);
        fprintf(out, "advfirewall mainmode add rule name=\"%s-%zu\" endpoint1=%s endpoint2=%s", plan->name, i + 1,
                json_string_value(json_object_get(pair, "local_address")),
                json_string_value(json_object_get(pair, "remote_address")));
        consec_auth(out, plan);
        fprintf(out, " mmkeylifetime=%lldmin mmsecmethods=", plan->ike_minutes);
        main_mode_methods(out, plan);
        end(out, plan);
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

static const char *consec_action(const struct stf_windows_plan *plan, const struct stf_windows_rule *rule)
{
    if (!stf_windows_is_protected(plan, rule))
        return "noauthentication";
    return is_action(plan, "permit") ? "requestinrequestout" : "requireinrequireout";
}

static const char *consec_protocol(const struct stf_windows_rule *rule)
{
    return strcmp(rule->protocol, "icmp") != 0 ? rule->protocol : rule->is_ipv6 ? "icmpv6" : "icmpv4";
}

static const char *consec_mode(const struct stf_windows_plan *plan, const struct stf_windows_rule *rule)
{
    const char *mode = json_string_value(json_object_get(plan->policy, "mode"));
    return stf_windows_is_protected(plan, rule) ? mode : "transport";
}

static void consec_rule(FILE *out, const struct stf_windows_plan *plan, const struct stf_windows_rule *rule,
                        size_t number)
{
    const char *mode = consec_mode(plan, rule);
    begin(out, plan);
    fprintf(out, "advfirewall consec add rule name=\"%s-%zu\" endpoint1=%s endpoint2=%s action=%s mode=%s", plan->name,
            number, rule->local_address, rule->remote_address, consec_action(plan, rule), mode);
    if (strcmp(mode, "tunnel") == 0)
        fprintf(out, " localtunnelendpoint=%s remotetunnelendpoint=%s", rule->local_address, rule->remote_address);
    consec_ports(out, " port1=", rule->local_ports);
    consec_ports(out, " port2=", rule->remote_ports);
    fprintf(out, " protocol=%s", consec_protocol(rule));
    if (stf_windows_is_protected(plan, rule)) {
        consec_auth(out, plan);
        quick_mode_methods(out, plan);
    }
    end(out, plan);
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
    head(out, plan, "the way back");
    consec_remove(out, plan);
    if (has_global_main_mode(plan)) {
        begin(out, plan);
        fprintf(out, "advfirewall set global mainmode mmsecmethods \"%s\"", plan->before);
        end(out, plan);
    }
}

static void consec_show(FILE *out, const struct stf_windows_plan *plan)
{
    head(out, plan, "what stands");
    if (plan->generation == STF_WINDOWS_2008 && is_for_cmd(plan))
        show_line(out, plan, "advfirewall show global");
    show_line(out, plan, "advfirewall consec show rule name=all verbose");
    if (plan->generation >= STF_WINDOWS_2008R2)
        show_line(out, plan, "advfirewall mainmode show rule name=all verbose");
}

static void print_consec_fact(FILE *out, const struct stf_windows_plan *plan, const struct stf_windows_rule *rule,
                              size_t number)
{
    struct stf_windows_rule named = *rule;
    named.protocol = consec_protocol(rule);
    fprintf(out, "rule %s-%zu ", plan->name, number);
    stf_windows_print_ends(out, &named);
    fprintf(out, " %s %s enabled yes", consec_action(plan, rule), consec_mode(plan, rule));
    if (stf_windows_is_protected(plan, rule)) {
        fprintf(out, " %s", consec_auth_word(plan));
        quick_mode_methods(out, plan);
    }
    fputc('\n', out);
}

static void consec_facts(FILE *out, const struct stf_windows_plan *plan)
{
    size_t i;
    json_t *pair;
    stf_windows_each_rule(out, plan, print_consec_fact);
    json_array_foreach (has_main_mode_rules(plan) ? plan->pairs : NULL, i, pair)
        fprintf(out, "mainmode %s-%zu %s %s\n", plan->name, i + 1,
                json_string_value(json_object_get(pair, "local_address")),
                json_string_value(json_object_get(pair, "remote_address")));
}

const struct stf_windows_writer stf_windows_static = {"netsh", static_apply, static_undo, static_show, static_facts};
const struct stf_windows_writer stf_windows_consec = {"netsh", consec_apply, consec_undo, consec_show, consec_facts};
