/* probe_truth.c - imposes outages on ICMP in the network namespace it runs in, and prints when: the ground truth.
 * Usage: bench_probe_truth OUTAGE_MS PAUSE_MS REPETITIONS. A line each: CLOCK_MONOTONIC in ns before and after the rule
 * came, before and after it went, and how far the wall clock is ahead. SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"

/* libnftables, which nft(8) is made of: a rule is in place when the call returns, without a process's start. */
struct nft_ctx;
static struct nft_ctx *(*nft_ctx_new)(uint32_t flags);
static int (*nft_run)(struct nft_ctx *context, const char *commands);

static int open_nft(void)
{
    void *library = dlopen("libnftables.so.1", RTLD_NOW);
    if (!library)
        return -1;
    *(void **)&nft_ctx_new = dlsym(library, "nft_ctx_new");
    *(void **)&nft_run = dlsym(library, "nft_run_cmd_from_buffer");
    return nft_ctx_new && nft_run ? 0 : -1;
}

static int64_t wall_ahead_ns(void)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec - stf_clock_ns();
}

static void sleep_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* Runs a command, with the times right around it. */
static int timed(struct nft_ctx *context, const char *command, int64_t times_ns[2])
{
    times_ns[0] = stf_clock_ns();
    int failed = nft_run(context, command);
    times_ns[1] = stf_clock_ns();
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 4 || open_nft() < 0) {
        fprintf(stderr, "usage: bench_probe_truth OUTAGE_MS PAUSE_MS REPETITIONS; needs libnftables\n");
        return 2;
    }
    struct nft_ctx *context = nft_ctx_new(0);
    if (nft_run(context, "add table inet truth\n"
                         "add chain inet truth in { type filter hook input priority 0; }\n"))
        return 1;
    for (int left = atoi(argv[3]); left > 0; left--) {
        int64_t down_ns[2], up_ns[2];
        sleep_ms(atol(argv[2]) + rand() % 7);
        if (timed(context, "add rule inet truth in meta l4proto { icmp, ipv6-icmp } drop\n", down_ns))
            return 1;
        sleep_ms(atol(argv[1]));
        if (timed(context, "flush chain inet truth in\n", up_ns))
            return 1;
        printf("%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", down_ns[0], down_ns[1], up_ns[0],
               up_ns[1], wall_ahead_ns());
        fflush(stdout);
    }
    sleep_ms(atol(argv[2]));
    return nft_run(context, "delete table inet truth\n");
}
