/* trace.c - counts packets by the millisecond. Must never drop one silently. SPDX-License-Identifier: MIT */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

enum {
    BUCKET_NS = 1000000,
    BUCKETS_MAX = 300000, /* five minutes */
    IKE_MAX = 2000,
};

struct bucket {
    uint32_t protected, clear;
};

struct ike_message {
    int64_t at_ns;
    struct stf_wire_ike ike;
    bool is_to;
};

struct stf_wire_trace {
    int64_t begun_ns;
    struct bucket *buckets;
    size_t bucket_count;
    struct ike_message ike[IKE_MAX];
    size_t ike_count;
    uint64_t untraced;
};

struct stf_wire_trace *stf_wire_trace_new(int64_t begun_ns)
{
    struct stf_wire_trace *trace = calloc(1, sizeof *trace);
    if (trace)
        trace->begun_ns = begun_ns;
    return trace;
}

void stf_wire_trace_free(struct stf_wire_trace *trace)
{
    if (trace)
        free(trace->buckets);
    free(trace);
}

/* The bucket of a time; NULL when there is no room for it. */
static struct bucket *bucket_at(struct stf_wire_trace *trace, int64_t at_ns)
{
    int64_t index = at_ns > trace->begun_ns ? (at_ns - trace->begun_ns) / BUCKET_NS : 0;
    if (index >= BUCKETS_MAX)
        return NULL;
    if ((size_t)index >= trace->bucket_count) {
        size_t count = 2 * (size_t)index + 1024;
        struct bucket *grown = realloc(trace->buckets, count * sizeof *grown);
        if (!grown)
            return NULL;
        memset(grown + trace->bucket_count, 0, (count - trace->bucket_count) * sizeof *grown);
        trace->buckets = grown;
        trace->bucket_count = count;
    }
    return &trace->buckets[index];
}

void stf_wire_trace_add(struct stf_wire_trace *trace, const struct stf_wire_packet *packet, int64_t at_ns)
{
    if (packet->class == STF_WIRE_IKE) {
        if (trace->ike_count < IKE_MAX)
            trace->ike[trace->ike_count++] = (struct ike_message){at_ns, packet->ike, packet->is_to};
        else
            trace->untraced++;
        return;
    }
    struct bucket *bucket = bucket_at(trace, at_ns);
    if (!bucket)
        trace->untraced++;
    else if (packet->class == STF_WIRE_CLEAR)
        bucket->clear++;
    else
        bucket->protected ++;
}

/* ---------- the document ---------- */

/* RFC 7296, 3.1 and RFC 2408, 3.1, with RFC 2409's quick mode. */
static const char *exchange_name(const struct stf_wire_ike *ike)
{
    switch (ike->exchange) {
    case 2:
        return "main mode";
    case 4:
        return "aggressive mode";
    case 32:
        return "quick mode";
    case 34:
        return "IKE_SA_INIT";
    case 35:
        return "IKE_AUTH";
    case 36:
        return "CREATE_CHILD_SA";
    case 5:
    case 37:
        return "INFORMATIONAL";
    default:
        return "IKE";
    }
}

/* Adds to a list, which is freed and NULL once memory is out. Takes over `item`. */
static void add(json_t **list, json_t *item)
{
    if (*list && json_array_append_new(*list, item) == 0)
        return;
    json_decref(*list);
    *list = NULL;
}

static json_t *ike_list(const struct stf_wire_trace *trace)
{
    json_t *list = json_array();
    for (size_t i = 0; i < trace->ike_count; i++) {
        const struct ike_message *message = &trace->ike[i];
        add(&list, json_pack("{s:I, s:s, s:s, s:b}", "at_ns", (json_int_t)message->at_ns, "exchange",
                             exchange_name(&message->ike), "direction", message->is_to ? "to" : "from", "is_response",
                             (int)message->ike.is_response));
    }
    return list;
}

json_t *stf_wire_trace_doc(const struct stf_wire_trace *trace)
{
    json_t *at = json_array(), *protected = json_array(), *clear = json_array();
    for (size_t i = 0; i < trace->bucket_count; i++) {
        const struct bucket *bucket = &trace->buckets[i];
        if (!bucket->protected && !bucket->clear)
            continue;
        add(&at, json_integer((json_int_t)(trace->begun_ns + (int64_t)i * BUCKET_NS)));
        add(&protected, json_integer(bucket->protected));
        add(&clear, json_integer(bucket->clear));
    }
    return json_pack("{s:i, s:o, s:o, s:o, s:o, s:I}", "bucket_us", BUCKET_NS / 1000, "at_ns", at, "protected",
                     protected, "clear", clear, "ike", ike_list(trace), "untraced", (json_int_t)trace->untraced);
}
