/* embedded.h - files that are part of the program (cmake/embed.cmake). SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

struct stf_embedded {
    const char *name;  /* path below the folder it was taken from */
    const char *bytes; /* a NUL follows that is not part of size */
    size_t size;
};
