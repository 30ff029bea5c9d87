/* fixture.h - two network namespaces joined by a link, and the probe binding's verbs called from one of them.
 * The namespaces go however the test ends. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <staffetta/err.h>

#define SERVER_V4 "10.99.7.2"
#define SERVER_V6 "fd00:99:7::2"

extern char client_ns[32], server_ns[32];

/* Runs the tests in a child, so that the namespaces go also when a test crashes; a child that stops itself is set going
 * again after 30 ms. Gives the exit code. */
int run_in_namespaces(int (*run_all)(void));

/* For cmocka's group. */
int setup(void **state);
int teardown(void **state);

/* In a namespace, or with NULL where the test runs; the command's exit code. */
int shell(const char *netns, const char *command);
/* A server that ends with the test at the latest. */
pid_t spawn(const char *netns, const char *const argv[]);
/* Its wait status. */
int end(pid_t pid, int signal);

bool answers_within_ten_seconds(const char *target, int port);
void sleep_ms(long ms);

/* The verbs as a script's host in client_ns calls them; `args` is taken. call_ok fails the test on an error. */
enum stf_kind call(const char *verb_name, json_t *args, json_t **result, struct stf_err *err);
json_t *call_ok(const char *verb, json_t *args);
json_t *stop(json_t *handle);

/* Calls `start` with a binding of its own, which is closed then. */
void close_binding_with_what_runs(void (*start)(void));

json_int_t number(const json_t *doc, const char *key);
const char *string(const json_t *doc, const char *key);
