/* fixture.h - for tests: two namespaces joined by a veth pair, with a real charon in each.
 * Must never leave a namespace, process or file behind, also when the test is killed. SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include <staffetta/binding.h>

struct node {
    char netns[32];
    char dir[96];
    char socket[128];
    json_t *config; /* {"ipsec": {..}}, as in site.lua */
    struct stf_host host;
    pid_t charon;
    bool is_kernel;
};

struct fixture {
    bool is_kernel;       /* ESP is the kernel's, if it has any: policies are, on every kernel */
    char dir[64];         /* also the hosts' site_dir */
    struct node nodes[2]; /* the client 10.9.0.1 and fd09::1, the server 10.9.0.2 and fd09::2 */
    int janitor_fd;       /* its end makes the janitor clean up */
    pid_t janitor;
};

/* Why such a lab can not be on this machine, or NULL. */
const char *fixture_obstacle(void);

/* False, and a line on standard error, when something failed; take it down also then. */
bool fixture_up(struct fixture *fixture, bool is_kernel);
void fixture_down(struct fixture *fixture);

/* A daemon started again comes back empty. Stop is SIGKILL. */
bool fixture_start_charon(struct node *node);
void fixture_stop_charon(struct node *node);

/* swanctl's standard output, its arguments being one string; malloc'ed. The exit code is not looked at. */
char *fixture_swanctl(const struct node *node, const char *arguments);
