/* test_dl.c - a library that is there, one that is not, and a symbol that is not. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/dl.h"

struct functions {
    double (*cosine)(double);
};

static void functions_are_resolved_once(void **state)
{
    (void)state;
    static const struct stf_dl_symbol symbols[] = {{"cos", offsetof(struct functions, cosine)}, {NULL, 0}};
    struct stf_dl dl = {.soname = "libm.so.6", .package = "libc6", .symbols = symbols};
    struct functions functions = {NULL};
    struct stf_err err;
    assert_int_equal(stf_dl_open(&dl, &functions, &err), STF_OK);
    assert_true(dl.is_open);
    assert_true(functions.cosine(0) == 1.0);
    assert_int_equal(stf_dl_open(&dl, &functions, &err), STF_OK);
}

static void a_missing_library_names_its_package(void **state)
{
    (void)state;
    struct stf_dl dl = {.soname = "libnosuch.so.9", .package = "libnosuch9", .symbols = NULL};
    struct stf_err err;
    assert_int_equal(stf_dl_open(&dl, NULL, &err), STF_UNSUPPORTED);
    assert_false(dl.is_open);
    assert_non_null(strstr(err.message, "libnosuch.so.9"));
    assert_non_null(strstr(err.message, "install Debian's package libnosuch9"));
}

static void a_missing_symbol_is_named(void **state)
{
    (void)state;
    static const struct stf_dl_symbol symbols[] = {{"no_such_function", 0}, {NULL, 0}};
    struct stf_dl dl = {.soname = "libm.so.6", .package = "libc6", .symbols = symbols};
    struct functions functions = {NULL};
    struct stf_err err;
    assert_int_equal(stf_dl_open(&dl, &functions, &err), STF_UNSUPPORTED);
    assert_non_null(strstr(err.message, "no_such_function"));
    assert_false(dl.is_open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_resolved_once),
        cmocka_unit_test(a_missing_library_names_its_package),
        cmocka_unit_test(a_missing_symbol_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
