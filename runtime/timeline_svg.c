/* timeline_svg.c - timelines as one SVG picture: text stays text, no script, nothing from elsewhere, readable on light
 * and on dark. Must never let a document's text be read as markup. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cli.h"
#include "timeline.h"
#include "whole_file.h"

enum {
    WIDTH = 1000,
    LEFT = 120, /* of the plot; row names stand before it */
    RIGHT = WIDTH - 24,
    TITLE_HEIGHT = 60,
    NUMBERS_HEIGHT = 26, /* of the phases, above the plot */
    PROBE_HEIGHT = 90,
    LOST_HEIGHT = 14,
    LANE_HEIGHT = 20,
    WIRE_HEIGHT = 56,
    AXIS_HEIGHT = 30,
    LEGEND_LINE = 18,
    GAP = 10, /* between rows */
    HAIR = 3, /* between rows that belong together */
    LANES_MAX = 32,
    PHASES_MAX = 16,
    COLOURS = 7,
    CHARACTER_WIDTH = 6, /* of small text, roughly */
};

/* rsvg and others that know no @media show it light. */
static const char style[] =
    "<style>"
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:600}.small{font-size:10.5px}"
    ".faint{fill:#59636e}.back{fill:#fff}.row{fill:#818b98;fill-opacity:.10}.line{stroke:#818b98;stroke-opacity:.45}"
    ".at{stroke:#1f2328;stroke-opacity:.55;stroke-dasharray:2 2}.answer{fill:#0969da}.lost{stroke:#cf222e;"
    "stroke-width:1.6}.up{fill:#1a7f37}.down{fill:#cf222e}.gone{stroke:#cf222e;stroke-width:2.2}.ask{fill:#8250df}"
    ".reply{fill:none;stroke:#8250df;stroke-width:1.2}.esp{fill:#0969da;fill-opacity:.75}.clear{fill:#cf222e}"
    ".p0{fill:#818b98}.p1{fill:#4e79a7}.p2{fill:#f28e2b}.p3{fill:#b07aa1}.p4{fill:#76b7b2}.p5{fill:#edc948}"
    ".p6{fill:#59a14f}.band{fill-opacity:.20}"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}.back{fill:#0d1117}.at{stroke:#e6edf3}"
    ".answer,.esp{fill:#4493f8}.lost,.gone{stroke:#f85149}.up{fill:#3fb950}.down,.clear{fill:#f85149}.ask{fill:#ab7df8}"
    ".reply{stroke:#ab7df8}.band{fill-opacity:.30}}"
    "</style>\n";

/* One case on its way onto the picture. */
struct panel {
    FILE *stream;
    const json_t *timeline;
    double from_us, to_us;
    double y; /* where the next thing goes */
};

static void put_text(FILE *stream, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", stream);
            break;
        case '<':
            fputs("&lt;", stream);
            break;
        case '>':
            fputs("&gt;", stream);
            break;
        case '"':
            fputs("&quot;", stream);
            break;
        default: /* XML has no control characters */
            fputc((unsigned char)*text < ' ' ? ' ' : *text, stream);
        }
    }
}

static void text_at(const struct panel *panel, double x, double y, const char *classes, const char *text)
{
    fprintf(panel->stream, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, classes);
    put_text(panel->stream, text);
    fputs("</text>\n", panel->stream);
}

/* Right-aligned before the plot. */
static void name_row(const struct panel *panel, double y, const char *name)
{
    fprintf(panel->stream, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" class=\"small\">", LEFT - 8, y);
    put_text(panel->stream, name);
    fputs("</text>\n", panel->stream);
}

static double number(const json_t *doc, const char *key)
{
    return (double)json_integer_value(json_object_get(doc, key));
}

static double item(const json_t *doc, const char *key, size_t i)
{
    return (double)json_integer_value(json_array_get(json_object_get(doc, key), i));
}

static double x_of(const struct panel *panel, double at_us)
{
    double x = LEFT + (at_us - panel->from_us) / (panel->to_us - panel->from_us) * (RIGHT - LEFT);
    return fmin(fmax(x, LEFT), RIGHT);
}

static void row_back(const struct panel *panel, double height)
{
    fprintf(panel->stream, "<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" class=\"row\"/>\n", LEFT, panel->y,
            RIGHT - LEFT, height);
}

/* ---------- phases ---------- */

/* The phases that were seen, which are the first ones. */
static size_t seen_phases(const json_t *phases)
{
    size_t count = 0;
    while (count < PHASES_MAX && json_is_true(json_object_get(json_array_get(phases, count), "seen")))
        count++;
    return count;
}

/* From `panel->y`, over the plot's `height`: the time up to each phase shaded, its number above. Numbers of phases that
 * lie close together are moved apart. */
static void draw_phases(const struct panel *panel, double height)
{
    const json_t *phases = json_object_get(panel->timeline, "phases");
    size_t count = seen_phases(phases);
    double before = 0, label = 0, top = panel->y + NUMBERS_HEIGHT;
    for (size_t i = 0; i < count; i++) {
        const json_t *phase = json_array_get(phases, i);
        double x = x_of(panel, number(phase, "at_us"));
        label = i ? fmax(x, label + 14) : x;
        if (i && json_object_get(phase, "duration_us"))
            fprintf(panel->stream, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"band p%zu\"/>\n",
                    before, top, x - before, height, i % COLOURS);
        fprintf(panel->stream,
                "<path d=\"M%.1f %.1fV%.1fL%.1f %.1f\" fill=\"none\" class=\"at\"/>"
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%zu</text>\n",
                x, top + height, top, label, top - 10, label, top - 13, i + 1);
        before = x;
    }
}

static void draw_legend(struct panel *panel)
{
    size_t i;
    json_t *phase;
    json_array_foreach (json_object_get(panel->timeline, "phases"), i, phase) {
        double y = panel->y + 12;
        bool is_seen = json_is_true(json_object_get(phase, "seen"));
        bool has_duration = json_object_get(phase, "duration_us") != NULL;
        char text[64];
        if (is_seen && has_duration && i)
            fprintf(panel->stream, "<rect x=\"%d\" y=\"%.1f\" width=\"16\" height=\"11\" class=\"p%zu\"/>\n", LEFT,
                    y - 10, i % COLOURS);
        if (is_seen) {
            snprintf(text, sizeof text, "%zu", i + 1);
            text_at(panel, LEFT + 24, y, "", text);
        }
        text_at(panel, LEFT + 42, y, is_seen ? "" : "faint", stf_timeline_phase_words(phase));
        if (!is_seen) {
            text_at(panel, LEFT + 230, y, "faint", "not seen");
        } else {
            snprintf(text, sizeof text, "at %.1f ms", number(phase, "at_us") / 1000);
            text_at(panel, LEFT + 230, y, "", text);
            snprintf(text, sizeof text, "+%.1f ms", number(phase, "duration_us") / 1000);
            text_at(panel, LEFT + 330, y, "", has_duration ? text : "after the outage");
            fprintf(panel->stream, "<text x=\"%d\" y=\"%.1f\" class=\"faint\">", LEFT + 440, y);
            put_text(panel->stream, stf_cli_text(phase, "host"));
            fputs(", ", panel->stream);
            put_text(panel->stream, stf_cli_text(phase, "source"));
            fputs(": ", panel->stream);
            put_text(panel->stream, stf_cli_text(phase, "event"));
            fputs("</text>\n", panel->stream);
        }
        panel->y += LEGEND_LINE;
    }
}

/* ---------- the probe ---------- */

enum { LATENCY_FLOOR_US = 100 };

static double latency_y(const struct panel *panel, double latency_us, double top_us)
{
    double share = log10(fmax(latency_us, LATENCY_FLOOR_US) / LATENCY_FLOOR_US) / log10(top_us / LATENCY_FLOOR_US);
    return panel->y + PROBE_HEIGHT - 8 - share * (PROBE_HEIGHT - 16);
}

static void draw_latency_lines(const struct panel *panel, double top_us)
{
    char text[32];
    for (double us = LATENCY_FLOOR_US; us <= top_us; us *= 10) {
        double y = latency_y(panel, us, top_us);
        fprintf(panel->stream, "<path d=\"M%d %.1fH%d\" class=\"line\"/>\n", LEFT, y, RIGHT);
        snprintf(text, sizeof text, us < 1000 ? "latency %.1f ms" : "%.0f ms", us / 1000);
        name_row(panel, y + 3.5, text);
    }
}

/* Latencies on a logarithmic scale, and below them what was lost. */
static void draw_probe(struct panel *panel)
{
    const json_t *probe = json_object_get(panel->timeline, "probe");
    size_t answered = json_array_size(json_object_get(probe, "answered_us"));
    size_t lost = json_array_size(json_object_get(probe, "lost_us"));
    double top_us = 10 * LATENCY_FLOOR_US;
    for (size_t i = 0; i < answered; i++)
        while (item(probe, "latency_us", i) > top_us)
            top_us *= 10;
    row_back(panel, PROBE_HEIGHT);
    draw_latency_lines(panel, top_us);
    for (size_t i = 0; i < answered; i++)
        fprintf(panel->stream, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2\" class=\"answer\"/>\n",
                x_of(panel, item(probe, "answered_us", i)), latency_y(panel, item(probe, "latency_us", i), top_us));
    panel->y += PROBE_HEIGHT + HAIR;
    row_back(panel, LOST_HEIGHT);
    name_row(panel, panel->y + 11, "lost");
    for (size_t i = 0; i < lost; i++)
        fprintf(panel->stream, "<path d=\"M%.1f %.1fv%d\" class=\"lost\"/>\n", x_of(panel, item(probe, "lost_us", i)),
                panel->y + 2, LOST_HEIGHT - 4);
    panel->y += LOST_HEIGHT + GAP;
}

/* ---------- events ---------- */

/* One row of events: those of a kind on a host. */
struct lane {
    const char *kind;
    const char *host;
};

struct lanes {
    struct lane items[LANES_MAX];
    size_t count;
};

static const char *kind_of(const json_t *event)
{
    const char *source = stf_cli_text(event, "source");
    if (strcmp(source, "address") == 0)
        return "address";
    return strcmp(source, "wire") == 0 ? "IKE" : "SAs";
}

static bool is_in(const struct lane *lane, const json_t *event)
{
    return strcmp(lane->kind, kind_of(event)) == 0 && strcmp(lane->host, stf_cli_text(event, "host")) == 0;
}

static void add_lanes(struct lanes *lanes, const json_t *events, const char *kind)
{
    size_t i;
    json_t *event;
    json_array_foreach (events, i, event) {
        size_t at = 0;
        while (at < lanes->count && !is_in(&lanes->items[at], event))
            at++;
        if (strcmp(kind_of(event), kind) == 0 && at == lanes->count && at < LANES_MAX)
            lanes->items[lanes->count++] = (struct lane){kind, stf_cli_text(event, "host")};
    }
}

static const char *words_of(const json_t *event)
{
    const char *exchange = json_string_value(json_object_get(event, "exchange"));
    return exchange ? exchange : stf_cli_text(event, "event");
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* An upward triangle for what comes up, a downward one for what goes, a cross for a daemon that ended; requests of IKE
 * are filled, its answers are not. */
static void draw_mark(const struct panel *panel, const json_t *event, double x, double y)
{
    const char *name = stf_cli_text(event, "event");
    if (json_object_get(event, "exchange"))
        fprintf(panel->stream, "<path d=\"M%.1f %.1fl4 4l-4 4l-4 -4z\" class=\"%s\">", x, y - 4,
                json_is_true(json_object_get(event, "is_response")) ? "reply" : "ask");
    else if (strcmp(name, "daemon-ended") == 0)
        fprintf(panel->stream, "<path d=\"M%.1f %.1fl8 8m0 -8l-8 8\" class=\"gone\">", x - 4, y - 4);
    else if (ends_with(name, "-up") || ends_with(name, "-added") || ends_with(name, "-new"))
        fprintf(panel->stream, "<path d=\"M%.1f %.1fl5 9h-10z\" class=\"up\">", x, y - 5);
    else if (ends_with(name, "-down") || ends_with(name, "-removed") || ends_with(name, "-delete") ||
             ends_with(name, "-flush") || ends_with(name, "-expire"))
        fprintf(panel->stream, "<path d=\"M%.1f %.1fl5 -9h-10z\" class=\"down\">", x, y + 5);
    else
        fprintf(panel->stream, "<path d=\"M%.1f %.1fl3 4l-3 4l-3 -4z\" class=\"ask\">", x, y - 4);
    fprintf(panel->stream, "<title>%.2f ms, ", number(event, "at_us") / 1000);
    put_text(panel->stream, stf_cli_text(event, "host"));
    fputs(", ", panel->stream);
    put_text(panel->stream, stf_cli_text(event, "source"));
    fputs(": ", panel->stream);
    put_text(panel->stream, words_of(event));
    fprintf(panel->stream, "%s</title></path>\n",
            json_is_true(json_object_get(event, "is_response")) ? " (response)" : "");
}

/* Where the lane's next event stands; the plot's end when there is none. */
static double next_x(const struct panel *panel, const struct lane *lane, size_t i)
{
    const json_t *events = json_object_get(panel->timeline, "events");
    for (i++; i < json_array_size(events); i++)
        if (is_in(lane, json_array_get(events, i)))
            return x_of(panel, number(json_array_get(events, i), "at_us"));
    return RIGHT;
}

static void draw_lane(struct panel *panel, const struct lane *lane)
{
    char name[64];
    size_t i;
    json_t *event;
    double y = panel->y + LANE_HEIGHT / 2.0 - 1;
    row_back(panel, LANE_HEIGHT - 2);
    snprintf(name, sizeof name, "%s %.40s", lane->kind, lane->host);
    name_row(panel, y + 3.5, name);
    json_array_foreach (json_object_get(panel->timeline, "events"), i, event) {
        if (!is_in(lane, event))
            continue;
        double x = x_of(panel, number(event, "at_us"));
        const char *words = words_of(event);
        draw_mark(panel, event, x, y);
        if (x + 12 + CHARACTER_WIDTH * (double)strlen(words) < next_x(panel, lane, i))
            text_at(panel, x + 8, y + 3.5, "small faint", words);
    }
    panel->y += LANE_HEIGHT;
}

static void find_lanes(const struct panel *panel, struct lanes *lanes)
{
    static const char *const kinds[] = {"address", "SAs", "IKE"};
    lanes->count = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        add_lanes(lanes, json_object_get(panel->timeline, "events"), kinds[i]);
}

/* ---------- the wire ---------- */

static void draw_bar(const struct panel *panel, double x, double width, double height, const char *class)
{
    if (height > 0)
        fprintf(panel->stream, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" class=\"%s\"/>\n", x,
                panel->y + WIRE_HEIGHT - height, width, height, class);
}

static void draw_wire(struct panel *panel)
{
    const json_t *wire = json_object_get(panel->timeline, "wire");
    size_t count = json_array_size(json_object_get(wire, "at_us"));
    double bucket_us = number(wire, "bucket_us"), most = 1;
    char text[64];
    for (size_t i = 0; i < count; i++)
        most = fmax(most, item(wire, "protected", i) + item(wire, "clear", i));
    double scale = (WIRE_HEIGHT - 6) / most;
    double width = fmax(0.8, bucket_us / (panel->to_us - panel->from_us) * (RIGHT - LEFT) - 0.4);
    row_back(panel, WIRE_HEIGHT);
    for (size_t i = 0; i < count; i++) {
        double x = x_of(panel, item(wire, "at_us", i)), clear = item(wire, "clear", i) * scale;
        draw_bar(panel, x, fmin(width, RIGHT - x), clear + item(wire, "protected", i) * scale, "esp");
        draw_bar(panel, x, fmin(width, RIGHT - x), clear, "clear");
    }
    name_row(panel, panel->y + 14, "ESP packets");
    snprintf(text, sizeof text, "up to %.0f in %.0f ms", most, bucket_us / 1000);
    name_row(panel, panel->y + 28, text);
    name_row(panel, panel->y + 42, "red: clear");
    panel->y += WIRE_HEIGHT;
}

/* ---------- the whole ---------- */

static void draw_axis(struct panel *panel)
{
    static const double steps[] = {1, 2, 5, 10};
    double span = panel->to_us - panel->from_us, unit = pow(10, floor(log10(span / 10)));
    size_t choice = 0;
    while (steps[choice] * unit * 10 < span && choice < 3)
        choice++;
    double step = steps[choice] * unit;
    for (double at = ceil(panel->from_us / step) * step; at <= panel->to_us; at += step) {
        double x = x_of(panel, at);
        fprintf(panel->stream, "<path d=\"M%.1f %.1fv5\" class=\"line\"/>\n", x, panel->y);
        fprintf(panel->stream, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" class=\"small\">%g</text>\n", x,
                panel->y + 16, round(at) / 1000 + 0.0); /* no -0 */
    }
    text_at(panel, LEFT - 60, panel->y + 16, "small", "ms");
    panel->y += AXIS_HEIGHT;
}

static double plot_height(const struct lanes *lanes)
{
    return PROBE_HEIGHT + HAIR + LOST_HEIGHT + GAP + (double)lanes->count * LANE_HEIGHT + GAP + WIRE_HEIGHT;
}

static double panel_height(const struct panel *panel, const struct lanes *lanes)
{
    return TITLE_HEIGHT + NUMBERS_HEIGHT + plot_height(lanes) + AXIS_HEIGHT +
           (double)json_array_size(json_object_get(panel->timeline, "phases")) * LEGEND_LINE + 2 * GAP;
}

/* "planned_move" as "planned move" */
static void draw_title(const struct panel *panel, const char *name)
{
    char words[64];
    snprintf(words, sizeof words, "%s", name);
    for (char *at = words; (at = strchr(at, '_'));)
        *at = ' ';
    text_at(panel, LEFT, panel->y + 28, "title", words);
    text_at(panel, LEFT, panel->y + 47, "faint", stf_cli_text(panel->timeline, "summary"));
}

static void draw_panel(struct panel *panel, const char *name)
{
    struct lanes lanes;
    find_lanes(panel, &lanes);
    draw_title(panel, name);
    panel->y += TITLE_HEIGHT;
    draw_phases(panel, plot_height(&lanes));
    panel->y += NUMBERS_HEIGHT;
    draw_probe(panel);
    for (size_t i = 0; i < lanes.count; i++)
        draw_lane(panel, &lanes.items[i]);
    panel->y += GAP;
    draw_wire(panel);
    draw_axis(panel);
    draw_legend(panel);
    panel->y += 2 * GAP;
}

static struct panel panel_of(const json_t *each, FILE *stream)
{
    const json_t *timeline = json_object_get(each, "timeline");
    struct panel panel = {.stream = stream,
                          .timeline = timeline,
                          .from_us = number(timeline, "from_us"),
                          .to_us = number(timeline, "to_us")};
    panel.to_us = fmax(panel.to_us, panel.from_us + 1);
    return panel;
}

static void draw(const json_t *cases, FILE *stream)
{
    double y = 0, height = 0;
    size_t i;
    json_t *each;
    json_array_foreach (cases, i, each) {
        struct lanes lanes;
        struct panel panel = panel_of(each, stream);
        find_lanes(&panel, &lanes);
        height += panel_height(&panel, &lanes);
    }
    fprintf(stream,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" width=\"%d\" height=\"%.0f\" "
            "role=\"img\">\n<title>Timeline of a failover</title>\n",
            WIDTH, height, WIDTH, height);
    fputs(style, stream);
    fputs("<rect width=\"100%\" height=\"100%\" class=\"back\"/>\n", stream);
    json_array_foreach (cases, i, each) {
        struct panel panel = panel_of(each, stream);
        panel.y = y;
        draw_panel(&panel, stf_cli_text(each, "case"));
        y = panel.y;
    }
    fputs("</svg>\n", stream);
}

enum stf_kind stf_timeline_svg(const json_t *cases, char **svg, size_t *size, struct stf_err *err)
{
    FILE *stream = tmpfile();
    *svg = NULL;
    if (!stream)
        return stf_err_errno(err, errno, "timeline", NULL, "no temporary file");
    draw(cases, stream);
    rewind(stream);
    enum stf_kind kind = stf_whole_stream_read(stream, "the timeline's picture", svg, size, err);
    fclose(stream);
    return kind;
}
