/* watch.h - a thread that notes when addresses and links of a host come and go. Internal to bindings/vip.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

struct stf_vip_watch;

/* Verb signatures (binding.h): vip.watch_start, vip.watch_stop. `self` are the handles of running watches. */
enum stf_kind stf_vip_watch_start(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                  struct stf_err *err);
enum stf_kind stf_vip_watch_stop(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                 struct stf_err *err);

/* The binding's open and close. */
void *stf_vip_watches_new(void);
void stf_vip_watches_free(void *handles);
