/* fail_alloc.h - makes one allocation of the program under test fail: link with fail_alloc.c. Of any thread.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The n-th allocation from now on (1 is the next one) fails, those after it do not. */
void stf_fail_alloc_arm(size_t n);

/* True when that allocation was asked for. None fails from here on. */
bool stf_fail_alloc_disarm(void);
