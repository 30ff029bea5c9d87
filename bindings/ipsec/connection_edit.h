/* connection_edit.h - what somebody's hand has changed in a connection's file. Must never touch a file itself.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

/* The first setting in which `found` has something else than `expected`, two files in swanctl.conf's syntax:
 * {"field": "connections.NAME.version", "expected": "2", "found": "1"}, with "nothing" for a setting that is not there.
 * JSON null where the files are the same, NULL when memory is out. */
json_t *stf_connection_edit(const char *expected, const char *found);
