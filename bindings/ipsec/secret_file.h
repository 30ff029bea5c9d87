/* secret_file.h - the file that holds a pre-shared or private key. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

enum { STF_SECRET_MAX = 16384 };

struct stf_secret {
    size_t size;
    char bytes[STF_SECRET_MAX + 1]; /* a NUL follows them */
};

/* What is in the file, without its last line break; a relative path starts in the site's folder. STF_DENIED when others
 * than the owner may use the file. Wipe it also after an error. */
enum stf_kind stf_secret_read(const struct stf_host *host, const char *file, struct stf_secret *secret,
                              struct stf_err *err);
void stf_secret_wipe(struct stf_secret *secret);
