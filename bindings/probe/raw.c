/* raw.c - samples as text. Must never round: what was measured is what is written. SPDX-License-Identifier: MIT */
#include "raw.h"

#include <errno.h>
#include <inttypes.h>

static const char *clock_name(const struct stf_probe_sample *sample, enum stf_probe_stamp stamp)
{
    return sample->stamps & stamp ? "kernel" : "program";
}

/* Names are addresses, or what a resolver knows: they need no quoting. */
static void write_csv(const char *target, const struct stf_probe_sample *sample, FILE *file)
{
    fprintf(file, "%s,%" PRId64 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%s,%s,%s\n", target,
            sample->intended_ns, sample->woken_late_ns, sample->sent_early_ns, sample->sent_late_ns, sample->latency_ns,
            stf_probe_outcome_name(sample->outcome), clock_name(sample, STF_PROBE_STAMP_SENT),
            clock_name(sample, STF_PROBE_STAMP_ANSWER));
}

static void write_ndjson(const char *target, const struct stf_probe_sample *sample, FILE *file)
{
    fprintf(file,
            "{\"target\": \"%s\", \"intended_ns\": %" PRId64 ", \"woken_late_ns\": %" PRIu32
            ", \"sent_early_ns\": %" PRIu32 ", \"sent_late_ns\": %" PRIu32 ", \"latency_ns\": %" PRIu32
            ", \"outcome\": \"%s\", \"sent_clock\": \"%s\", \"answer_clock\": \"%s\"}\n",
            target, sample->intended_ns, sample->woken_late_ns, sample->sent_early_ns, sample->sent_late_ns,
            sample->latency_ns, stf_probe_outcome_name(sample->outcome), clock_name(sample, STF_PROBE_STAMP_SENT),
            clock_name(sample, STF_PROBE_STAMP_ANSWER));
}

enum stf_kind stf_probe_write_raw(const struct stf_probe *probe, enum stf_probe_raw_form form, FILE *file,
                                  struct stf_err *err)
{
    const struct stf_probe_options *options = stf_probe_get_options(probe);
    if (form == STF_PROBE_RAW_CSV)
        fputs("target,intended_ns,woken_late_ns,sent_early_ns,sent_late_ns,latency_ns,outcome,sent_clock,"
              "answer_clock\n",
              file);
    for (size_t i = 0; i < options->target_count; i++) {
        const struct stf_probe_log *log = stf_probe_get_log(probe, i);
        for (size_t j = 0; j < log->count && !ferror(file); j++)
            (form == STF_PROBE_RAW_CSV ? write_csv : write_ndjson)(options->targets[i].name, &log->samples[j], file);
    }
    if (fflush(file) == 0 && !ferror(file))
        return STF_OK;
    return stf_err_errno(err, errno, "probe.raw", NULL, "cannot write the samples");
}
