/* fold.c - Windows' case rules by the C library's Unicode locale. Never depends on the locale that the user has set.
 * SPDX-License-Identifier: MIT */
#include "registry/fold.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

static locale_t unicode_locale;
static pthread_once_t unicode_once = PTHREAD_ONCE_INIT;

static void open_unicode_locale(void)
{
    unicode_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Windows maps UTF-16 units, so letters beyond the first 65536 code points have no case. */
uint32_t stf_registry_fold_wide(uint32_t code)
{
    wint_t upper;

    pthread_once(&unicode_once, open_unicode_locale);
    if (code > 0xffff || unicode_locale == (locale_t)0)
        return code;
    upper = towupper_l((wint_t)code, unicode_locale);
    return towlower_l(upper, unicode_locale) == (wint_t)code ? (uint32_t)upper : code;
}
