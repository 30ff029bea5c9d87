/* xfrm_as_ip.c - prints documents as iproute2 6.1 prints the same entries, details and statistics included.
 * SPDX-License-Identifier: MIT */
#include "xfrm_as_ip.h"

#include <inttypes.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *text(const json_t *doc, const char *key)
{
    const char *found = json_string_value(json_object_get(doc, key));
    return found ? found : "?";
}

static json_int_t number(const json_t *doc, const char *key)
{
    return json_integer_value(json_object_get(doc, key));
}

/* ---------- parts of both ---------- */

static void print_selector(FILE *out, const json_t *selector)
{
    const char *protocol = text(selector, "protocol");
    bool is_icmp = strncmp(protocol, "icmp", 4) == 0;
    fprintf(out, "src %s dst %s ", text(selector, "source"), text(selector, "destination"));
    if (strcmp(protocol, "any") != 0)
        fprintf(out, "proto %s ", strcmp(protocol, "icmpv6") == 0 ? "ipv6-icmp" : protocol);
    if (json_object_get(selector, "source_port"))
        fprintf(out, "%s %d ", is_icmp ? "type" : "sport", (int)number(selector, "source_port"));
    if (json_object_get(selector, "destination_port"))
        fprintf(out, "%s %d ", is_icmp ? "code" : "dport", (int)number(selector, "destination_port"));
    if (json_object_get(selector, "interface_index")) /* a test's namespaces have just these two */
        fprintf(out, "dev %s ", number(selector, "interface_index") == 1 ? "lo" : "eth0");
    fprintf(out, "uid %d\n", (int)number(selector, "user_id"));
}

static void print_limit(FILE *out, const json_t *limits, const char *unit)
{
    char key[32];
    fputs("\t  limit:", out);
    for (int is_hard = 0; is_hard < 2; is_hard++) {
        snprintf(key, sizeof key, "%s_%s", is_hard ? "hard" : "soft", unit);
        fputs(is_hard ? ", hard " : " soft ", out);
        if (json_object_get(limits, key))
            fprintf(out, "%" JSON_INTEGER_FORMAT, number(limits, key));
        else
            fputs("(INF)", out);
        fprintf(out, "(%s)", unit);
    }
    fputc('\n', out);
}

static void print_time(FILE *out, const char *name, const json_t *lifetime, const char *key)
{
    char when[32] = "-";
    time_t seconds = (time_t)number(lifetime, key);
    struct tm parts;
    if (seconds)
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &parts));
    fprintf(out, "%s %s", name, when);
}

static void print_lifetime(FILE *out, const json_t *doc)
{
    const json_t *limits = json_object_get(doc, "limits"), *lifetime = json_object_get(doc, "lifetime");
    fputs("\tlifetime config:\n", out);
    print_limit(out, limits, "bytes");
    print_limit(out, limits, "packets");
    fprintf(out, "\t  expire add: soft %d(sec), hard %d(sec)\n", (int)number(limits, "soft_added_s"),
            (int)number(limits, "hard_added_s"));
    fprintf(out, "\t  expire use: soft %d(sec), hard %d(sec)\n", (int)number(limits, "soft_used_s"),
            (int)number(limits, "hard_used_s"));
    fprintf(out, "\tlifetime current:\n\t  %d(bytes), %d(packets)\n\t  ", (int)number(lifetime, "bytes"),
            (int)number(lifetime, "packets"));
    print_time(out, "add", lifetime, "added_unix_s");
    print_time(out, " use", lifetime, "used_unix_s");
    fputc('\n', out);
}

/* ip ends a policy's mark with a space, and an SA's with its output mark. */
static void print_mark(FILE *out, const json_t *doc)
{
    const json_t *mark = json_object_get(doc, "mark"), *output_mark = json_object_get(doc, "output_mark");
    if (mark)
        fprintf(out, "\tmark 0x%x/0x%x ", (unsigned)number(mark, "value"), (unsigned)number(mark, "mask"));
    if (output_mark)
        fprintf(out, "output-mark 0x%x/0x%x", (unsigned)number(output_mark, "value"),
                (unsigned)number(output_mark, "mask"));
    if (mark)
        fputc('\n', out);
}

static void print_if_id(FILE *out, const json_t *doc)
{
    if (json_object_get(doc, "if_id"))
        fprintf(out, "\tif_id 0x%x\n", (unsigned)number(doc, "if_id"));
}

/* Names with one space between them, then all eight bits as digits. */
static void print_flags(FILE *out, const json_t *names, const char *const known[8])
{
    size_t i;
    json_t *name;
    char digits[9] = "00000000";
    json_array_foreach (names, i, name) {
        for (int bit = 0; bit < 8; bit++)
            if (known[bit] && strcmp(json_string_value(name), known[bit]) == 0)
                digits[7 - bit] = '1';
    }
    const char *space = "";
    for (int bit = 0; bit < 8; bit++) {
        if (digits[7 - bit] != '1')
            continue;
        fprintf(out, "%s%s", space,
                strcmp(known[bit], "decap_dscp") == 0  ? "decap-dscp"
                : strcmp(known[bit], "af_unspec") == 0 ? "af-unspec"
                                                       : known[bit]);
        space = " ";
    }
    fprintf(out, " (0x%s)\n", digits);
}

/* ---------- policies ---------- */

static void print_template(FILE *out, const json_t *template)
{
    unsigned long spi = json_object_get(template, "spi") ? strtoul(text(template, "spi"), NULL, 16) : 0;
    unsigned reqid = (unsigned)number(template, "reqid");
    fprintf(out, "\ttmpl src %s dst %s\n", text(template, "source"), text(template, "destination"));
    fprintf(out, "\t\tproto %s spi 0x%08lx(%lu) reqid %u(0x%08x) mode %s\n", text(template, "protocol"), spi, spi,
            reqid, reqid, text(template, "mode"));
    fprintf(out, "\t\tlevel %s share any \n", text(template, "level"));
    fputs("\t\tenc-mask ffffffff auth-mask ffffffff comp-mask ffffffff\n", out);
}

static void print_policy(FILE *out, const json_t *policy)
{
    static const char *const flags[8] = {"localok", "icmp"};
    size_t i;
    json_t *template;
    print_selector(out, json_object_get(policy, "selector"));
    fputc('\t', out);
    if (json_object_get(policy, "is_of_socket"))
        fputs("socket ", out);
    else
        fputs("dir ", out);
    fprintf(out, "%s action %s index %u priority %u ptype %s share any flag ", text(policy, "direction"),
            text(policy, "action"), (unsigned)number(policy, "index"), (unsigned)number(policy, "priority"),
            text(policy, "type"));
    print_flags(out, json_object_get(policy, "flags"), flags);
    print_lifetime(out, policy);
    print_mark(out, policy);
    json_array_foreach (json_object_get(policy, "templates"), i, template)
        print_template(out, template);
    print_if_id(out, policy);
}

/* ---------- associations ---------- */

static void print_algorithm(FILE *out, const char *name, const json_t *algorithm)
{
    if (!algorithm)
        return;
    fprintf(out, "\t%s %s <<Keys hidden>>", name, text(algorithm, "name"));
    if (json_object_get(algorithm, "check_bits"))
        fprintf(out, " %d", (int)number(algorithm, "check_bits"));
    fputc('\n', out);
}

static void print_encap(FILE *out, const json_t *encap, bool is_ipv6)
{
    if (!encap)
        return;
    const char *type = text(encap, "type");
    fprintf(out, "\tencap type %s sport %d dport %d addr %s\n", strcmp(type, "esp_in_udp") == 0 ? "espinudp" : type,
            (int)number(encap, "source_port"), (int)number(encap, "destination_port"),
            json_object_get(encap, "original_address") ? text(encap, "original_address")
            : is_ipv6                                  ? "::"
                                                       : "0.0.0.0");
}

static bool has_flag(const json_t *sa, const char *name)
{
    size_t i;
    json_t *flag;
    json_array_foreach (json_object_get(sa, "flags"), i, flag)
        if (strcmp(json_string_value(flag), name) == 0)
            return true;
    return false;
}

static void print_replay(FILE *out, const json_t *replay)
{
    uint64_t in = (uint64_t)number(replay, "sequence_in"), to = (uint64_t)number(replay, "sequence_out");
    int window_packets = (int)number(replay, "window_packets");
    if (json_is_false(json_object_get(replay, "is_esn"))) {
        fprintf(out, "\tanti-replay context: seq 0x%x, oseq 0x%x, bitmap 0x########\n", (unsigned)in, (unsigned)to);
        return;
    }
    fprintf(out, "\tanti-replay esn context:\n\t seq-hi 0x%x, seq 0x%x, oseq-hi 0x%x, oseq 0x%x\n",
            (unsigned)(in >> 32), (unsigned)in, (unsigned)(to >> 32), (unsigned)to);
    fprintf(out, "\t replay_window %d, bitmap-length %d\n\t", window_packets, (window_packets + 31) / 32);
    for (int i = 0; i < window_packets; i += 32) /* of an SA that has seen no packet */
        fputs(" 00000000", out);
    fputs(" \n", out);
}

static void print_sa(FILE *out, const json_t *sa)
{
    static const char *const flags[8] = {"noecn", "decap_dscp", "nopmtudisc", "wildrecv",
                                         "icmp",  "af_unspec",  "align4",     "esn"};
    const json_t *replay = json_object_get(sa, "replay"), *errors = json_object_get(sa, "errors");
    unsigned reqid = (unsigned)number(sa, "reqid"), spi = (unsigned)strtoul(text(sa, "spi"), NULL, 16);
    fprintf(out, "src %s dst %s\n", text(sa, "source"), text(sa, "destination"));
    fprintf(out, "\tproto %s spi 0x%08x(%u) reqid %u(0x%08x) mode %s\n", text(sa, "protocol"), spi, spi, reqid, reqid,
            text(sa, "mode"));
    /* iproute2 6.1 writes this one number in decimal behind its 0x */
    fprintf(out, "\treplay-window %d seq 0x%08u flag ",
            json_is_true(json_object_get(replay, "is_esn")) ? 0 : (int)number(replay, "window_packets"),
            (unsigned)number(sa, "sequence"));
    print_flags(out, json_object_get(sa, "flags"), flags);
    print_mark(out, sa);
    print_algorithm(out, "aead", json_object_get(sa, "aead"));
    print_algorithm(out, "auth-trunc", json_object_get(sa, "auth"));
    print_algorithm(out, "enc", json_object_get(sa, "crypt"));
    print_encap(out, json_object_get(sa, "encap"), strchr(text(sa, "source"), ':') != NULL);
    print_replay(out, replay);
    if (json_object_get(sa, "last_used_unix_s")) {
        fputs("\tlastused ", out);
        print_time(out, "", sa, "last_used_unix_s");
        fputc('\n', out);
    }
    print_if_id(out, sa);
    if (!has_flag(sa, "af_unspec")) {
        fputs("\tsel ", out);
        print_selector(out, json_object_get(sa, "selector"));
    }
    print_lifetime(out, sa);
    fprintf(out, "\tstats:\n\t  replay-window %d replay %d failed %d\n", (int)number(errors, "replay_window"),
            (int)number(errors, "replay"), (int)number(errors, "integrity"));
}

/* ---------- lists ---------- */

static char *print_all(const json_t *list, void (*print)(FILE *, const json_t *))
{
    char *output = NULL;
    size_t size, i;
    json_t *item;
    FILE *out = open_memstream(&output, &size);
    json_array_foreach (list, i, item)
        print(out, item);
    fclose(out);
    return output;
}

char *as_ip_policies(const json_t *policies)
{
    return print_all(policies, print_policy);
}

char *as_ip_sas(const json_t *sas)
{
    return print_all(sas, print_sa);
}

char *as_ip_run(const char *netns, const char *arguments)
{
    char command[512];
    char *output = NULL;
    size_t size;
    snprintf(command, sizeof command, "ip -n %s %s", netns, arguments);
    FILE *from = popen(command, "r"), *to = open_memstream(&output, &size);
    for (int byte; (byte = fgetc(from)) != EOF;)
        fputc(byte, to);
    pclose(from);
    fclose(to);
    return output;
}
