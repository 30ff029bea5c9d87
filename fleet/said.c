/* said.c - keeps the last bytes of a stream (said.h). Must never write past its buffer. SPDX-License-Identifier: MIT */
#include "fleet/said.h"

#include <string.h>

void stf_said_add(struct stf_said *said, const char *bytes, size_t size)
{
    if (size > STF_SAID_SIZE) {
        bytes += size - STF_SAID_SIZE;
        size = STF_SAID_SIZE;
    }
    size_t kept = said->size + size > STF_SAID_SIZE ? STF_SAID_SIZE - size : said->size;
    memmove(said->text, said->text + said->size - kept, kept);
    memcpy(said->text + kept, bytes, size);
    said->size = kept + size;
    said->text[said->size] = '\0';
}

const char *stf_said_text(struct stf_said *said, const char *otherwise)
{
    while (said->size > 0 && strchr("\r\n ", said->text[said->size - 1]))
        said->text[--said->size] = '\0';
    return said->size > 0 ? said->text : otherwise;
}
