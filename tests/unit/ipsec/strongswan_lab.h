/* strongswan_lab.h - what the driver's tests on two real daemons share. The client is lab.nodes[CLIENT], 10.9.0.1.
 * A must_ or expect_ function fails the test. SPDX-License-Identifier: MIT */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "documents.h"
#include "fixture.h"
#include "ipsec/strongswan.h"
#include "ipsec/verbs.h"

#define NAME "staffetta-mail"

enum { CLIENT, SERVER };

extern struct fixture lab;
extern void *self; /* the binding's state */
extern const char secret_text[];

typedef enum stf_kind (*reader)(void *, const struct stf_host *, const json_t *, json_t **, struct stf_err *);
typedef enum stf_kind (*writer)(void *, const struct stf_host *, const json_t *, const json_t *, struct stf_err *);

#define CONNECTION stf_ipsec_connection_read
#define SET_CONNECTION stf_ipsec_connection_write
#define SECRET stf_ipsec_secret_read
#define SET_SECRET stf_ipsec_secret_write

const struct stf_host *host(int index);
json_t *named(const char *name);
enum stf_kind call(int index, const char *verb, json_t *args, json_t **result, struct stf_err *err);
json_t *must_call(int index, const char *verb, json_t *args);
enum stf_kind read_state(reader read_it, int index, json_t **state, struct stf_err *err);
json_t *must_read(reader read_it, int index);
enum stf_kind write_state(writer write_it, int index, const json_t *state, struct stf_err *err);
void must_write(writer write_it, int index, const json_t *state);
void expect_state(reader read_it, int index, const json_t *expected);
void expect_not_loaded(reader read_it, int index, const json_t *document);
void write_secret_file(const char *text, mode_t mode);
json_t *secret_document(void);
void set_both_sides(void);
int count_files(int index);
json_t *initiate_args(int timeout_ms);
json_t *terminate_args(void);
void initiate(void);
bool swanctl_shows(int index, const char *arguments, const char *words);
void vici(int index, const char *command, struct stf_vici_message *message);
void unload_behind_our_back(int index);
void store_by_hand(int index, const json_t *document);
int begin(void **state);
int end(void **state);
json_t *stop_watch(json_t *watch);
bool saw(const json_t *result, const char *name, bool is_up);
void settle(void);
void restart(int index);
int lab_up(void **state);
int lab_up_in_kernel(void **state);
int lab_down(void **state);

/* Each test begins and ends with empty daemons. */
#define IN_LAB(test) cmocka_unit_test_setup_teardown(test, begin, end)
