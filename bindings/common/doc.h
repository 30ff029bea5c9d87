/* doc.h - reading documents (JSON objects) with clear errors. Shared by all bindings; knows none of them.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include <staffetta/err.h>

/* Fails with STF_INVALID_DATA when `doc` is no object or has a key that is not in `known` (ended by NULL). The message
 * names the key and the nearest known one. `what` says whose document it is: "registry.get". */
enum stf_kind stf_doc_check_keys(const json_t *doc, const char *const known[], const char *what, struct stf_err *err);

/* The text of a string; NULL for all else, and for a string that C would cut at a NUL. */
const char *stf_doc_plain_text(const json_t *value);

/* Required members: STF_INVALID_DATA, naming the member and what was found, when it is missing or of another type.
 * Strings point into `doc`. */
enum stf_kind stf_doc_string(const json_t *doc, const char *key, const char **out, struct stf_err *err);
enum stf_kind stf_doc_int(const json_t *doc, const char *key, int64_t min, int64_t max, int64_t *out,
                          struct stf_err *err);

/* Optional members: the fallback when missing or null, the same errors otherwise. */
enum stf_kind stf_doc_opt_string(const json_t *doc, const char *key, const char *fallback, const char **out,
                                 struct stf_err *err);
enum stf_kind stf_doc_opt_int(const json_t *doc, const char *key, int64_t min, int64_t max, int64_t fallback,
                              int64_t *out, struct stf_err *err);
enum stf_kind stf_doc_opt_bool(const json_t *doc, const char *key, bool fallback, bool *out, struct stf_err *err);

/* An error as programs see it, in JSON, in a report and between controller and agent: { kind, code, is_retryable, op,
 * subject, message, expected, found, remedy }, all of them always there. A new reference. And back: what is missing is
 * empty. */
json_t *stf_doc_from_err(const struct stf_err *err);
void stf_doc_to_err(const json_t *doc, struct stf_err *err);

/* The one of `words` (ended by NULL) that somebody who wrote `word` most likely meant, or NULL when none is near. */
const char *stf_nearest(const char *word, const char *const words[]);

/* `path` itself when absolute, else base_dir/path; malloc'ed, NULL when memory is out. */
char *stf_doc_path(const char *base_dir, const char *path);

/* A JSON string of `bytes`, after which a NUL must follow: a byte that is no UTF-8, and NUL, becomes U+FFFD. NULL when
 * memory is out. For what programs print; bytes that must survive go as hex. */
json_t *stf_doc_text(const char *bytes, size_t size);

/* Bytes as lower-case hex and back. to: malloc'ed. from: STF_INVALID_DATA for an odd length or a wrong digit;
 * *out is malloc'ed (never NULL on STF_OK, also for no bytes). */
char *stf_hex_from_bytes(const void *bytes, size_t size);
enum stf_kind stf_hex_to_bytes(const char *hex, uint8_t **out, size_t *size, struct stf_err *err);
