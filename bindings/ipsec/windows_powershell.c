/* windows_powershell.c - scripts with the cmdlets of the NetSecurity module. Syntax: Microsoft's reference of
 * New-NetIPsecRule, New-NetIPsecMainModeRule, New-NetIPsec{MainMode,QuickMode}Crypto{Proposal,Set},
 * New-NetIPsecPhase1AuthSet and New-NetIPsecAuthProposal (Windows Server 2012). Must never have a secret in the text.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "ipsec/windows_plan.h"

enum { POWERSHELL = STF_WINDOWS_POWERSHELL };

/* Between single quotes PowerShell knows no escape but the doubled quote. */
static void quote(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        fputs(*text == '\'' ? "'" : "", out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void end(FILE *out, const struct stf_windows_plan *plan)
{
    fprintf(out, "%s | Out-Null\n", plan->is_plan ? " -WhatIf" : "");
}

static void head(FILE *out, const struct stf_windows_plan *plan, const char *what)
{
    fprintf(out, "# %s: %s, for %s\n$ErrorActionPreference = 'Stop'\n", plan->name, what,
            stf_windows_generation_name(plan->generation));
}

/* What there is of each policy: rules first, as they use the sets; and what is shown of each beside its name. The
 * lifetimes are members of MSFT_NetIKEQMCryptoProposal and MSFT_NetIKEMMCryptoSet (Microsoft's reference of these). */
static const struct {
    const char *word, *shown;
} kinds[] = {{"Rule", "IPsecRuleName; mode = [string]$_.Mode\n"
                      "    enabled = [string]$_.Enabled; inbound = [string]$_.InboundSecurity\n"
                      "    outbound = [string]$_.OutboundSecurity; protocol = [string]$port.Protocol\n"
                      "    local_address = @($address.LocalAddress); remote_address = @($address.RemoteAddress)\n"
                      "    local_port = @($port.LocalPort); remote_port = @($port.RemotePort)"},
             {"MainModeRule", "Name"},
             {"QuickModeCryptoSet", "Name; minutes = @($_.Proposals.MaxLifetimeMinutes)\n"
                                    "    kilobytes = @($_.Proposals.MaxLifetimeKilobytes)"},
             {"MainModeCryptoSet", "Name; minutes = @($_.MaxLifetimeMinutes)"},
             {"Phase1AuthSet", "Name"}};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

static void remove_all(FILE *out, const struct stf_windows_plan *plan)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        fprintf(
            out,
            "Get-NetIPsec%s -PolicyStore PersistentStore -ErrorAction SilentlyContinue | Where-Object { $_.Group -ceq "
            "'%s' } | Remove-NetIPsec%s%s\n",
            kinds[i].word, plan->name, kinds[i].word, plan->is_plan ? " -WhatIf" : "");
}

static void auth_set(FILE *out, const struct stf_windows_plan *plan)
{
    if (strcmp(plan->auth, "psk") == 0) {
        fputs("$key = Get-Content -LiteralPath ", out);
        quote(out, plan->secret_file);
        fputs(" -TotalCount 1\nif (-not $key) { throw 'the file with the key is empty' }\n", out);
        fputs("$proof = New-NetIPsecAuthProposal -Machine -PreSharedKey $key\n", out);
    } else if (strcmp(plan->auth, "kerberos") == 0) {
        fputs("$proof = New-NetIPsecAuthProposal -Machine -Kerberos\n", out);
    } else {
        fputs("$proof = New-NetIPsecAuthProposal -Machine -Cert -Authority ", out);
        quote(out, plan->ca_name);
        fputs(" -AuthorityType Root\n", out);
    }
}

static void proposals(FILE *out, const struct stf_windows_plan *plan)
{
    fputs("$main = @()\n", out);
    for (size_t i = 0; i < plan->ike_count; i++)
        fprintf(out, "$main += New-NetIPsecMainModeCryptoProposal -Encryption %s -Hash %s -KeyExchange %s\n",
                plan->ike[i].encryption->name[POWERSHELL], plan->ike[i].integrity->name[POWERSHELL],
                plan->ike[i].group->name[POWERSHELL]);
    fputs("$quick = @()\n", out);
    for (size_t i = 0; i < plan->esp_count; i++) {
        const char *encryption = plan->esp[i].encryption->name[POWERSHELL];
        fprintf(out, "$quick += New-NetIPsecQuickModeCryptoProposal -Encapsulation ESP -Encryption %s -ESPHash ",
                encryption);
        if (plan->esp[i].integrity)
            fputs(plan->esp[i].integrity->name[POWERSHELL], out);
        else
            fprintf(out, "AESGMAC%s", encryption + strlen("AESGCM"));
        fprintf(out, " -MaxMinutes %lld -MaxKiloBytes %lld\n", plan->esp_seconds / 60, plan->esp_kilobytes);
    }
}

/* The members that each object has; the rule's own name is IPsecRuleName. */
static void begin_new(FILE *out, const struct stf_windows_plan *plan, const char *cmdlet, const char *name_option,
                      size_t number)
{
    char suffix[24] = "";
    if (number)
        snprintf(suffix, sizeof suffix, "-%zu", number);
    fprintf(out, "New-NetIPsec%s -PolicyStore PersistentStore -%s '%s%s' -DisplayName '%s%s' -Group '%s'", cmdlet,
            name_option, plan->name, suffix, plan->name, suffix, plan->name);
}

static void sets(FILE *out, const struct stf_windows_plan *plan)
{
    size_t i;
    json_t *pair;
    begin_new(out, plan, "MainModeCryptoSet", "Name", 0);
    fprintf(out, " -MaxMinutes %lld -Proposal $main", plan->ike_minutes);
    end(out, plan);
    begin_new(out, plan, "QuickModeCryptoSet", "Name", 0);
    fprintf(out, " -PerfectForwardSecrecyGroup %s -Proposal $quick", plan->pfs ? plan->pfs->name[POWERSHELL] : "None");
    end(out, plan);
    begin_new(out, plan, "Phase1AuthSet", "Name", 0);
    fputs(" -Proposal $proof", out);
    end(out, plan);
    json_array_foreach (plan->pairs, i, pair) {
        begin_new(out, plan, "MainModeRule", "Name", i + 1);
        fprintf(out, " -LocalAddress '%s' -RemoteAddress '%s' -MainModeCryptoSet '%s' -Phase1AuthSet '%s'",
                json_string_value(json_object_get(pair, "local_address")),
                json_string_value(json_object_get(pair, "remote_address")), plan->name, plan->name);
        end(out, plan);
    }
}

/* Each port as a string of its own: -RemotePort '110','143'. */
static void ports_option(FILE *out, const char *option, const json_t *ports)
{
    size_t i;
    json_t *port;
    json_array_foreach (ports, i, port) {
        fputs(i ? ",'" : option, out);
        fputs(i ? "" : "'", out);
        if (json_is_string(port))
            fputs(json_string_value(port), out);
        else
            fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(port));
        fputc('\'', out);
    }
}

static const char *protocol_of(const struct stf_windows_rule *rule)
{
    if (strcmp(rule->protocol, "icmp") == 0)
        return rule->is_ipv6 ? "ICMPv6" : "ICMPv4";
    return strcmp(rule->protocol, "tcp") == 0 ? "TCP" : strcmp(rule->protocol, "udp") == 0 ? "UDP" : "Any";
}

static bool is_tunnel(const struct stf_windows_plan *plan, const struct stf_windows_rule *rule)
{
    return stf_windows_is_protected(plan, rule) &&
           strcmp(json_string_value(json_object_get(plan->policy, "mode")), "tunnel") == 0;
}

static const char *security_of(const struct stf_windows_plan *plan, const struct stf_windows_rule *rule)
{
    if (!stf_windows_is_protected(plan, rule))
        return "None";
    return strcmp(json_string_value(json_object_get(plan->policy, "action")), "require") == 0 ? "Require" : "Request";
}

static void write_rule(FILE *out, const struct stf_windows_plan *plan, const struct stf_windows_rule *rule,
                       size_t number)
{
    const char *security = security_of(plan, rule);
    begin_new(out, plan, "Rule", "IPsecRuleName", number);
    fprintf(out, " -Mode %s", is_tunnel(plan, rule) ? "Tunnel" : "Transport");
    if (is_tunnel(plan, rule))
        fprintf(out, " -LocalTunnelEndpoint '%s' -RemoteTunnelEndpoint '%s'", rule->local_address,
                rule->remote_address);
    fprintf(out, " -LocalAddress '%s' -RemoteAddress '%s' -Protocol %s", rule->local_address, rule->remote_address,
            protocol_of(rule));
    ports_option(out, " -LocalPort ", rule->local_ports);
    ports_option(out, " -RemotePort ", rule->remote_ports);
    fprintf(out, " -InboundSecurity %s -OutboundSecurity %s", security, security);
    if (stf_windows_is_protected(plan, rule))
        fprintf(out, " -KeyModule %s -Phase1AuthSet '%s' -QuickModeCryptoSet '%s'",
                plan->ike_version == 2                ? "IKEv2"
                : strcmp(plan->auth, "kerberos") == 0 ? "Default"
                                                      : "IKEv1",
                plan->name, plan->name);
    end(out, plan);
}

static void apply(FILE *out, const struct stf_windows_plan *plan)
{
    size_t i;
    json_t *text;
    head(out, plan, "New-NetIPsecRule");
    json_array_foreach (plan->left_out, i, text)
        fprintf(out, "# left out, not for this host: %s\n", json_string_value(text));
    if (!plan->is_bare) {
        auth_set(out, plan);
        proposals(out, plan);
    }
    remove_all(out, plan);
    if (!plan->is_bare)
        sets(out, plan);
    stf_windows_each_rule(out, plan, write_rule);
}

static void undo(FILE *out, const struct stf_windows_plan *plan)
{
    head(out, plan, "the way back");
    remove_all(out, plan);
}

/* One JSON array with the members that windows_state.h knows, whatever culture and version the host has. */
static void show(FILE *out, const struct stf_windows_plan *plan)
{
    head(out, plan, "what stands");
    fputs("$found = @()\n", out);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        fprintf(out,
                "$found += @(Get-NetIPsec%s -PolicyStore PersistentStore -ErrorAction SilentlyContinue | Where-Object "
                "{ $_.Group -ceq '%s' } | ForEach-Object {\n",
                kinds[i].word, plan->name);
        if (i == 0)
            fputs("  $address = $_ | Get-NetFirewallAddressFilter\n  $port = $_ | Get-NetFirewallPortFilter\n", out);
        fprintf(out, "  [PSCustomObject]@{ kind = '%s'; name = [string]$_.%s }\n", kinds[i].word, kinds[i].shown);
        fputs("})\n", out);
    }
    fputs("ConvertTo-Json -InputObject $found -Depth 3\n", out);
}

static void print_rule_fact(FILE *out, const struct stf_windows_plan *plan, const struct stf_windows_rule *rule,
                            size_t number)
{
    struct stf_windows_rule named = *rule;
    named.protocol = protocol_of(rule);
    fprintf(out, "Rule %s-%zu ", plan->name, number);
    stf_windows_print_ends(out, &named);
    fprintf(out, " %s %s %s enabled true\n", security_of(plan, rule), security_of(plan, rule),
            is_tunnel(plan, rule) ? "Tunnel" : "Transport");
}

/* The limit that each of `count` proposals has: " minutes 60,60". */
static void print_limit(FILE *out, const char *unit, long long number, size_t count)
{
    fprintf(out, " %s ", unit);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%lld", i ? "," : "", number);
}

static void facts(FILE *out, const struct stf_windows_plan *plan)
{
    stf_windows_each_rule(out, plan, print_rule_fact);
    if (plan->is_bare)
        return;
    for (size_t i = 0; i < json_array_size(plan->pairs); i++)
        fprintf(out, "MainModeRule %s-%zu\n", plan->name, i + 1);
    fprintf(out, "QuickModeCryptoSet %s", plan->name);
    print_limit(out, "minutes", plan->esp_seconds / 60, plan->esp_count);
    print_limit(out, "kilobytes", plan->esp_kilobytes, plan->esp_count);
    fprintf(out, "\nMainModeCryptoSet %s minutes %lld\n", plan->name, plan->ike_minutes);
    fprintf(out, "Phase1AuthSet %s\n", plan->name);
}

const struct stf_windows_writer stf_windows_powershell = {"powershell", apply, undo, show, facts};
