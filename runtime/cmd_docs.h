/* cmd_docs.h - the descriptions of what scripts can use. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

/* [{"name": "ipsec", "text": of ipsec.meta.lua}]: a new document. */
json_t *stf_docs_files(void);
