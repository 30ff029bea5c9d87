/* test_probe_report.c - the report's figures on logs made by hand. Runs no probe. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/document.h"
#include "probe/report.h"

enum {
    INTERVAL_US = 1000,
    WOKEN_LATE_US = 20,
    SENT_EARLY_US = 30,
    SENT_LATE_US = 50,
    LATENCY_US = 200,
    ROUND_TRIP_US = LATENCY_US - SENT_EARLY_US,
    /* what an outage can be shorter than from the first lost to the last lost, and longer than between the answered */
    SHORTER_US = SENT_LATE_US - SENT_EARLY_US + ROUND_TRIP_US,
    LONGER_US = LATENCY_US - SENT_EARLY_US,
};
#define START_NS INT64_C(1000000000000)

static struct stf_probe_sample samples[4096];

static int64_t tick_ns(size_t place)
{
    return START_NS + (int64_t)place * INTERVAL_US * 1000;
}

/* One letter a place of the schedule: a answered, l lost (timeout), r refused, p pending, '.' shed. */
static struct stf_probe_log log_of(const char *places)
{
    struct stf_probe_log log = {.samples = samples,
                                .interval_ns = INTERVAL_US * 1000,
                                .first_tick_ns = START_NS,
                                .last_tick_ns = START_NS - INTERVAL_US * 1000};
    for (size_t i = 0; places[i]; i++) {
        enum stf_probe_outcome outcome = STF_PROBE_ANSWERED;
        log.last_tick_ns = tick_ns(i);
        if (places[i] == '.') {
            log.shed_missed++;
            continue;
        }
        if (places[i] != 'a')
            outcome = places[i] == 'l' ? STF_PROBE_TIMEOUT : places[i] == 'r' ? STF_PROBE_REFUSED : STF_PROBE_PENDING;
        samples[log.count++] = (struct stf_probe_sample){.intended_ns = tick_ns(i),
                                                         .woken_late_ns = WOKEN_LATE_US * 1000,
                                                         .sent_early_ns = SENT_EARLY_US * 1000,
                                                         .sent_late_ns = SENT_LATE_US * 1000,
                                                         .latency_ns = LATENCY_US * 1000,
                                                         .outcome = outcome};
    }
    return log;
}

static struct stf_probe_report report_of(const char *places)
{
    struct stf_probe_log log = log_of(places);
    struct stf_probe_report report;
    assert_int_equal(stf_probe_report_make(&log, &report, NULL), STF_OK);
    return report;
}

/* The figures of an outage of which the lost attempts span `lost` intervals and the answered ones around it `answered`.
 */
static void assert_bounds(const struct stf_probe_outage *outage, int64_t lost, int64_t answered)
{
    int64_t min_us = lost * INTERVAL_US - SHORTER_US, max_us = answered * INTERVAL_US + LONGER_US;
    min_us = min_us > 0 ? min_us : 0;
    assert_int_equal(outage->duration_us, (min_us + max_us) / 2);
    assert_in_range(outage->error_us, (max_us - min_us) / 2, (max_us - min_us) / 2 + 1);
}

static void empty_log_has_no_figures(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("");
    assert_int_equal(report.sent, 0);
    assert_int_equal(report.pattern.periods, 0);
    assert_int_equal(report.longest_blind_us, 0);
    assert_false(report.has_longest);
    assert_int_equal(report.latency.max_us, 0);
    stf_probe_report_fini(&report);
}

static void all_answered_is_no_outage(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("aaaaaaaaaa");
    assert_int_equal(report.sent, 10);
    assert_int_equal(report.answered, 10);
    assert_int_equal(report.lost, 0);
    assert_int_equal(report.outage_count, 0);
    assert_int_equal(report.longest_blind_us, 0);
    assert_int_equal(report.jitter.p50_us, WOKEN_LATE_US);
    assert_int_equal(report.latency.p99_us, LATENCY_US);
    stf_probe_report_fini(&report);
}

/* Begins between places 2 and 3, ends between 5 and 6: 3 ms, give or take one. */
static void one_outage_is_an_interval(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("aaalllaaa");
    assert_int_equal(report.outage_count, 1);
    const struct stf_probe_outage *outage = &report.outages[0];
    assert_true(outage->last_answered_ns == tick_ns(2));
    assert_true(outage->first_lost_ns == tick_ns(3));
    assert_true(outage->first_answered_ns == tick_ns(6));
    assert_true(outage->first_answer_ns == tick_ns(6) + LATENCY_US * 1000);
    assert_false(outage->is_open);
    assert_false(outage->is_open_at_start);
    assert_int_equal(outage->lost, 3);
    assert_int_equal(outage->timestamp_derived_us, 4 * INTERVAL_US);
    assert_int_equal(outage->loss_derived_us, 3 * INTERVAL_US);
    assert_bounds(outage, 2, 4);
    assert_int_equal(report.loss_derived_us, 3 * INTERVAL_US);
    stf_probe_report_fini(&report);
}

static void single_loss(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("ala");
    assert_int_equal(report.outages[0].lost, 1);
    assert_bounds(&report.outages[0], 0, 2);
    stf_probe_report_fini(&report);
}

/* When the four attempts at the edges left is known within a span; a wider one widens the error, whatever the lateness.
 */
static void late_first_lost_widens_the_error(void **state)
{
    (void)state;
    struct stf_probe_log log = log_of("aalllaa");
    struct stf_probe_report report;
    samples[2].sent_late_ns = 700 * 1000;
    assert_int_equal(stf_probe_report_make(&log, &report, NULL), STF_OK);
    int64_t min_us = 2 * INTERVAL_US + SENT_EARLY_US - 700 - ROUND_TRIP_US, max_us = 4 * INTERVAL_US + LONGER_US;
    assert_int_equal(report.outages[0].duration_us, (min_us + max_us) / 2);
    assert_int_equal(report.outages[0].error_us, (max_us - min_us) / 2 + 1);
    stf_probe_report_fini(&report);
}

static void known_lateness_does_not_widen_the_error(void **state)
{
    (void)state;
    struct stf_probe_log log = log_of("aalllaa");
    struct stf_probe_report on_time, late;
    assert_int_equal(stf_probe_report_make(&log, &on_time, NULL), STF_OK);
    for (size_t i = 0; i < log.count; i++) {
        samples[i].sent_early_ns += 400 * 1000;
        samples[i].sent_late_ns += 400 * 1000;
        samples[i].latency_ns += 400 * 1000;
    }
    assert_int_equal(stf_probe_report_make(&log, &late, NULL), STF_OK);
    assert_int_equal(late.outages[0].duration_us, on_time.outages[0].duration_us);
    assert_int_equal(late.outages[0].error_us, on_time.outages[0].error_us);
    assert_int_equal(late.latency.p50_us, LATENCY_US + 400);
    assert_int_equal(late.round_trip.p50_us, ROUND_TRIP_US);
    stf_probe_report_fini(&on_time);
    stf_probe_report_fini(&late);
}

static void clocks_are_told(void **state)
{
    (void)state;
    struct stf_probe_log log = log_of("aal");
    struct stf_probe_report report;
    samples[0].stamps = samples[2].stamps = STF_PROBE_STAMP_SENT;
    samples[1].stamps = STF_PROBE_STAMP_SENT | STF_PROBE_STAMP_ANSWER;
    assert_int_equal(stf_probe_report_make(&log, &report, NULL), STF_OK);
    assert_int_equal(report.sent_clock, STF_PROBE_CLOCK_KERNEL);
    assert_int_equal(report.answer_clock, STF_PROBE_CLOCK_MIXED);
    stf_probe_report_fini(&report);
    samples[1].stamps = 0;
    assert_int_equal(stf_probe_report_make(&log, &report, NULL), STF_OK);
    assert_int_equal(report.sent_clock, STF_PROBE_CLOCK_MIXED);
    assert_int_equal(report.answer_clock, STF_PROBE_CLOCK_PROGRAM);
    stf_probe_report_fini(&report);
}

/* RFC 3357, 4: losses at 2, 3, 4, 7 and 107: distances 1, 1, 3 and 100; the last is not noticeable at 99. */
static void losses_have_a_pattern(void **state)
{
    (void)state;
    char places[109];
    memset(places, 'a', sizeof places);
    places[2] = places[3] = places[4] = places[7] = places[107] = 'l';
    places[108] = '\0';
    struct stf_probe_report report = report_of(places);
    assert_int_equal(report.pattern.periods, 3);
    assert_int_equal(report.pattern.longest_period, 3);
    assert_int_equal(report.pattern.shortest_gap, 3);
    assert_int_equal(report.pattern.noticeable, 3);
    stf_probe_report_fini(&report);

    places[106] = 'l';
    report = report_of(places);
    assert_int_equal(report.pattern.noticeable, 5);
    stf_probe_report_fini(&report);

    report = report_of("aala");
    assert_int_equal(report.pattern.shortest_gap, 0);
    assert_int_equal(report.pattern.noticeable, 0);
    stf_probe_report_fini(&report);
}

static void never_answered_is_open_at_both_ends(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("llllllllll");
    assert_int_equal(report.answered, 0);
    assert_int_equal(report.outage_count, 1);
    assert_true(report.outages[0].is_open);
    assert_true(report.outages[0].is_open_at_start);
    assert_int_equal(report.outages[0].error_us, -1);
    assert_int_equal(report.outages[0].timestamp_derived_us, -1);
    assert_int_equal(report.outages[0].duration_us, 9 * INTERVAL_US - (SENT_LATE_US - SENT_EARLY_US));
    assert_int_equal(report.outages[0].loss_derived_us, 10 * INTERVAL_US);
    stf_probe_report_fini(&report);
}

static void open_at_start(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("lllaa");
    assert_true(report.outages[0].is_open_at_start);
    assert_false(report.outages[0].is_open);
    assert_true(report.outages[0].first_answered_ns == tick_ns(3));
    assert_int_equal(report.outages[0].duration_us, 2 * INTERVAL_US - SHORTER_US);
    assert_int_equal(report.outages[0].error_us, -1);
    stf_probe_report_fini(&report);
}

static void open_at_end(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("aalll");
    assert_false(report.outages[0].is_open_at_start);
    assert_true(report.outages[0].is_open);
    assert_true(report.outages[0].last_answered_ns == tick_ns(1));
    assert_int_equal(report.outages[0].duration_us, 2 * INTERVAL_US - SHORTER_US);
    stf_probe_report_fini(&report);
}

static void single_loss_at_the_end_lasts_at_least_nothing(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("aal");
    assert_true(report.outages[0].is_open);
    assert_int_equal(report.outages[0].duration_us, 0);
    stf_probe_report_fini(&report);
}

/* Unfinished attempts say nothing: they neither end an outage nor prolong it. */
static void pending_is_neither_good_nor_lost(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("aalplpp");
    assert_int_equal(report.unfinished, 3);
    assert_int_equal(report.lost, 2);
    assert_int_equal(report.pattern.periods, 1);
    assert_int_equal(report.outages[0].lost, 2);
    assert_true(report.outages[0].is_open);
    stf_probe_report_fini(&report);
}

/* Places at which nothing was sent make the interval wider, not the loss larger. */
static void shed_at_an_edge_widens_the_error(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("aa..ll.aa");
    assert_int_equal(report.shed, 3);
    assert_int_equal(report.longest_blind_us, 2 * INTERVAL_US);
    const struct stf_probe_outage *outage = &report.outages[0];
    assert_int_equal(outage->lost, 2);
    assert_int_equal(outage->timestamp_derived_us, 6 * INTERVAL_US);
    assert_bounds(outage, 1, 6);
    stf_probe_report_fini(&report);
}

static void shed_in_the_middle_of_an_outage_counts_as_outage(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("aal...laa");
    assert_int_equal(report.pattern.periods, 1);
    assert_int_equal(report.outages[0].lost, 2);
    assert_bounds(&report.outages[0], 4, 6);
    assert_int_equal(report.outages[0].loss_derived_us, 2 * INTERVAL_US);
    stf_probe_report_fini(&report);
}

static void shed_between_answers_is_blindness_not_outage(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("aa.....aa....");
    assert_int_equal(report.pattern.periods, 0);
    assert_int_equal(report.longest_blind_us, 5 * INTERVAL_US);
    stf_probe_report_fini(&report);

    report = report_of("aa.aa.....");
    assert_int_equal(report.longest_blind_us, 5 * INTERVAL_US);
    stf_probe_report_fini(&report);

    report = report_of("....");
    assert_int_equal(report.longest_blind_us, 4 * INTERVAL_US);
    stf_probe_report_fini(&report);
}

static void several_loss_periods_and_the_longest(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("alarrrrallal");
    assert_int_equal(report.pattern.periods, 4);
    assert_int_equal(report.outage_count, 4);
    assert_int_equal(report.lost, 8);
    assert_int_equal(report.outcomes[STF_PROBE_REFUSED], 4);
    assert_int_equal(report.outcomes[STF_PROBE_TIMEOUT], 4);
    assert_int_equal(report.longest.lost, 4);
    assert_true(report.longest.first_lost_ns == tick_ns(3));
    assert_true(report.outages[3].is_open);
    stf_probe_report_fini(&report);
}

static void the_list_of_outages_is_bounded(void **state)
{
    (void)state;
    char places[2 * STF_PROBE_OUTAGES_MAX + 64] = "";
    for (size_t i = 0; i < STF_PROBE_OUTAGES_MAX + 20; i++)
        memcpy(places + 2 * i, "al", 2);
    strcat(places, "llla");
    struct stf_probe_report report = report_of(places);
    assert_int_equal(report.outage_count, STF_PROBE_OUTAGES_MAX);
    assert_int_equal(report.pattern.periods, STF_PROBE_OUTAGES_MAX + 20);
    assert_int_equal(report.longest.lost, 4);
    stf_probe_report_fini(&report);
}

/* Nearest rank: of 1..200, exactly half are at most 100. Values come in any order. */
static void quantiles_are_exact(void **state)
{
    (void)state;
    char places[201];
    memset(places, 'a', 200);
    places[200] = '\0';
    struct stf_probe_log log = log_of(places);
    for (uint32_t i = 0; i < 200; i++) {
        samples[i].latency_ns = (i * 67 % 200 + 1) * 1000;
        samples[i].woken_late_ns = (200 - i) * 1000;
    }
    struct stf_probe_report report;
    assert_int_equal(stf_probe_report_make(&log, &report, NULL), STF_OK);
    assert_int_equal(report.latency.p50_us, 100);
    assert_int_equal(report.latency.p90_us, 180);
    assert_int_equal(report.latency.p99_us, 198);
    assert_int_equal(report.latency.max_us, 200);
    assert_int_equal(report.jitter.p50_us, 100);
    assert_int_equal(report.jitter.max_us, 200);
    stf_probe_report_fini(&report);
}

static void one_sample_is_every_quantile(void **state)
{
    (void)state;
    struct stf_probe_report report = report_of("a");
    assert_int_equal(report.latency.p50_us, LATENCY_US);
    assert_int_equal(report.latency.max_us, LATENCY_US);
    stf_probe_report_fini(&report);
}

/* Lays outages of known length at known times over the schedule and checks that the printed bound holds. */
static void truth_lies_within_the_bound(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 2000; round++) {
        char places[64];
        int64_t begin_us = 2000 + rand() % 10000, length_us = 1 + rand() % 30000;
        for (size_t i = 0; i < sizeof places - 1; i++) {
            int64_t sent_us = (int64_t)i * INTERVAL_US + SENT_EARLY_US + rand() % (SENT_LATE_US - SENT_EARLY_US);
            int64_t answered_us = (int64_t)i * INTERVAL_US + LATENCY_US;
            bool is_lost = answered_us > begin_us && sent_us < begin_us + length_us;
            places[i] = rand() % 8 == 0 ? '.' : is_lost ? 'l' : 'a';
        }
        places[0] = places[sizeof places - 2] = 'a';
        places[sizeof places - 1] = '\0';
        struct stf_probe_report report = report_of(places);
        if (report.has_longest) {
            assert_int_equal(report.pattern.periods, 1);
            assert_true(length_us >= report.longest.duration_us - report.longest.error_us);
            assert_true(length_us <= report.longest.duration_us + report.longest.error_us);
        } else {
            assert_true(length_us <= INTERVAL_US + report.longest_blind_us);
        }
        stf_probe_report_fini(&report);
    }
}

static void assert_numbers(const json_t *doc, const char *key, const int64_t *expected, size_t count)
{
    const json_t *list = json_object_get(doc, key);
    assert_int_equal(json_array_size(list), count);
    for (size_t i = 0; i < count; i++)
        assert_true(json_integer_value(json_array_get(list, i)) == expected[i]);
}

static void samples_of_a_span(void **state)
{
    (void)state;
    struct stf_probe_log log = log_of("aaalrpaaa");
    json_t *doc = stf_probe_samples_doc(&log, tick_ns(1), tick_ns(6));
    assert_int_equal(json_integer_value(json_object_get(doc, "every")), 1);
    assert_numbers(doc, "answered_ns", (int64_t[]){tick_ns(1), tick_ns(2), tick_ns(6)}, 3);
    assert_numbers(doc, "latency_us", (int64_t[]){LATENCY_US, LATENCY_US, LATENCY_US}, 3);
    assert_numbers(doc, "lost_ns", (int64_t[]){tick_ns(3), tick_ns(4)}, 2);
    json_decref(doc);

    doc = stf_probe_samples_doc(&log, tick_ns(100), tick_ns(200));
    assert_numbers(doc, "answered_ns", NULL, 0);
    assert_numbers(doc, "lost_ns", NULL, 0);
    json_decref(doc);
}

static void many_samples_are_thinned(void **state)
{
    (void)state;
    char places[4001];
    memset(places, 'a', 4000);
    places[4000] = '\0';
    struct stf_probe_log log = log_of(places);
    json_t *doc = stf_probe_samples_doc(&log, 0, INT64_MAX);
    assert_int_equal(json_integer_value(json_object_get(doc, "every")), 3);
    assert_int_equal(json_array_size(json_object_get(doc, "answered_ns")), 1334);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_log_has_no_figures),
        cmocka_unit_test(all_answered_is_no_outage),
        cmocka_unit_test(one_outage_is_an_interval),
        cmocka_unit_test(single_loss),
        cmocka_unit_test(samples_of_a_span),
        cmocka_unit_test(many_samples_are_thinned),
        cmocka_unit_test(late_first_lost_widens_the_error),
        cmocka_unit_test(known_lateness_does_not_widen_the_error),
        cmocka_unit_test(clocks_are_told),
        cmocka_unit_test(losses_have_a_pattern),
        cmocka_unit_test(never_answered_is_open_at_both_ends),
        cmocka_unit_test(open_at_start),
        cmocka_unit_test(open_at_end),
        cmocka_unit_test(single_loss_at_the_end_lasts_at_least_nothing),
        cmocka_unit_test(pending_is_neither_good_nor_lost),
        cmocka_unit_test(shed_at_an_edge_widens_the_error),
        cmocka_unit_test(shed_in_the_middle_of_an_outage_counts_as_outage),
        cmocka_unit_test(shed_between_answers_is_blindness_not_outage),
        cmocka_unit_test(several_loss_periods_and_the_longest),
        cmocka_unit_test(the_list_of_outages_is_bounded),
        cmocka_unit_test(quantiles_are_exact),
        cmocka_unit_test(one_sample_is_every_quantile),
        cmocka_unit_test(truth_lies_within_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
