/* table.h - rows of columns for a person. The one place that lays them out: as wide as their texts, and on a terminal
 * no wider than that where it can be helped. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

enum { STF_TABLE_COLUMNS_MAX = 8 };

struct stf_table_column {
    const char *key;     /* the row's member: a text, or a whole number, which stands right and is never shortened */
    const char *heading; /* of all columns or of none */
    bool is_wrapped;     /* of the last column: goes on below itself where it is too long; others are shortened */
    bool is_verdict;     /* has a verdict's colour */
};

struct stf_table {
    int indent;
    const char *group; /* the member whose text stands above the rows that have it in common; or NULL */
    struct stf_table_column columns[STF_TABLE_COLUMNS_MAX + 1]; /* ended by a NULL key */
};

/* Prints printable rows (stf_output_printable). What a row does not have is "-". The texts of its member "below", an
 * array, follow in lines of their own, under the second column. */
void stf_table_print(FILE *stream, const struct stf_table *table, const json_t *rows);
