/* probe.c - the prober's thread: a timer for the schedule, epoll for the answers, a log for each target.
 * Must never wait for an answer before the next attempt leaves. SPDX-License-Identifier: MIT */
#include "probe.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/netns.h"
#include "common/thread.h"
#include "datagram.h"
#include "exchange.h"
#include "session.h"

enum { EVENTS_PER_WAIT = 64, FILES_WANTED = 65536, FIRST_SAMPLES = 4096, FAMILIES = 2, STAMP_SLACK_NS = 5000 };

/* What an epoll event is about: one of these, a session's lane, or (lane << 32 | the attempt's sample). */
#define KEY_TIMER (UINT64_MAX)
#define KEY_STOP (UINT64_MAX - 1)
#define KEY_DATAGRAM (UINT64_MAX - 1 - FAMILIES) /* and the one after it */

/* An attempt over TCP. That of sample i lives in slot i % slot_count of its lane. */
struct attempt {
    uint64_t sample;
    struct stf_exchange exchange;
};

/* One target's part of the probe. */
struct lane {
    struct stf_probe_log log;
    size_t samples_size;
    size_t oldest;               /* every sample before this one has its verdict */
    struct attempt *attempts;    /* TCP only */
    char *received;              /* one buffer per attempt, or NULL when answers are not read */
    struct stf_session *session; /* method session only */
    size_t next_answer;          /* the sample that the session's next answer is for */
};

struct stf_probe {
    struct stf_probe_options options;
    struct stf_probe_target *targets;
    int64_t timeout_ns, interval_ns;
    size_t slot_count;
    int epoll_fd, timer_fd, stop_fd;
    struct stf_datagram *datagrams[FAMILIES]; /* IPv4, IPv6; NULL where no target needs it */
    pthread_t thread;
    bool has_thread;
    atomic_llong drain_until_ns; /* set before stop_fd is signalled */
    struct {
        atomic_ullong sent, answered, lost, shed;
        atomic_llong latency_ns;
        atomic_bool is_finished;
    } progress;

    /* Of the thread alone until it was joined. */
    struct lane *lanes;
    uint64_t ticks;
    size_t next_lane; /* whose turn it is first: overload hits all alike */
    bool is_draining;
    int failure; /* errno that ended the thread */
    struct {
        struct stf_datagram_packet packets[STF_DATAGRAM_BATCH];
        size_t count;
    } batches[FAMILIES];
    struct stf_datagram_event events[STF_DATAGRAM_BATCH];
};

/* ---- samples ---- */

static uint32_t span_ns(int64_t from_ns, int64_t to_ns)
{
    if (to_ns < from_ns)
        return 0;
    return to_ns - from_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)(to_ns - from_ns);
}

static void count_one(atomic_ullong *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void shed(struct stf_probe *probe, uint64_t *reason)
{
    (*reason)++;
    count_one(&probe->progress.shed);
}

static bool has_room(const struct stf_probe *probe, struct lane *lane)
{
    if (lane->log.count < lane->samples_size)
        return true;
    size_t size = lane->samples_size ? 2 * lane->samples_size : FIRST_SAMPLES;
    size_t samples_max = probe->options.samples_max / probe->options.target_count;
    if (size > samples_max)
        size = samples_max;
    if (size <= lane->log.count)
        return false;
    void *samples = realloc(lane->log.samples, size * sizeof *lane->log.samples);
    if (!samples)
        return false;
    lane->log.samples = samples;
    lane->samples_size = size;
    return true;
}

/* A sample for an attempt that is about to leave; NULL, counted, when it can not be kept. */
static struct stf_probe_sample *add_sample(struct stf_probe *probe, struct lane *lane, int64_t tick_ns,
                                           int64_t woken_ns)
{
    if (!has_room(probe, lane)) {
        lane->log.unrecorded++;
        return NULL;
    }
    struct stf_probe_sample *sample = &lane->log.samples[lane->log.count++];
    *sample = (struct stf_probe_sample){.intended_ns = tick_ns,
                                        .woken_late_ns = span_ns(tick_ns, woken_ns),
                                        .sent_early_ns = span_ns(tick_ns, stf_clock_ns())};
    count_one(&probe->progress.sent);
    return sample;
}

/* The newest sample's attempt did not leave, because this machine failed. */
static void take_back(struct stf_probe *probe, struct lane *lane)
{
    lane->log.count--;
    atomic_fetch_sub_explicit(&probe->progress.sent, 1, memory_order_relaxed);
    shed(probe, &lane->log.shed_no_resources);
}

static void settle(struct stf_probe *probe, struct stf_probe_sample *sample, enum stf_probe_outcome outcome,
                   int64_t at_ns)
{
    sample->latency_ns = span_ns(sample->intended_ns, at_ns);
    bool is_late = outcome == STF_PROBE_ANSWERED && sample->latency_ns > probe->timeout_ns;
    sample->outcome = is_late ? STF_PROBE_TIMEOUT : outcome;
    if (sample->outcome == STF_PROBE_ANSWERED)
        atomic_store_explicit(&probe->progress.latency_ns, sample->latency_ns, memory_order_relaxed);
    count_one(sample->outcome == STF_PROBE_ANSWERED ? &probe->progress.answered : &probe->progress.lost);
}

static struct attempt *attempt_of(const struct stf_probe *probe, const struct lane *lane, size_t sample)
{
    return lane->attempts ? &lane->attempts[sample % probe->slot_count] : NULL;
}

/* Gives up attempts whose time is over. All have the same timeout, so the oldest ends first. */
static void expire_lane(struct stf_probe *probe, struct lane *lane, int64_t now_ns)
{
    for (; lane->oldest < lane->log.count; lane->oldest++) {
        struct stf_probe_sample *sample = &lane->log.samples[lane->oldest];
        if (sample->outcome != STF_PROBE_PENDING)
            continue;
        if (now_ns < sample->intended_ns + probe->timeout_ns)
            return;
        struct attempt *attempt = attempt_of(probe, lane, lane->oldest);
        settle(probe, sample, attempt ? stf_exchange_expire(&attempt->exchange) : STF_PROBE_TIMEOUT, now_ns);
        if (attempt)
            stf_exchange_close(&attempt->exchange);
    }
}

/* When the oldest attempt's time is over; INT64_MAX: none is in flight. */
static int64_t expire(struct stf_probe *probe)
{
    int64_t now_ns = stf_clock_ns(), next_ns = INT64_MAX;
    for (size_t i = 0; i < probe->options.target_count; i++) {
        struct lane *lane = &probe->lanes[i];
        expire_lane(probe, lane, now_ns);
        if (lane->oldest == lane->log.count)
            continue;
        int64_t until_ns = lane->log.samples[lane->oldest].intended_ns + probe->timeout_ns;
        next_ns = until_ns < next_ns ? until_ns : next_ns;
    }
    return next_ns;
}

/* ---- TCP ---- */

static void connect_one(struct stf_probe *probe, size_t i, int64_t tick_ns, int64_t woken_ns)
{
    struct lane *lane = &probe->lanes[i];
    struct attempt *attempt = attempt_of(probe, lane, lane->log.count);
    if (attempt->exchange.fd >= 0) {
        shed(probe, &lane->log.shed_in_flight);
        return;
    }
    struct stf_probe_sample *sample = add_sample(probe, lane, tick_ns, woken_ns);
    if (!sample)
        return;
    attempt->sample = lane->log.count - 1;
    int errnum = stf_exchange_start(&attempt->exchange, &probe->targets[i]);
    sample->sent_late_ns = span_ns(tick_ns, stf_clock_ns());

    bool is_under_way = errnum == 0 || errnum == EINPROGRESS;
    struct epoll_event event = {.events = stf_exchange_events(&probe->options.ask) | EPOLLET,
                                .data.u64 = (uint64_t)i << 32 | attempt->sample};
    if (is_under_way && epoll_ctl(probe->epoll_fd, EPOLL_CTL_ADD, attempt->exchange.fd, &event) == 0)
        return;
    stf_exchange_close(&attempt->exchange);
    enum stf_probe_outcome outcome = is_under_way ? STF_PROBE_PENDING : stf_probe_outcome_of(errnum);
    if (outcome == STF_PROBE_PENDING)
        take_back(probe, lane);
    else
        settle(probe, sample, outcome, tick_ns + sample->sent_late_ns);
}

static void advance_attempt(struct stf_probe *probe, const struct epoll_event *event)
{
    struct lane *lane = &probe->lanes[event->data.u64 >> 32];
    uint64_t sample = event->data.u64 & UINT32_MAX;
    struct attempt *attempt = attempt_of(probe, lane, sample);
    /* A child that is being started holds copies of our sockets until it runs its program, so epoll can report one
     * that was closed here: such an event belongs to no attempt any more. */
    if (attempt->exchange.fd < 0 || attempt->sample != sample)
        return;
    enum stf_probe_outcome outcome = stf_exchange_advance(&attempt->exchange, &probe->options.ask, event->events);
    if (outcome == STF_PROBE_PENDING)
        return;
    settle(probe, &lane->log.samples[sample], outcome, stf_clock_ns());
    stf_exchange_close(&attempt->exchange);
}

/* ---- sessions ---- */

/* What was sent and not answered is lost with the connection. */
static void end_session(struct stf_probe *probe, struct lane *lane, enum stf_session_end how)
{
    lane->log.ended_ns = stf_clock_ns();
    lane->log.end = (uint8_t)how;
    for (size_t i = lane->next_answer; i < lane->log.count; i++)
        if (lane->log.samples[i].outcome == STF_PROBE_PENDING)
            settle(probe, &lane->log.samples[i], STF_PROBE_CLOSED, lane->log.ended_ns);
    stf_session_close(lane->session);
}

static void take_session(struct stf_probe *probe, struct lane *lane)
{
    size_t answers = 0;
    if (lane->session->fd < 0)
        return;
    enum stf_session_end how = stf_session_receive(lane->session, &probe->options.ask, &answers);
    int64_t now_ns = stf_clock_ns();
    for (; answers > 0 && lane->next_answer < lane->log.count; answers--, lane->next_answer++) {
        struct stf_probe_sample *sample = &lane->log.samples[lane->next_answer];
        if (sample->outcome == STF_PROBE_PENDING)
            settle(probe, sample, STF_PROBE_ANSWERED, now_ns);
        else
            lane->log.late++;
    }
    if (how != STF_SESSION_OPEN)
        end_session(probe, lane, how);
}

static void ask_session(struct stf_probe *probe, size_t i, int64_t tick_ns, int64_t woken_ns)
{
    struct lane *lane = &probe->lanes[i];
    if (lane->session->fd < 0)
        return;
    struct stf_probe_sample *sample = add_sample(probe, lane, tick_ns, woken_ns);
    if (!sample)
        return;
    int errnum = stf_session_send(lane->session, &probe->options.ask);
    sample->sent_late_ns = span_ns(tick_ns, stf_clock_ns());
    if (errnum == EAGAIN)
        take_back(probe, lane);
    else if (errnum)
        end_session(probe, lane, stf_session_end_of(errnum));
}

/* ---- datagrams ---- */

static struct stf_probe_sample *sample_of(const struct stf_probe *probe, struct stf_datagram_key key)
{
    bool is_ours = key.target < probe->options.target_count && key.sample < probe->lanes[key.target].log.count;
    return is_ours ? &probe->lanes[key.target].log.samples[key.sample] : NULL;
}

/* A stamp counts when it lies between two times that the program itself has read, give or take what lies between the
 * readings of two clocks. */
static bool fit_stamp(int64_t *at_ns, int64_t from_ns, int64_t to_ns)
{
    if (*at_ns < from_ns - STAMP_SLACK_NS || *at_ns > to_ns + STAMP_SLACK_NS)
        return false;
    *at_ns = *at_ns < from_ns ? from_ns : *at_ns;
    *at_ns = *at_ns > to_ns ? to_ns : *at_ns;
    return true;
}

static void take_sent_stamp(struct stf_probe_sample *sample, int64_t at_ns)
{
    if (!fit_stamp(&at_ns, sample->intended_ns + sample->sent_early_ns, sample->intended_ns + sample->sent_late_ns))
        return;
    sample->sent_early_ns = sample->sent_late_ns = span_ns(sample->intended_ns, at_ns);
    sample->stamps |= STF_PROBE_STAMP_SENT;
}

static void take_answer(struct stf_probe *probe, struct stf_probe_sample *sample,
                        const struct stf_datagram_event *event)
{
    struct stf_probe_log *log = &probe->lanes[event->key.target].log;
    int64_t now_ns = stf_clock_ns(), at_ns = event->at_ns;
    if (sample->outcome != STF_PROBE_PENDING) {
        *(sample->outcome == STF_PROBE_ANSWERED ? &log->duplicates : &log->late) += 1;
        return;
    }
    bool is_stamped = fit_stamp(&at_ns, sample->intended_ns + sample->sent_early_ns, now_ns);
    if (is_stamped)
        sample->stamps |= STF_PROBE_STAMP_ANSWER;
    log->from_elsewhere += !stf_probe_target_is_at(&probe->targets[event->key.target], &event->from);
    settle(probe, sample, STF_PROBE_ANSWERED, is_stamped ? at_ns : now_ns);
}

static void take_datagram(struct stf_probe *probe, const struct stf_datagram_event *event)
{
    struct stf_probe_sample *sample = sample_of(probe, event->key);
    if (!sample)
        return;
    if (event->kind == STF_DATAGRAM_SENT)
        take_sent_stamp(sample, event->at_ns);
    else if (event->kind == STF_DATAGRAM_ANSWERED)
        take_answer(probe, sample, event);
    else if (sample->outcome == STF_PROBE_PENDING && stf_probe_outcome_of(event->errnum) != STF_PROBE_PENDING)
        settle(probe, sample, stf_probe_outcome_of(event->errnum), stf_clock_ns());
}

/* All that is there, before more is sent: what this machine does not read in time would count as lost. */
static void take_datagrams(struct stf_probe *probe, struct stf_datagram *datagram, enum stf_datagram_queue queue)
{
    size_t count;
    do {
        count = stf_datagram_receive(datagram, queue, probe->events);
        for (size_t i = 0; i < count; i++)
            take_datagram(probe, &probe->events[i]);
    } while (count == STF_DATAGRAM_BATCH);
}

static void send_batch(struct stf_probe *probe, size_t family)
{
    struct stf_datagram_packet *packets = probe->batches[family].packets;
    size_t count = probe->batches[family].count;
    probe->batches[family].count = 0;
    if (count == 0)
        return;
    stf_datagram_send(probe->datagrams[family], packets, count);
    int64_t sent_ns = stf_clock_ns();
    for (size_t i = 0; i < count; i++) {
        struct lane *lane = &probe->lanes[packets[i].key.target];
        struct stf_probe_sample *sample = sample_of(probe, packets[i].key);
        sample->sent_late_ns = span_ns(sample->intended_ns, sent_ns);
        if (packets[i].errnum == 0)
            continue;
        enum stf_probe_outcome outcome = stf_probe_outcome_of(packets[i].errnum);
        if (outcome == STF_PROBE_PENDING)
            take_back(probe, lane);
        else
            settle(probe, sample, outcome, sent_ns);
    }
    take_datagrams(probe, probe->datagrams[family], STF_DATAGRAM_ERRORS);
}

static void put_packet(struct stf_probe *probe, size_t i, int64_t tick_ns, int64_t woken_ns)
{
    struct lane *lane = &probe->lanes[i];
    size_t family = probe->targets[i].address.ss_family == AF_INET ? 0 : 1;
    if (!add_sample(probe, lane, tick_ns, woken_ns))
        return;
    probe->batches[family].packets[probe->batches[family].count++] =
        (struct stf_datagram_packet){.key = {(uint32_t)i, (uint32_t)(lane->log.count - 1)}, .to = &probe->targets[i]};
    if (probe->batches[family].count == STF_DATAGRAM_BATCH)
        send_batch(probe, family);
}

/* ---- schedule ---- */

/* Starts an attempt at each target. Who is not reached before the next place is due is shed, and comes first then. */
static void start_attempts(struct stf_probe *probe, int64_t tick_ns)
{
    size_t count = probe->options.target_count, first = probe->next_lane, done = 0;
    enum stf_ask_transport transport = probe->options.ask.method->transport;
    int64_t woken_ns = stf_clock_ns();
    for (; done < count && (done == 0 || stf_clock_ns() < tick_ns + probe->interval_ns); done++) {
        size_t lane = (first + done) % count;
        if (transport == STF_ASK_TCP)
            connect_one(probe, lane, tick_ns, woken_ns);
        else if (transport == STF_ASK_SESSION)
            ask_session(probe, lane, tick_ns, woken_ns);
        else
            put_packet(probe, lane, tick_ns, woken_ns);
    }
    probe->next_lane = (first + done) % count;
    for (; done < count; done++)
        shed(probe, &probe->lanes[(first + done) % count].log.shed_missed);
    send_batch(probe, 0);
    send_batch(probe, 1);
}

static void stop_schedule(struct stf_probe *probe)
{
    const struct itimerspec never = {0};
    probe->is_draining = true;
    timerfd_settime(probe->timer_fd, 0, &never, NULL);
}

static void tick(struct stf_probe *probe)
{
    uint64_t passed = 0, places = probe->options.places;
    if (probe->is_draining || read(probe->timer_fd, &passed, sizeof passed) != sizeof passed)
        return;
    if (places && passed >= places - probe->ticks) {
        passed = places - probe->ticks;
        stop_schedule(probe);
    }
    probe->ticks += passed;
    int64_t first_tick_ns = probe->lanes[0].log.first_tick_ns;
    int64_t tick_ns = first_tick_ns + (int64_t)(probe->ticks - 1) * probe->interval_ns;
    for (size_t i = 0; i < probe->options.target_count; i++) {
        if (probe->lanes[i].log.ended_ns)
            continue;
        probe->lanes[i].log.last_tick_ns = tick_ns;
        for (uint64_t missed = 1; missed < passed; missed++)
            shed(probe, &probe->lanes[i].log.shed_missed);
    }
    start_attempts(probe, tick_ns);
}

static void take_event(struct stf_probe *probe, const struct epoll_event *event)
{
    uint64_t key = event->data.u64;
    if (key == KEY_TIMER)
        return;
    if (key == KEY_STOP) {
        eventfd_t count;
        if (eventfd_read(probe->stop_fd, &count) == 0)
            stop_schedule(probe);
    } else if (key >= KEY_DATAGRAM) {
        struct stf_datagram *datagram = probe->datagrams[key - KEY_DATAGRAM];
        if (event->events & EPOLLIN)
            take_datagrams(probe, datagram, STF_DATAGRAM_ANSWERS);
        if (event->events & EPOLLERR)
            take_datagrams(probe, datagram, STF_DATAGRAM_ERRORS);
    } else if (probe->options.ask.method->transport == STF_ASK_SESSION) {
        take_session(probe, &probe->lanes[key]);
    } else {
        advance_attempt(probe, event);
    }
}

/* How long epoll may sleep: until the oldest attempt's time is over, or the linger time. */
static int wait_ms(const struct stf_probe *probe, int64_t expire_ns)
{
    int64_t drain_until_ns = probe->is_draining ? atomic_load(&probe->drain_until_ns) : INT64_MAX;
    int64_t until_ns = expire_ns < drain_until_ns ? expire_ns : drain_until_ns;
    return until_ns == INT64_MAX ? -1 : stf_clock_left_ms(until_ns);
}

/* What a busy machine takes from the schedule is shed, so the thread goes before others where it may (root, or
 * CAP_SYS_NICE). */
static void keep_time(void)
{
    const struct sched_param first = {.sched_priority = 1};
    prctl(PR_SET_TIMERSLACK, 1);
    pthread_setschedparam(pthread_self(), SCHED_FIFO | SCHED_RESET_ON_FORK, &first);
}

static void *run(void *argument)
{
    struct stf_probe *probe = argument;
    struct epoll_event events[EVENTS_PER_WAIT];

    keep_time();
    for (;;) {
        int64_t expire_ns = expire(probe);
        bool is_settled = expire_ns == INT64_MAX || stf_clock_ns() >= atomic_load(&probe->drain_until_ns);
        if (probe->is_draining && is_settled)
            break;
        int count = epoll_wait(probe->epoll_fd, events, EVENTS_PER_WAIT, wait_ms(probe, expire_ns));
        if (count < 0 && errno != EINTR) {
            probe->failure = errno;
            break;
        }
        for (int i = 0; i < count; i++)
            if (events[i].data.u64 == KEY_TIMER)
                tick(probe); /* before the answers, which would make it later */
        for (int i = 0; i < count; i++)
            take_event(probe, &events[i]);
    }
    atomic_store(&probe->progress.is_finished, true);
    return NULL;
}

/* ---- start and end ---- */

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_WANTED || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
    setrlimit(RLIMIT_NOFILE, &limit); /* when it fails, attempts are shed, and counted */
}

/* Room for the attempts of one timeout, and for those that end late. */
static size_t slots_for(const struct stf_probe_options *options)
{
    int64_t slots = options->timeout_ms * 1000 / options->interval_us * 9 / 8 + 16;
    return slots < STF_PROBE_IN_FLIGHT_MAX ? (size_t)slots : STF_PROBE_IN_FLIGHT_MAX;
}

static bool make_attempts(const struct stf_probe *probe, struct lane *lane)
{
    bool is_read = probe->options.ask.method->judge != NULL;
    lane->attempts = calloc(probe->slot_count, sizeof *lane->attempts);
    if (is_read)
        lane->received = calloc(probe->slot_count, STF_ASK_RECEIVED_MAX);
    for (size_t i = 0; lane->attempts && i < probe->slot_count; i++) {
        lane->attempts[i].exchange.fd = -1;
        lane->attempts[i].exchange.received = lane->received ? lane->received + i * STF_ASK_RECEIVED_MAX : NULL;
    }
    return lane->attempts && (lane->received || !is_read);
}

static struct stf_probe *probe_new(const struct stf_probe_options *options)
{
    struct stf_probe *probe = calloc(1, sizeof *probe);
    if (!probe)
        return NULL;
    probe->epoll_fd = probe->timer_fd = probe->stop_fd = -1;
    probe->options = *options;
    probe->options.samples_max = options->samples_max ? options->samples_max : STF_PROBE_SAMPLES_MAX;
    probe->timeout_ns = options->timeout_ms * 1000000;
    probe->interval_ns = options->interval_us * 1000;
    probe->slot_count = slots_for(options);
    atomic_store(&probe->drain_until_ns, INT64_MAX);

    probe->targets = calloc(options->target_count, sizeof *probe->targets);
    probe->lanes = calloc(options->target_count, sizeof *probe->lanes);
    bool is_made = probe->targets && probe->lanes;
    if (is_made)
        memcpy(probe->targets, options->targets, options->target_count * sizeof *probe->targets);
    probe->options.targets = probe->targets;
    for (size_t i = 0; is_made && options->ask.method->transport == STF_ASK_TCP && i < options->target_count; i++)
        is_made = make_attempts(probe, &probe->lanes[i]);
    if (is_made)
        return probe;
    stf_probe_free(probe);
    return NULL;
}

static int watch(struct stf_probe *probe, int fd, uint64_t key)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = key};
    return epoll_ctl(probe->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static enum stf_kind open_descriptors(struct stf_probe *probe, struct stf_err *err)
{
    probe->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    probe->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    probe->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (probe->epoll_fd < 0 || probe->timer_fd < 0 || probe->stop_fd < 0 ||
        watch(probe, probe->timer_fd, KEY_TIMER) < 0 || watch(probe, probe->stop_fd, KEY_STOP) < 0)
        return stf_err_errno(err, errno, "probe.start", probe->targets[0].name, "cannot set up the schedule");
    return STF_OK;
}

/* In the namespace to send from. */
static enum stf_kind open_datagrams(struct stf_probe *probe, struct stf_err *err)
{
    enum stf_ask_transport transport = probe->options.ask.method->transport;
    enum stf_kind kind = STF_OK;
    bool is_datagram = transport == STF_ASK_ICMP || transport == STF_ASK_UDP;
    for (size_t i = 0; is_datagram && i < probe->options.target_count && kind == STF_OK; i++) {
        int family = probe->targets[i].address.ss_family;
        size_t at = family == AF_INET ? 0 : 1;
        if (probe->datagrams[at])
            continue;
        kind = stf_datagram_open(transport, family, &probe->datagrams[at], err);
        if (kind == STF_OK && watch(probe, stf_datagram_fd(probe->datagrams[at]), KEY_DATAGRAM + at) < 0)
            kind = stf_err_errno(err, errno, "probe.start", probe->targets[i].name, "cannot wait for answers");
    }
    return kind;
}

/* In the namespace to send from. */
static enum stf_kind open_sessions(struct stf_probe *probe, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    if (probe->options.ask.method->transport != STF_ASK_SESSION)
        return STF_OK;
    for (size_t i = 0; i < probe->options.target_count && kind == STF_OK; i++) {
        struct stf_session *session = malloc(sizeof *session);
        if (!session)
            return stf_err_set(err, STF_NO_MEMORY, 0, "probe.start", probe->targets[i].name, "no memory for a session");
        probe->lanes[i].session = session;
        kind = stf_session_open(&probe->targets[i], probe->options.timeout_ms, probe->options.give_up_ms, session, err);
        if (kind == STF_OK && watch(probe, session->fd, i) < 0)
            kind = stf_err_errno(err, errno, "probe.start", probe->targets[i].name, "cannot wait for answers");
    }
    return kind;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static enum stf_kind arm_schedule(struct stf_probe *probe, struct stf_err *err)
{
    int64_t now_ns = stf_clock_ns();
    for (size_t i = 0; i < probe->options.target_count; i++) {
        struct stf_probe_log *log = &probe->lanes[i].log;
        log->interval_ns = probe->interval_ns;
        log->last_tick_ns = now_ns;
        log->first_tick_ns = now_ns + probe->interval_ns;
    }
    const struct itimerspec schedule = {.it_value = timespec_of(now_ns + probe->interval_ns),
                                        .it_interval = timespec_of(probe->interval_ns)};
    if (timerfd_settime(probe->timer_fd, TFD_TIMER_ABSTIME, &schedule, NULL) < 0)
        return stf_err_errno(err, errno, "probe.start", probe->targets[0].name, "cannot set the timer");
    return STF_OK;
}

/* The new thread inherits this thread's namespace, so it is born where it has to open its sockets. */
static enum stf_kind start_thread(struct stf_probe *probe, struct stf_err *err)
{
    int errnum = stf_thread_start(&probe->thread, run, probe);
    if (errnum)
        return stf_err_errno(err, errnum, "probe.start", probe->targets[0].name, "cannot start the probe's thread");
    probe->has_thread = true;
    return STF_OK;
}

enum stf_kind stf_probe_start(const struct stf_probe_options *options, struct stf_probe **out, struct stf_err *err)
{
    struct stf_netns guard;
    struct stf_probe *probe = probe_new(options);
    if (!probe)
        return stf_err_set(err, STF_NO_MEMORY, 0, "probe.start", options->targets[0].name, "no memory for the probe");
    if (options->ask.method->transport == STF_ASK_TCP)
        raise_file_limit();
    enum stf_kind kind = stf_netns_enter(&guard, options->netns, err);
    if (kind == STF_OK) {
        kind = open_descriptors(probe, err);
        if (kind == STF_OK)
            kind = open_datagrams(probe, err);
        if (kind == STF_OK)
            kind = open_sessions(probe, err);
        if (kind == STF_OK)
            kind = arm_schedule(probe, err);
        if (kind == STF_OK)
            kind = start_thread(probe, err);
        stf_netns_leave(&guard);
    }
    if (kind == STF_OK)
        *out = probe;
    else
        stf_probe_free(probe);
    return kind;
}

enum stf_kind stf_probe_stop(struct stf_probe *probe, int64_t linger_ms, struct stf_err *err)
{
    atomic_store(&probe->drain_until_ns, linger_ms < 0 ? INT64_MAX : stf_clock_ns() + linger_ms * 1000000);
    eventfd_write(probe->stop_fd, 1); /* fails only when the counter overflows */
    pthread_join(probe->thread, NULL);
    probe->has_thread = false;
    if (probe->failure)
        return stf_err_errno(err, probe->failure, "probe.stop", probe->targets[0].name,
                             "the probe ended before it was stopped");
    return STF_OK;
}

struct stf_probe_progress stf_probe_progress(const struct stf_probe *probe)
{
    return (struct stf_probe_progress){
        .sent = atomic_load_explicit(&probe->progress.sent, memory_order_relaxed),
        .answered = atomic_load_explicit(&probe->progress.answered, memory_order_relaxed),
        .lost = atomic_load_explicit(&probe->progress.lost, memory_order_relaxed),
        .shed = atomic_load_explicit(&probe->progress.shed, memory_order_relaxed),
        .latency_ns = atomic_load_explicit(&probe->progress.latency_ns, memory_order_relaxed),
        .is_finished = atomic_load(&probe->progress.is_finished),
    };
}

const struct stf_probe_log *stf_probe_get_log(const struct stf_probe *probe, size_t i)
{
    return &probe->lanes[i].log;
}

uint64_t stf_probe_dropped(const struct stf_probe *probe)
{
    uint64_t dropped = 0;
    for (size_t i = 0; i < FAMILIES; i++)
        dropped += probe->datagrams[i] ? stf_datagram_dropped(probe->datagrams[i]) : 0;
    return dropped;
}

const struct stf_probe_options *stf_probe_get_options(const struct stf_probe *probe)
{
    return &probe->options;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void lane_fini(const struct stf_probe *probe, struct lane *lane)
{
    for (size_t i = 0; lane->attempts && i < probe->slot_count; i++)
        stf_exchange_close(&lane->attempts[i].exchange);
    if (lane->session)
        stf_session_close(lane->session);
    free(lane->session);
    free(lane->attempts);
    free(lane->received);
    free(lane->log.samples);
}

void stf_probe_free(struct stf_probe *probe)
{
    if (!probe)
        return;
    if (probe->has_thread)
        (void)stf_probe_stop(probe, 0, NULL);
    for (size_t i = 0; probe->lanes && i < probe->options.target_count; i++)
        lane_fini(probe, &probe->lanes[i]);
    for (size_t i = 0; i < FAMILIES; i++)
        stf_datagram_free(probe->datagrams[i]);
    close_if_open(probe->epoll_fd);
    close_if_open(probe->timer_fd);
    close_if_open(probe->stop_fd);
    free(probe->targets);
    free(probe->lanes);
    free(probe);
}
