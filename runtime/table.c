/* table.c - rows of columns for a person (table.h). Must never shorten what goes to a pipe or a file.
 * SPDX-License-Identifier: MIT */
#include "table.h"

#include "terminal.h"

enum { GAP_COLUMNS = 2, LEAST_COLUMNS = 4, LEAST_WRAPPED_COLUMNS = 12, NUMBER_SIZE = 24 };

struct layout {
    const struct stf_table *table;
    FILE *stream;
    struct stf_terminal terminal;
    int count;
    int columns[STF_TABLE_COLUMNS_MAX]; /* how many each takes */
    bool is_number[STF_TABLE_COLUMNS_MAX];
};

static const char *text_of(const json_t *row, const char *key, char number[NUMBER_SIZE])
{
    const json_t *cell = json_object_get(row, key);
    const char *text = json_string_value(cell);
    if (!json_is_integer(cell))
        return text && *text ? text : "-";
    snprintf(number, NUMBER_SIZE, "%lld", (long long)json_integer_value(cell));
    return number;
}

/* ---- how wide ---- */

static void make_room(int *columns, const char *text)
{
    int wanted = stf_terminal_columns(text);
    if (*columns < wanted)
        *columns = wanted;
}

static void measure(struct layout *layout, const json_t *rows)
{
    char number[NUMBER_SIZE];
    size_t index;
    json_t *row;
    for (const struct stf_table_column *column = layout->table->columns; column->key; column++) {
        int at = layout->count++;
        if (column->heading)
            make_room(&layout->columns[at], column->heading);
        json_array_foreach ((json_t *)rows, index, row) {
            make_room(&layout->columns[at], text_of(row, column->key, number));
            layout->is_number[at] = layout->is_number[at] || json_is_integer(json_object_get(row, column->key));
        }
    }
}

/* Where the column begins; of one behind the last: how wide a row is, and a gap. */
static int start_of(const struct layout *layout, int at)
{
    int start = layout->table->indent;
    for (int i = 0; i < at; i++)
        start += layout->columns[i] + GAP_COLUMNS;
    return start;
}

/* The column that gives the next bit of room: one that is wrapped, for nothing of it is lost, then the widest. NULL
 * when none can give any. */
static int *next_to_narrow(struct layout *layout)
{
    int *found = NULL, last = layout->count - 1;
    if (layout->table->columns[last].is_wrapped && layout->columns[last] > LEAST_WRAPPED_COLUMNS)
        return &layout->columns[last];
    for (int i = 0; i < layout->count; i++)
        if (!layout->is_number[i] && layout->columns[i] > LEAST_COLUMNS && (!found || layout->columns[i] >= *found))
            found = &layout->columns[i];
    return found;
}

static void narrow(struct layout *layout)
{
    int excess = start_of(layout, layout->count) - GAP_COLUMNS - layout->terminal.width_columns;
    for (int *column; excess > 0 && (column = next_to_narrow(layout)) != NULL; excess--)
        --*column;
}

/* ---- the lines ---- */

static void print_cell(const struct layout *layout, int at, const char *text, bool is_verdict)
{
    const struct stf_table_column *column = &layout->table->columns[at];
    int columns = layout->columns[at], start = start_of(layout, at);
    const char *colour = is_verdict ? stf_terminal_verdict(&layout->terminal, text) : "";
    if (layout->is_number[at])
        fprintf(layout->stream, "%*s", columns - stf_terminal_columns(text), "");
    fputs(colour, layout->stream);
    if (column->is_wrapped)
        stf_terminal_print_wrapped(&layout->terminal, layout->stream, text, start);
    else
        start += stf_terminal_print(&layout->terminal, layout->stream, text, columns);
    if (*colour)
        fputs(stf_terminal_colour(&layout->terminal, STF_PLAIN), layout->stream);
    if (at + 1 < layout->count && !layout->is_number[at])
        fprintf(layout->stream, "%*s", start_of(layout, at) + columns - start, "");
    fprintf(layout->stream, "%*s", at + 1 < layout->count ? GAP_COLUMNS : 0, "");
}

static void print_headings(const struct layout *layout)
{
    fprintf(layout->stream, "%*s", layout->table->indent, "");
    for (int i = 0; i < layout->count; i++)
        print_cell(layout, i, layout->table->columns[i].heading, false);
    fputc('\n', layout->stream);
}

static void print_row(const struct layout *layout, const json_t *row)
{
    char number[NUMBER_SIZE];
    size_t index;
    json_t *line;
    fprintf(layout->stream, "%*s", layout->table->indent, "");
    for (int i = 0; i < layout->count; i++) {
        const struct stf_table_column *column = &layout->table->columns[i];
        print_cell(layout, i, text_of(row, column->key, number), column->is_verdict);
    }
    fputc('\n', layout->stream);
    json_array_foreach (json_object_get(row, "below"), index, line) {
        fprintf(layout->stream, "%*s", start_of(layout, 1), "");
        stf_terminal_print_wrapped(&layout->terminal, layout->stream, json_string_value(line), start_of(layout, 1));
        fputc('\n', layout->stream);
    }
}

/* The group's name, above its first row. */
static void print_group(const struct layout *layout, const json_t *row, const json_t *row_before)
{
    const json_t *name = json_object_get(row, layout->table->group);
    if (json_equal(name, json_object_get(row_before, layout->table->group)))
        return;
    fprintf(layout->stream, "%s%s\n", row_before ? "\n" : "", json_string_value(name));
}

void stf_table_print(FILE *stream, const struct stf_table *table, const json_t *rows)
{
    struct layout layout = {.table = table, .stream = stream, .terminal = stf_terminal_look(stream)};
    size_t index;
    json_t *row;
    measure(&layout, rows);
    if (layout.terminal.width_columns > 0)
        narrow(&layout);
    if (table->columns[0].heading)
        print_headings(&layout);
    json_array_foreach ((json_t *)rows, index, row) {
        if (table->group)
            print_group(&layout, row, index > 0 ? json_array_get(rows, index - 1) : NULL);
        print_row(&layout, row);
    }
}
