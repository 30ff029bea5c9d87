/* test_xfrm_esp.c - the kernel driver on real ESP associations that carry traffic, compared with what ip(8) says.
 * Skipped where the kernel has no ESP. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <poll.h>

#include "ipsec/drv_kernel.h"
#include "ipsec/kernel_verbs.h"
#include "ipsec/kernel_watch.h"
#include "support/netpair.h"
#include "xfrm_as_ip.h"

#define AEAD_KEY "6b65792d6d7573742d6e6f742d73686f772d2121"
#define AUTH_KEY "6b65792d6d7573742d6e6f742d73686f772d21216b65792d6d7573742d6e6f74"
#define CRYPT_KEY "6b65792d6d7573742d6e6f742d73686f"

static struct netpair pair;

/* ---------- what stands ---------- */

static json_t *sas_in(const char *netns)
{
    struct stf_host host = {.name = "host", .netns = netns, .site_dir = "/"};
    struct stf_err err;
    json_t *args = json_object(), *sas = NULL;
    if (stf_kernel_verb_sas(NULL, &host, args, &sas, &err))
        fail_msg("%s", err.message);
    json_decref(args);
    return sas;
}

static json_t *snapshot(const char *netns, bool has_spis)
{
    struct stf_host host = {.name = "host", .netns = netns, .site_dir = "/"};
    struct stf_err err;
    json_t *args = json_pack("{s:b}", "spis", (int)has_spis), *taken = NULL;
    if (stf_kernel_verb_snapshot(NULL, &host, args, &taken, &err))
        fail_msg("%s", err.message);
    json_decref(args);
    return taken;
}

static json_int_t number(const json_t *doc, const char *key)
{
    assert_true(json_is_integer(json_object_get(doc, key)));
    return json_integer_value(json_object_get(doc, key));
}

static void assert_no_key(const json_t *doc)
{
    char *text = json_dumps(doc, 0);
    for (size_t i = 0; i + 8 <= strlen(AEAD_KEY); i += 8) {
        char part[9] = {0};
        memcpy(part, &AEAD_KEY[i], 8);
        assert_null(strstr(text, part));
    }
    assert_null(strstr(text, "key-must-not-show"));
    free(text);
}

static void assert_sas_as_ip_sees_them(size_t count)
{
    json_t *sas = sas_in(pair.left);
    char *ours = as_ip_sas(sas), *theirs = as_ip_run(pair.left, "-d -s xfrm state list nokeys");
    for (char *at = theirs; (at = strstr(at, "bitmap 0x")) != NULL; at += strlen("bitmap 0x"))
        memset(at + strlen("bitmap 0x"), '#', 8);
    assert_string_equal(ours, theirs);
    assert_int_equal(json_array_size(sas), count);
    assert_no_key(sas);
    free(ours);
    free(theirs);
    json_decref(sas);
}

static int flush(void **unused)
{
    (void)unused;
    assert_true(netpair_run("for n in %s %s; do ip -n $n xfrm policy flush; ip -n $n xfrm state flush; done", pair.left,
                            pair.right));
    return 0;
}

/* ---------- tests ---------- */

static void test_sas_as_ip_sees_them(void **unused)
{
    (void)unused;
    assert_true(
        netpair_run("ip -n %s xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x100 reqid 1 mode transport "
                    "replay-window 32 aead 'rfc4106(gcm(aes))' 0x" AEAD_KEY " 128 "
                    "sel src 10.0.0.1 dst 10.0.0.2 proto tcp dport 143 limit time-soft 100 limit time-hard 200",
                    pair.left));
    assert_true(netpair_run("ip -n %s xfrm state add src fd00::1 dst fd00::2 proto esp spi 0x101 reqid 2 mode tunnel "
                            "auth-trunc 'hmac(sha256)' 0x" AUTH_KEY " 128 enc 'cbc(aes)' 0x" CRYPT_KEY
                            " replay-window 128 flag esn flag af-unspec mark 1 mask 3 if_id 8 output-mark 4 mask 7",
                            pair.left));
    assert_true(netpair_run("ip -n %s xfrm state add src 10.0.0.3 dst 10.0.0.4 proto esp spi 0x102 reqid 3 mode tunnel "
                            "auth-trunc 'hmac(sha1)' 0x" CRYPT_KEY "00112233 96 enc 'cbc(aes)' 0x" CRYPT_KEY
                            " encap espinudp 4500 4501 0.0.0.0 flag noecn",
                            pair.left));
    assert_sas_as_ip_sees_them(3);
    json_t *sas = sas_in(pair.left), *aead = json_object_get(json_array_get(sas, 2), "aead");
    assert_int_equal(number(aead, "key_bits"), 160);
    assert_int_equal(number(aead, "check_bits"), 128);
    assert_true(json_is_false(json_object_get(json_array_get(sas, 2), "is_larval")));
    json_decref(sas);
}

/* Transport-mode ESP from left to right, for UDP port 7. */
static void protect(unsigned spi)
{
    for (int is_right = 0; is_right < 2; is_right++)
        assert_true(netpair_run("ip -n %s xfrm state add src 10.77.0.1 dst 10.77.0.2 proto esp spi 0x%x reqid 1 mode "
                                "transport replay-window 32 aead 'rfc4106(gcm(aes))' 0x" AEAD_KEY " 128",
                                is_right ? pair.right : pair.left, spi));
}

static void send_some(int count)
{
    struct sockaddr_storage at;
    socklen_t size = netpair_address(&at, NETPAIR_RIGHT_IPV4, 7);
    int receiver = netpair_bind(pair.right, SOCK_DGRAM, NETPAIR_RIGHT_IPV4, 7);
    int sender = netpair_socket(pair.left, AF_INET, SOCK_DGRAM, 0);
    for (int i = 0; i < count; i++) {
        char byte;
        struct pollfd polled = {receiver, POLLIN, 0};
        assert_int_equal(sendto(sender, "x", 1, 0, (struct sockaddr *)&at, size), 1);
        assert_int_equal(poll(&polled, 1, 5000), 1);
        assert_int_equal(recv(receiver, &byte, 1, 0), 1);
    }
    close(receiver);
    close(sender);
}

static void test_traffic_is_counted(void **unused)
{
    (void)unused;
    protect(0x200);
    assert_true(netpair_run("ip -n %s xfrm policy add src 10.77.0.1 dst 10.77.0.2 proto udp dport 7 dir out tmpl src "
                            "10.77.0.1 dst 10.77.0.2 proto esp reqid 1 mode transport && "
                            "ip -n %s xfrm policy add src 10.77.0.1 dst 10.77.0.2 proto udp dport 7 dir in tmpl src "
                            "10.77.0.1 dst 10.77.0.2 proto esp reqid 1 mode transport",
                            pair.left, pair.right));
    json_t *before = snapshot(pair.left, true);
    send_some(7);
    json_t *sent = sas_in(pair.left), *received = sas_in(pair.right), *after = snapshot(pair.left, true);
    const json_t *out = json_array_get(sent, 0), *in = json_array_get(received, 0);
    assert_int_equal(number(json_object_get(out, "lifetime"), "packets"), 7);
    assert_true(number(json_object_get(out, "lifetime"), "bytes") >= 7);
    assert_true(number(json_object_get(out, "lifetime"), "used_unix_s") > 0);
    assert_int_equal(number(json_object_get(out, "replay"), "sequence_out"), 7);
    assert_int_equal(number(json_object_get(in, "lifetime"), "packets"), 7);
    assert_int_equal(number(json_object_get(in, "replay"), "sequence_in"), 7);
    assert_true(json_equal(before, after)); /* what traffic does to an SA is no part of a snapshot */
    assert_sas_as_ip_sees_them(1);
    json_decref(before);
    json_decref(sent);
    json_decref(received);
    json_decref(after);
}

/* New SAs beside the old, then instead of them: another SPI, the same protection. */
static void test_a_rekey_does_not_show(void **unused)
{
    (void)unused;
    protect(0x300);
    json_t *before = snapshot(pair.left, false), *before_spis = snapshot(pair.left, true);
    protect(0x301);
    json_t *during = snapshot(pair.left, false), *during_spis = snapshot(pair.left, true);
    assert_true(netpair_run("ip -n %s xfrm state delete src 10.77.0.1 dst 10.77.0.2 proto esp spi 0x300", pair.left));
    json_t *after = snapshot(pair.left, false), *after_spis = snapshot(pair.left, true);
    assert_true(json_equal(before, during));
    assert_true(json_equal(before, after));
    assert_false(json_equal(before_spis, during_spis));
    assert_false(json_equal(before_spis, after_spis));
    flush(NULL);
    json_t *none = snapshot(pair.left, false);
    assert_false(json_equal(before, none));
    json_t *all[] = {before, before_spis, during, during_spis, after, after_spis, none};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        json_decref(all[i]);
}

static void assert_event(const json_t *seen, size_t i, const char *name, const char *spi)
{
    const json_t *event = json_array_get(json_object_get(seen, "events"), i);
    if (!event)
        fail_msg("no event %zu: %s", i, json_dumps(seen, 0));
    assert_string_equal(json_string_value(json_object_get(event, "event")), name);
    if (spi)
        assert_string_equal(json_string_value(json_object_get(json_object_get(event, "sa"), "spi")), spi);
}

static void test_events(void **unused)
{
    (void)unused;
    struct stf_kernel_watch_options options = {.netns = pair.left, .acquires = STF_KERNEL_ACQUIRES_NEVER};
    struct stf_kernel_watch *watch = NULL;
    json_t *seen = NULL;
    assert_true(netpair_run("ip -n %s xfrm policy add src 10.77.0.1 dst 10.77.0.2 proto udp dport 7 dir out tmpl src "
                            "10.77.0.1 dst 10.77.0.2 proto esp reqid 1 mode transport",
                            pair.left));
    assert_int_equal(stf_kernel_watch_start(&options, &watch, NULL), STF_OK);
    protect(0x400);
    assert_true(netpair_run("ip -n %s xfrm state update src 10.77.0.1 dst 10.77.0.2 proto esp spi 0x400 reqid 1 mode "
                            "transport replay-window 32 aead 'rfc4106(gcm(aes))' 0x" AEAD_KEY
                            " 128 limit packet-soft 2",
                            pair.left));
    send_some(3);
    /* the kernel tells of a flush only when there was something to flush */
    assert_true(netpair_run("ip -n %s xfrm state delete src 10.77.0.1 dst 10.77.0.2 proto esp spi 0x400", pair.left));
    assert_true(
        netpair_run("ip -n %s xfrm state allocspi src 10.0.0.1 dst 10.0.0.2 proto esp min 1 max 9 >/dev/null && "
                    "ip -n %s xfrm state flush",
                    pair.left, pair.left));
    assert_int_equal(stf_kernel_watch_stop(watch, &seen, NULL), STF_OK);
    assert_event(seen, 0, "sa-new", "00000400");
    assert_event(seen, 1, "sa-update", "00000400");
    assert_event(seen, 2, "sa-expire", "00000400");
    assert_event(seen, 3, "sa-delete", "00000400");
    assert_event(seen, 4, "sa-flush", NULL);
    assert_int_equal(json_array_size(json_object_get(seen, "events")), 5);
    assert_true(json_is_false(json_object_get(json_array_get(json_object_get(seen, "events"), 2), "is_hard")));
    assert_int_equal(number(seen, "undecoded"), 0);
    assert_no_key(seen);
    json_decref(seen);
}

/* ---------- the lab ---------- */

static int up(void **unused)
{
    (void)unused;
    if (!netpair_up(&pair, "esp")) {
        print_message("SKIP: needs root, ip(8) and network namespaces\n");
        exit(0);
    }
    if (netpair_run(
            "ip -n %s xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x100 reqid 1 mode transport aead "
            "'rfc4106(gcm(aes))' 0x" AEAD_KEY " 128 2>/dev/null",
            pair.left))
        return flush(NULL);
    netpair_down(&pair);
    print_message("SKIP: this kernel has no ESP\n");
    exit(0);
}

static int down(void **unused)
{
    (void)unused;
    netpair_down(&pair);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sas_as_ip_sees_them, flush),
        cmocka_unit_test_setup(test_traffic_is_counted, flush),
        cmocka_unit_test_setup(test_a_rekey_does_not_show, flush),
        cmocka_unit_test_setup(test_events, flush),
    };
    return cmocka_run_group_tests(tests, up, down);
}
