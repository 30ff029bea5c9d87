/* drv_kernel.c - asks the kernel over netlink (XFRM), on a socket of the host's namespace and for each read a new one.
 * Must never give out a read that a change has cut in two. SPDX-License-Identifier: MIT */
#include "ipsec/drv_kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/mnl.h"
#include "common/netns.h"

enum { READS_MAX = 10, PAUSE_MS = 2, BOTH_GROUPS = XFRMGRP_SA | XFRMGRP_POLICY };

/* ---------- one request ---------- */

/* A read under way: where its messages go, and what was wrong with one. */
struct reader {
    struct stf_kernel_state *state;
    enum stf_kind kind;
    struct stf_err *err;
};

static int fail(struct reader *reader, enum stf_kind kind)
{
    reader->kind = kind;
    errno = EBADMSG;
    return MNL_CB_ERROR;
}

static enum stf_kind refused(int errnum, const char *what, struct stf_err *err)
{
    if (errnum == EPERM)
        return stf_err_set(err, STF_DENIED, errnum, "xfrm", NULL,
                           "the kernel shows its IPsec %s only to root (CAP_NET_ADMIN)", what);
    return stf_err_errno(err, errnum, "xfrm", NULL, what);
}

/* Asks for a dump, or with a `payload_size` one question. `*is_interrupted`: the kernel says that the answer is not of
 * one moment. */
static enum stf_kind ask(uint16_t type, size_t payload_size, mnl_cb_t each, struct reader *reader, const char *what,
                         bool *is_interrupted)
{
    _Alignas(struct nlmsghdr) char buffer[128];
    const struct stf_mnl *mnl;
    int refusal = 0;
    enum stf_kind kind = stf_mnl_get(&mnl, reader->err);
    if (kind)
        return kind;
    struct nlmsghdr *request = mnl->nlmsg_put_header(buffer);
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | (payload_size ? NLM_F_ACK : NLM_F_DUMP);
    if (payload_size)
        mnl->nlmsg_put_extra_header(request, payload_size);
    kind = stf_mnl_request(NETLINK_XFRM, request, each, reader, &refusal, reader->err);
    if (kind || reader->kind)
        return kind ? kind : reader->kind;
    *is_interrupted |= refusal == EINTR;
    return refusal && refusal != EINTR ? refused(refusal, what, reader->err) : STF_OK;
}

/* ---------- policies and associations ---------- */

/* Room for one more item of `size` bytes; NULL when memory is out. */
static void *next_item(void **items, size_t *count, size_t *capacity, size_t size)
{
    if (*count == *capacity) {
        size_t wanted = *capacity ? 2 * *capacity : 64;
        void *grown = realloc(*items, wanted * size);
        if (!grown)
            return NULL;
        *items = grown;
        *capacity = wanted;
    }
    return (char *)*items + (*count)++ * size;
}

static int keep_policy(const struct nlmsghdr *message, void *data)
{
    struct reader *reader = data;
    struct stf_kernel_state *state = reader->state;
    void *items = state->policies;
    struct stf_xfrm_policy *policy = next_item(&items, &state->policy_count, &state->policy_capacity, sizeof *policy);
    state->policies = items;
    enum stf_kind kind = policy ? stf_xfrm_decode_policy(message, policy, reader->err)
                                : stf_err_set(reader->err, STF_NO_MEMORY, 0, "xfrm", NULL, "no memory for a policy");
    return kind ? fail(reader, kind) : MNL_CB_OK;
}

static int keep_sa(const struct nlmsghdr *message, void *data)
{
    struct reader *reader = data;
    struct stf_kernel_state *state = reader->state;
    void *items = state->sas;
    struct stf_xfrm_sa *sa = next_item(&items, &state->sa_count, &state->sa_capacity, sizeof *sa);
    state->sas = items;
    enum stf_kind kind = sa ? stf_xfrm_decode_sa(message, sa, reader->err)
                            : stf_err_set(reader->err, STF_NO_MEMORY, 0, "xfrm", NULL, "no memory for an SA");
    return kind ? fail(reader, kind) : MNL_CB_OK;
}

static int keep_defaults(const struct nlmsghdr *message, void *data)
{
    struct reader *reader = data;
    enum stf_kind kind = stf_xfrm_decode_defaults(message, &reader->state->defaults, reader->err);
    reader->state->has_defaults = !kind;
    return kind ? fail(reader, kind) : MNL_CB_OK;
}

/* A kernel before 5.14 does not know the question. */
static enum stf_kind ask_defaults(struct reader *reader)
{
    struct stf_err unheard = {.kind = STF_OK};
    struct reader quiet = {.state = reader->state, .err = &unheard};
    bool is_interrupted = false;
    enum stf_kind kind = ask(XFRM_MSG_GETDEFAULT, sizeof(struct xfrm_userpolicy_default), keep_defaults, &quiet,
                             "default actions", &is_interrupted);
    if (kind && unheard.code == EINVAL)
        return STF_OK;
    if (kind && reader->err)
        *reader->err = unheard;
    return kind;
}

static enum stf_kind read_once(unsigned parts, struct stf_kernel_state *state, bool *is_interrupted,
                               struct stf_err *err)
{
    struct reader reader = {.state = state, .err = err};
    enum stf_kind kind = STF_OK;
    state->policy_count = state->sa_count = 0;
    state->has_defaults = false;
    if (parts & STF_KERNEL_POLICIES)
        kind = ask(XFRM_MSG_GETPOLICY, 0, keep_policy, &reader, "policies", is_interrupted);
    if (!kind && parts & STF_KERNEL_SAS)
        kind = ask(XFRM_MSG_GETSA, 0, keep_sa, &reader, "security associations", is_interrupted);
    if (!kind && parts & STF_KERNEL_DEFAULTS)
        kind = ask_defaults(&reader);
    return kind;
}

/* ---------- a read of one moment ---------- */

/* A socket that hears of every change. The kernel (6.18 too) walks its tables without marking a dump that a change has
 * cut (NLM_F_DUMP_INTR), so that flag alone would not tell. */
static enum stf_kind listen_for_changes(const struct stf_mnl **mnl, struct mnl_socket **changes, struct stf_err *err)
{
    enum stf_kind kind = stf_mnl_get(mnl, err);
    if (kind)
        return kind;
    *changes = (*mnl)->socket_open2(NETLINK_XFRM, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!*changes && errno == EPROTONOSUPPORT)
        return stf_err_set(err, STF_UNSUPPORTED, errno, "xfrm", NULL, "this kernel has no IPsec (XFRM over netlink)");
    if (*changes && (*mnl)->socket_bind(*changes, BOTH_GROUPS, MNL_SOCKET_AUTOPID) == 0)
        return STF_OK;
    return refused(errno, "changes", err);
}

/* Whether a change was heard of since the last time; also when there were too many to keep. Not more than a byte of
 * each is read: a new SA is told with its keys. */
static bool has_changed(const struct stf_mnl *mnl, struct mnl_socket *changes)
{
    bool is_changed = false;
    char byte;
    while (recv(mnl->socket_get_fd(changes), &byte, 1, MSG_DONTWAIT) >= 0 || errno == ENOBUFS || errno == EINTR)
        is_changed = true;
    return is_changed;
}

static enum stf_kind read_one_moment(unsigned parts, struct stf_kernel_state *state, struct stf_err *err)
{
    const struct stf_mnl *mnl = NULL;
    struct mnl_socket *changes = NULL;
    enum stf_kind kind = listen_for_changes(&mnl, &changes, err);
    bool is_cut = true;
    for (int i = 0; i < READS_MAX && is_cut && !kind; i++) {
        if (i > 0)
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L << i / 2}, NULL);
        state->repeats = (unsigned)i;
        has_changed(mnl, changes); /* what came before does not matter */
        is_cut = false;
        kind = read_once(parts, state, &is_cut, err);
        is_cut |= !kind && has_changed(mnl, changes);
    }
    if (!kind && is_cut) {
        kind = stf_err_set(err, STF_BUSY, 0, "xfrm", NULL,
                           "the kernel's IPsec tables changed during each of %d reads; try again", READS_MAX);
        if (err)
            err->is_retryable = true;
    }
    if (changes)
        mnl->socket_close(changes);
    return kind;
}

enum stf_kind stf_kernel_read(const char *netns, unsigned parts, struct stf_kernel_state *state, struct stf_err *err)
{
    struct stf_netns guard;
    *state = (struct stf_kernel_state){0};
    enum stf_kind kind = stf_netns_enter(&guard, netns, err);
    if (kind)
        return kind;
    kind = read_one_moment(parts, state, err);
    stf_netns_leave(&guard);
    return kind;
}

void stf_kernel_state_fini(struct stf_kernel_state *state)
{
    free(state->policies);
    free(state->sas);
    *state = (struct stf_kernel_state){0};
}

/* ---------- counters ---------- */

struct counts {
    struct reader reader; /* first: ask() hands it to the callbacks */
    struct xfrmu_spdinfo policies;
    uint32_t sas;
};

static int keep_policy_count(const struct nlmsghdr *message, void *data)
{
    struct counts *counts = data;
    enum stf_kind kind = stf_xfrm_decode_policy_count(message, &counts->policies, counts->reader.err);
    return kind ? fail(&counts->reader, kind) : MNL_CB_OK;
}

static int keep_sa_count(const struct nlmsghdr *message, void *data)
{
    struct counts *counts = data;
    enum stf_kind kind = stf_xfrm_decode_sa_count(message, &counts->sas, counts->reader.err);
    return kind ? fail(&counts->reader, kind) : MNL_CB_OK;
}

/* /proc/net is the process's, whatever namespace its threads are in; thread-self is the thread's. NULL without error
 * when the kernel does not count (CONFIG_XFRM_STATISTICS). */
static enum stf_kind read_errors(json_t **errors, struct stf_err *err)
{
    char name[64];
    uint64_t count;
    FILE *file = fopen("/proc/thread-self/net/xfrm_stat", "re");
    *errors = NULL;
    if (!file)
        return errno == ENOENT ? STF_OK : stf_err_errno(err, errno, "xfrm", "/proc/net/xfrm_stat", "cannot read");
    *errors = json_object();
    while (fscanf(file, "%63s %" SCNu64, name, &count) == 2)
        json_object_set_new(*errors, name, json_integer((json_int_t)count));
    fclose(file);
    return STF_OK;
}

/* A number in /proc/sys/net/core, which is the thread's namespace's; null when there is no such setting. */
static json_t *setting(const char *name)
{
    char path[64];
    int number;
    snprintf(path, sizeof path, "/proc/sys/net/core/%s", name);
    FILE *file = fopen(path, "re");
    bool is_read = file && fscanf(file, "%d", &number) == 1;
    if (file)
        fclose(file);
    return is_read ? json_integer(number) : json_null();
}

static enum stf_kind stats_here(json_t **stats, struct stf_err *err)
{
    struct stf_kernel_state state = {0};
    struct counts counts = {.reader = {.state = &state, .err = err}};
    json_t *errors = NULL;
    bool is_interrupted = false;
    enum stf_kind kind = read_errors(&errors, err);
    if (!kind)
        kind = ask_defaults(&counts.reader);
    if (!kind)
        kind =
            ask(XFRM_MSG_GETSPDINFO, sizeof(uint32_t), keep_policy_count, &counts.reader, "policies", &is_interrupted);
    if (!kind)
        kind = ask(XFRM_MSG_GETSADINFO, sizeof(uint32_t), keep_sa_count, &counts.reader, "security associations",
                   &is_interrupted);
    if (kind) {
        json_decref(errors);
        return kind;
    }
    const struct xfrmu_spdinfo *policies = &counts.policies;
    *stats =
        json_pack("{s:{s:I, s:I, s:I, s:I}, s:I, s:o*, s:o*, s:o}", "policies", "in", (json_int_t)policies->incnt,
                  "out", (json_int_t)policies->outcnt, "fwd", (json_int_t)policies->fwdcnt, "of_sockets",
                  (json_int_t)policies->inscnt + policies->outscnt + policies->fwdscnt, "sas", (json_int_t)counts.sas,
                  "default_actions", state.has_defaults ? stf_xfrm_defaults_document(&state.defaults) : NULL, "errors",
                  errors, "acquire_expires_s", setting("xfrm_acq_expires"));
    return *stats ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "xfrm", NULL, "no memory for the counters");
}

enum stf_kind stf_kernel_stats(const char *netns, json_t **stats, struct stf_err *err)
{
    struct stf_netns guard;
    enum stf_kind kind = stf_netns_enter(&guard, netns, err);
    if (kind)
        return kind;
    kind = stats_here(stats, err);
    stf_netns_leave(&guard);
    return kind;
}
