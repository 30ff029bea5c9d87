/* probe.c - the prober's thread: a timer for the schedule, epoll for the answers, a ring of attempts in flight.
 * Must never wait for an answer before the next attempt leaves. SPDX-License-Identifier: MIT */
#include "probe.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
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

/* What an epoll event is about: one of these, or the index of the attempt's sample. */
#define KEY_TIMER (UINT64_MAX)
#define KEY_STOP (UINT64_MAX - 1)

enum { EVENTS_PER_WAIT = 64, FILES_WANTED = 65536, FIRST_SAMPLES = 4096 };

/* The attempt of sample i lives in slot i % STF_PROBE_IN_FLIGHT_MAX. */
struct attempt {
    uint64_t sample;
    struct stf_exchange exchange;
};

struct stf_probe {
    struct stf_probe_options options;
    struct stf_exchange_peer peer;
    int64_t timeout_ns;
    int epoll_fd, timer_fd, stop_fd;
    pthread_t thread;
    bool has_thread;
    atomic_llong drain_until_ns; /* set before stop_fd is signalled */

    /* Of the thread alone until it was joined. */
    struct stf_probe_log log;
    size_t samples_size;
    size_t oldest; /* every sample before this one has its verdict */
    uint64_t ticks;
    bool is_draining;
    int failure; /* errno that ended the thread */
    struct attempt *attempts;
    char *received; /* one buffer per slot, or NULL when answers are not read */
};

static uint32_t since_ns(int64_t from_ns)
{
    int64_t ns = stf_clock_ns() - from_ns;
    if (ns < 0)
        return 0;
    return ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static void settle(struct stf_probe *probe, struct attempt *attempt, enum stf_probe_outcome outcome)
{
    struct stf_probe_sample *sample = &probe->log.samples[attempt->sample];
    sample->latency_ns = since_ns(sample->intended_ns);
    bool is_in_time = sample->latency_ns <= probe->timeout_ns;
    sample->outcome = outcome == STF_PROBE_ANSWERED && !is_in_time ? STF_PROBE_TIMEOUT : outcome;
    stf_exchange_close(&attempt->exchange);
}

/* Gives up attempts whose time is over. All have the same timeout, so the oldest ends first. */
static void expire(struct stf_probe *probe)
{
    int64_t now_ns = stf_clock_ns();
    for (; probe->oldest < probe->log.count; probe->oldest++) {
        struct stf_probe_sample *sample = &probe->log.samples[probe->oldest];
        if (sample->outcome != STF_PROBE_PENDING)
            continue;
        if (now_ns < sample->intended_ns + probe->timeout_ns)
            return;
        struct attempt *attempt = &probe->attempts[probe->oldest % STF_PROBE_IN_FLIGHT_MAX];
        settle(probe, attempt, stf_exchange_expire(&attempt->exchange));
    }
}

static bool has_room(struct stf_probe *probe)
{
    if (probe->log.count < probe->samples_size)
        return true;
    size_t size = probe->samples_size ? 2 * probe->samples_size : FIRST_SAMPLES;
    if (size > probe->options.samples_max)
        size = probe->options.samples_max;
    if (size <= probe->log.count)
        return false;
    void *samples = realloc(probe->log.samples, size * sizeof *probe->log.samples);
    if (!samples)
        return false;
    probe->log.samples = samples;
    probe->samples_size = size;
    return true;
}

static void start_attempt(struct stf_probe *probe, int64_t intended_ns)
{
    struct attempt *attempt = &probe->attempts[probe->log.count % STF_PROBE_IN_FLIGHT_MAX];
    if (attempt->exchange.fd >= 0) {
        probe->log.shed_in_flight++;
        return;
    }
    if (!has_room(probe)) {
        probe->log.unrecorded++;
        return;
    }
    struct stf_probe_sample sample = {.intended_ns = intended_ns, .woken_late_ns = since_ns(intended_ns)};
    int errnum = stf_exchange_start(&attempt->exchange, &probe->peer);
    sample.sent_late_ns = since_ns(intended_ns);

    bool is_under_way = errnum == 0 || errnum == EINPROGRESS;
    struct epoll_event event = {.events = stf_exchange_events(&probe->options.target) | EPOLLET,
                                .data.u64 = probe->log.count};
    if (!is_under_way)
        sample.outcome = stf_exchange_outcome(errnum);
    bool is_watched = is_under_way && epoll_ctl(probe->epoll_fd, EPOLL_CTL_ADD, attempt->exchange.fd, &event) == 0;
    if (!is_watched && sample.outcome == STF_PROBE_PENDING) {
        probe->log.shed_no_resources++;
        stf_exchange_close(&attempt->exchange);
        return;
    }
    sample.latency_ns = sample.sent_late_ns;
    attempt->sample = probe->log.count;
    probe->log.samples[probe->log.count++] = sample;
}

static void tick(struct stf_probe *probe)
{
    uint64_t passed = 0;
    if (probe->is_draining || read(probe->timer_fd, &passed, sizeof passed) != sizeof passed)
        return;
    probe->ticks += passed;
    probe->log.shed_missed += passed - 1;
    probe->log.last_tick_ns = probe->log.first_tick_ns + (int64_t)(probe->ticks - 1) * probe->log.interval_ns;
    start_attempt(probe, probe->log.last_tick_ns);
}

static void take_event(struct stf_probe *probe, const struct epoll_event *event)
{
    uint64_t key = event->data.u64;
    if (key == KEY_TIMER)
        return;
    if (key == KEY_STOP) {
        const struct itimerspec never = {0};
        eventfd_t count;
        probe->is_draining = eventfd_read(probe->stop_fd, &count) == 0;
        timerfd_settime(probe->timer_fd, 0, &never, NULL);
        return;
    }
    /* A child that is being started holds copies of our sockets until it runs its program, so epoll can report one
     * that was closed here: such an event belongs to no attempt any more. */
    struct attempt *attempt = &probe->attempts[key % STF_PROBE_IN_FLIGHT_MAX];
    if (attempt->exchange.fd < 0 || attempt->sample != key)
        return;
    enum stf_probe_outcome outcome = stf_exchange_advance(&attempt->exchange, &probe->options.target, event->events);
    if (outcome != STF_PROBE_PENDING)
        settle(probe, attempt, outcome);
}

/* How long epoll may sleep: until the oldest attempt's time is over, or the linger time. */
static int wait_ms(const struct stf_probe *probe)
{
    int64_t until_ns = INT64_MAX;
    if (probe->oldest < probe->log.count)
        until_ns = probe->log.samples[probe->oldest].intended_ns + probe->timeout_ns;
    int64_t drain_until_ns = atomic_load(&probe->drain_until_ns);
    if (probe->is_draining && drain_until_ns < until_ns)
        until_ns = drain_until_ns;
    if (until_ns == INT64_MAX)
        return -1;
    int64_t left_ns = until_ns - stf_clock_ns();
    return left_ns <= 0 ? 0 : (int)(left_ns / 1000000 + 1);
}

static bool is_done(const struct stf_probe *probe)
{
    return probe->is_draining &&
           (probe->oldest == probe->log.count || stf_clock_ns() >= atomic_load(&probe->drain_until_ns));
}

static void *run(void *argument)
{
    struct stf_probe *probe = argument;
    struct epoll_event events[EVENTS_PER_WAIT];

    prctl(PR_SET_TIMERSLACK, 1);
    while (!is_done(probe)) {
        int count = epoll_wait(probe->epoll_fd, events, EVENTS_PER_WAIT, wait_ms(probe));
        if (count < 0 && errno != EINTR) {
            probe->failure = errno;
            break;
        }
        for (int i = 0; i < count; i++) {
            if (events[i].data.u64 == KEY_TIMER)
                tick(probe); /* before the answers, which would make it later */
        }
        for (int i = 0; i < count; i++)
            take_event(probe, &events[i]);
        expire(probe);
    }
    return NULL;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_WANTED || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
    setrlimit(RLIMIT_NOFILE, &limit); /* when it fails, attempts are shed, and counted */
}

static bool copy_string(const char **string)
{
    if (!*string)
        return true;
    *string = strdup(*string);
    return *string != NULL;
}

static struct stf_probe *probe_new(const struct stf_probe_options *options)
{
    struct stf_probe *probe = calloc(1, sizeof *probe);
    if (!probe)
        return NULL;
    probe->epoll_fd = probe->timer_fd = probe->stop_fd = -1;
    probe->options = *options;
    probe->options.samples_max = options->samples_max ? options->samples_max : STF_PROBE_SAMPLES_MAX;
    probe->timeout_ns = options->target.timeout_ms * 1000000;
    probe->log.interval_ns = options->interval_us * 1000;

    struct stf_probe_target *target = &probe->options.target;
    bool is_copied = copy_string(&target->netns);
    is_copied = copy_string(&target->address) && is_copied;
    is_copied = copy_string(&target->send) && is_copied;
    is_copied = copy_string(&target->expect) && is_copied;
    probe->attempts = calloc(STF_PROBE_IN_FLIGHT_MAX, sizeof *probe->attempts);
    if (target->send || target->expect)
        probe->received = calloc(STF_PROBE_IN_FLIGHT_MAX, STF_EXCHANGE_RECEIVED_MAX);
    bool has_buffers = probe->received || (!target->send && !target->expect);
    for (size_t i = 0; probe->attempts && i < STF_PROBE_IN_FLIGHT_MAX; i++) {
        probe->attempts[i].exchange.fd = -1;
        probe->attempts[i].exchange.received = probe->received ? probe->received + i * STF_EXCHANGE_RECEIVED_MAX : NULL;
    }
    if (is_copied && probe->attempts && has_buffers)
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
        return stf_err_errno(err, errno, "probe.start", probe->options.target.address, "cannot set up the schedule");
    return STF_OK;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static enum stf_kind arm_schedule(struct stf_probe *probe, struct stf_err *err)
{
    struct stf_probe_log *log = &probe->log;
    log->last_tick_ns = stf_clock_ns();
    log->first_tick_ns = log->last_tick_ns + log->interval_ns;
    const struct itimerspec schedule = {.it_value = timespec_of(log->first_tick_ns),
                                        .it_interval = timespec_of(log->interval_ns)};
    if (timerfd_settime(probe->timer_fd, TFD_TIMER_ABSTIME, &schedule, NULL) < 0)
        return stf_err_errno(err, errno, "probe.start", probe->options.target.address, "cannot set the timer");
    return STF_OK;
}

/* The new thread inherits this thread's namespace, so it is born where it has to open its sockets. It gets no signals:
 * they are for the program's own threads. */
static enum stf_kind start_thread(struct stf_probe *probe, struct stf_err *err)
{
    const struct stf_probe_target *target = &probe->options.target;
    struct stf_netns guard;
    sigset_t all, before;

    enum stf_kind kind = stf_netns_enter(&guard, target->netns, err);
    if (kind)
        return kind;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int errnum = pthread_create(&probe->thread, NULL, run, probe);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    stf_netns_leave(&guard);
    if (errnum)
        return stf_err_errno(err, errnum, "probe.start", target->address, "cannot start the probe's thread");
    probe->has_thread = true;
    return STF_OK;
}

enum stf_kind stf_probe_start(const struct stf_probe_options *options, struct stf_probe **out, struct stf_err *err)
{
    struct stf_probe *probe = probe_new(options);
    if (!probe)
        return stf_err_set(err, STF_NO_MEMORY, 0, "probe.start", options->target.address, "no memory for the probe");
    raise_file_limit();
    enum stf_kind kind = stf_exchange_resolve(options->target.address, options->target.port, &probe->peer, err);
    if (kind == STF_OK)
        kind = open_descriptors(probe, err);
    if (kind == STF_OK)
        kind = arm_schedule(probe, err);
    if (kind == STF_OK)
        kind = start_thread(probe, err);
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
        return stf_err_errno(err, probe->failure, "probe.stop", probe->options.target.address,
                             "the probe ended before it was stopped");
    return STF_OK;
}

const struct stf_probe_log *stf_probe_get_log(const struct stf_probe *probe)
{
    return &probe->log;
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

void stf_probe_free(struct stf_probe *probe)
{
    if (!probe)
        return;
    if (probe->has_thread)
        (void)stf_probe_stop(probe, 0, NULL);
    for (size_t i = 0; probe->attempts && i < STF_PROBE_IN_FLIGHT_MAX; i++)
        stf_exchange_close(&probe->attempts[i].exchange);
    close_if_open(probe->epoll_fd);
    close_if_open(probe->timer_fd);
    close_if_open(probe->stop_fd);
    free((char *)probe->options.target.netns);
    free((char *)probe->options.target.address);
    free((char *)probe->options.target.send);
    free((char *)probe->options.target.expect);
    free(probe->attempts);
    free(probe->received);
    free(probe->log.samples);
    free(probe);
}
