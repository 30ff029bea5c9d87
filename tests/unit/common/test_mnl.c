/* test_mnl.c - a dump that something has changed under is asked for again, from the beginning.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/mnl.h"

struct dump {
    int interruptions_left; /* one an attempt, at its first message */
    int attempts;
    int messages;
};

/* libmnl ends a dump like this when the kernel has marked a message of it. */
static int count(const struct nlmsghdr *message, void *data)
{
    struct dump *dump = data;
    (void)message;
    dump->messages++;
    if (dump->interruptions_left == 0)
        return MNL_CB_OK;
    dump->interruptions_left--;
    errno = EINTR;
    return MNL_CB_ERROR;
}

static void forget(void *data)
{
    struct dump *dump = data;
    dump->attempts++;
    dump->messages = 0;
}

/* Of the interfaces: every machine has one. What the kernel says in the end. */
static int dump_links(struct dump *dump)
{
    const struct stf_mnl *mnl;
    struct stf_err err;
    int refusal = -1;
    _Alignas(struct nlmsghdr) char buffer[256];
    if (stf_mnl_get(&mnl, &err))
        fail_msg("%s", err.message);
    struct nlmsghdr *request = mnl->nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETLINK;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    mnl->nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
    if (stf_mnl_dump(NETLINK_ROUTE, request, count, forget, dump, &refusal, &err))
        fail_msg("%s", err.message);
    return refusal;
}

static void an_interrupted_dump_begins_anew(void **state)
{
    (void)state;
    struct dump quiet = {0}, busy = {.interruptions_left = 3};
    assert_int_equal(dump_links(&quiet), 0);
    assert_int_equal(quiet.attempts, 1);
    assert_true(quiet.messages > 0);
    assert_int_equal(dump_links(&busy), 0);
    assert_int_equal(busy.attempts, 4);
    assert_true(busy.messages > 0);
}

static void a_dump_that_is_never_quiet_is_given_up(void **state)
{
    (void)state;
    struct dump dump = {.interruptions_left = 1000};
    assert_int_equal(dump_links(&dump), EINTR);
    assert_in_range(dump.attempts, 2, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interrupted_dump_begins_anew),
        cmocka_unit_test(a_dump_that_is_never_quiet_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
