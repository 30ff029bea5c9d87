/* watch_inotify.c - changes of stores that are a file, by its folder: a commit puts a new file in the old one's place.
 * The registry of another host tells nobody of changes (MS-RRP has no call for it): it may have changed every other
 * second. SPDX-License-Identifier: MIT */
#include "registry/watch.h"

#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/clock.h"

static const int64_t REMOTE_PERIOD_NS = 2000000000;

struct stf_registry_watch {
    bool is_remote; /* then there is neither file nor descriptor */
    int64_t look_at_ns;
    int fd;
    char *path;
    const char *name; /* the file's, in `path` */
};

static enum stf_kind open_remote(struct stf_registry_watch **watch, struct stf_err *err)
{
    *watch = calloc(1, sizeof(**watch));
    if (*watch == NULL)
        return stf_err_set(err, STF_NO_MEMORY, 0, "watch", NULL, "memory is out");
    **watch = (struct stf_registry_watch){.is_remote = true, .fd = -1, .look_at_ns = stf_clock_ns() + REMOTE_PERIOD_NS};
    return STF_OK;
}

enum stf_kind stf_registry_watch_open(const struct stf_registry_backend *backend,
                                      const struct stf_registry_place *place, const char *key,
                                      struct stf_registry_watch **watch, struct stf_err *err)
{
    struct stf_registry_watch *made;
    char *folder;
    enum stf_kind kind = STF_OK;

    *watch = NULL;
    (void)key;
    if (backend == &stf_registry_backend_remote)
        return open_remote(watch, err);
    if (place->path == NULL) {
        return stf_err_set(err, STF_UNSUPPORTED, 0, "watch", NULL,
                           "only files and the registries of other hosts can be watched here");
    }
    made = calloc(1, sizeof(*made));
    folder = strdup(place->path);
    if (made != NULL) {
        made->fd = -1;
        made->path = realpath(place->path, NULL);
    }
    if (made == NULL || folder == NULL)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "watch", place->path, "memory is out");
    else if (made->path == NULL)
        kind = stf_err_errno(err, errno, "watch", place->path, "can not watch the file");
    if (kind == STF_OK) {
        free(folder);
        folder = strdup(made->path);
        made->name = strrchr(made->path, '/') + 1;
        made->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (folder == NULL || made->fd < 0 ||
            inotify_add_watch(made->fd, dirname(folder),
                              IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MODIFY | IN_ONLYDIR) < 0)
            kind = stf_err_errno(err, errno, "watch", place->path, "can not watch the file");
    }
    free(folder);
    if (kind != STF_OK) {
        stf_registry_watch_close(made);
        return kind;
    }
    *watch = made;
    return STF_OK;
}

/* Reads all that has happened in the folder. */
static enum stf_kind take_events(struct stf_registry_watch *watch, bool *is_changed, struct stf_err *err)
{
    _Alignas(struct inotify_event) char buffer[4096];
    ssize_t size;

    while ((size = read(watch->fd, buffer, sizeof(buffer))) > 0) {
        for (const char *at = buffer; at < buffer + size;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            if (event->mask & IN_IGNORED) {
                return stf_err_set(err, STF_NOT_FOUND, 0, "watch", watch->path, "the folder of %s is gone",
                                   watch->path);
            }
            *is_changed = *is_changed || (event->mask & IN_Q_OVERFLOW) ||
                          (event->len > 0 && strcmp(event->name, watch->name) == 0);
            at += sizeof(*event) + event->len;
        }
    }
    return size < 0 && errno != EAGAIN && errno != EINTR
               ? stf_err_errno(err, errno, "watch", watch->path, "can not watch the file")
               : STF_OK;
}

static enum stf_kind nothing_changed(const struct stf_registry_watch *watch, int timeout_ms, struct stf_err *err)
{
    return stf_err_set(err, STF_TIMEOUT, 0, "watch", watch->path, "nothing has changed in %d ms", timeout_ms);
}

static enum stf_kind wait_remote(struct stf_registry_watch *watch, int timeout_ms, struct stf_err *err)
{
    int64_t left_ms = (watch->look_at_ns - stf_clock_ns() + 999999) / 1000000;
    bool is_due = left_ms <= timeout_ms;

    if (!is_due)
        left_ms = timeout_ms;
    if (left_ms > 0 && poll(NULL, 0, (int)left_ms) < 0 && errno != EINTR)
        return stf_err_errno(err, errno, "watch", NULL, "can not wait");
    if (!is_due)
        return nothing_changed(watch, timeout_ms, err);
    watch->look_at_ns = stf_clock_ns() + REMOTE_PERIOD_NS;
    return STF_OK;
}

enum stf_kind stf_registry_watch_wait(struct stf_registry_watch *watch, int timeout_ms, struct stf_err *err)
{
    int64_t end_ns = stf_clock_ns() + (int64_t)timeout_ms * 1000000;
    bool is_changed = false;

    if (watch->is_remote)
        return wait_remote(watch, timeout_ms, err);
    for (;;) {
        struct pollfd pollfd = {.fd = watch->fd, .events = POLLIN};
        int64_t left_ns = end_ns - stf_clock_ns();
        enum stf_kind kind;
        if (poll(&pollfd, 1, left_ns > 0 ? (int)((left_ns + 999999) / 1000000) : 0) < 0 && errno != EINTR)
            return stf_err_errno(err, errno, "watch", watch->path, "can not watch the file");
        kind = take_events(watch, &is_changed, err);
        if (kind != STF_OK || is_changed)
            return kind;
        if (stf_clock_ns() >= end_ns)
            return nothing_changed(watch, timeout_ms, err);
    }
}

void stf_registry_watch_close(struct stf_registry_watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->fd >= 0)
        close(watch->fd);
    free(watch->path);
    free(watch);
}
