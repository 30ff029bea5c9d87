/* be_hive.c - offline hives (regf files), read and changed through libhivex in memory, and written as a whole new file
 * that takes the old one's place. Never writes into a hive in place, never opens a dirty one. SPDX-License-Identifier:
 * MIT */
#include <errno.h>
#include <fcntl.h>
#include <hivex.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "registry/regf.h"
#include "registry/store.h"

enum { LOCK_WAIT_MS = 2000, LOCK_POLL_MS = 10 };

struct hive {
    hive_h *handle;
    char *path; /* without symbolic links, so that a rename replaces the file and not a link to it */
    int fd;     /* the file as it was opened or last committed; a writer holds its lock through it */
    struct stat status;
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "hive", NULL, "memory is out");
}

/* For errno: "the hive PATH can not be WHAT: ...". */
static enum stf_kind file_failed(const char *path, const char *op, const char *what, struct stf_err *err)
{
    int code = errno;
    char message[PATH_MAX + 128];

    snprintf(message, sizeof(message), "the hive %s can not be %s", path, what);
    return stf_err_errno(err, code, op, path, message);
}

static enum stf_kind hivex_failed(const struct hive *hive, const char *what, struct stf_err *err)
{
    int code = errno;

    switch (code) {
    case ENOMEM:
        return no_memory(err);
    case ERANGE:
    case ENOTSUP:
        return stf_err_set(err, STF_UNSUPPORTED, code, what, hive->path,
                           "the hive %s holds something that is too large or too new for this program (%s: %s)",
                           hive->path, what, strerror(code));
    case EILSEQ:
        return stf_err_set(err, STF_UNSUPPORTED, code, what, hive->path,
                           "the hive %s has a name that is not valid UTF-16, which this store can not handle",
                           hive->path);
    case EINVAL:
    case EFAULT:
    case ELOOP:
    case ENOENT:
    case 0:
        return stf_err_set(err, STF_INVALID_DATA, code, what, hive->path,
                           "the hive %s is damaged (%s: %s); restore it from a backup", hive->path, what,
                           strerror(code));
    default:
        errno = code;
        return file_failed(hive->path, what, "used", err);
    }
}

/* ---- the file ---- */

/* Opens the file and, for a writer, locks it. The lock is on the file itself, which a commit replaces: who got the lock
 * of a file that is no longer the one at the path starts again. */
static enum stf_kind open_locked(struct hive *hive, bool is_writer, struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + (int64_t)LOCK_WAIT_MS * 1000000;
    const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};
    struct stat at_path;

    for (;;) {
        hive->fd = open(hive->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (hive->fd < 0 || fstat(hive->fd, &hive->status) != 0) {
            return file_failed(hive->path, "open", "opened", err);
        }
        if (!S_ISREG(hive->status.st_mode)) {
            return stf_err_set(err, STF_INVALID_DATA, 0, "open", hive->path, "%s is no file", hive->path);
        }
        if (!is_writer) {
            return STF_OK;
        }
        if (flock(hive->fd, LOCK_EX | LOCK_NB) == 0) {
            if (stat(hive->path, &at_path) == 0 && at_path.st_ino == hive->status.st_ino &&
                at_path.st_dev == hive->status.st_dev) {
                return STF_OK;
            }
        } else if (errno != EWOULDBLOCK) {
            return file_failed(hive->path, "lock", "locked", err);
        }
        close(hive->fd);
        hive->fd = -1;
        if (stf_clock_ns() >= deadline_ns) {
            stf_err_set(err, STF_BUSY, 0, "lock", hive->path,
                        "another program is writing the hive %s; waited %d ms for it", hive->path, LOCK_WAIT_MS);
            if (err != NULL) {
                err->is_retryable = true;
            }
            return STF_BUSY;
        }
        nanosleep(&pause, NULL);
    }
}

static enum stf_kind check_base(int fd, const char *path, struct stf_err *err)
{
    uint8_t base[STF_REGF_BASE_SIZE];
    struct stat status;
    ssize_t got = pread(fd, base, sizeof(base), 0);

    if (got < 0 || fstat(fd, &status) != 0) {
        return file_failed(path, "read", "read", err);
    }
    if (got < (ssize_t)sizeof(base)) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path, "%s is too short for a registry hive", path);
    }
    return stf_regf_check(base, status.st_size, path, err);
}

static void hive_close(void *store)
{
    struct hive *hive = store;

    if (hive->handle != NULL) {
        hivex_close(hive->handle);
    }
    if (hive->fd >= 0) {
        close(hive->fd); /* and with it the lock goes */
    }
    free(hive->path);
    free(hive);
}

static enum stf_kind hive_open(const struct stf_registry_place *place, enum stf_registry_mode mode, void **store,
                               struct stf_err *err)
{
    struct hive *hive = calloc(1, sizeof(*hive));
    char by_fd[32];
    enum stf_kind kind;

    if (hive == NULL) {
        return no_memory(err);
    }
    hive->fd = -1;
    hive->path = realpath(place->path, NULL);
    if (hive->path == NULL) {
        kind = file_failed(place->path, "open", "opened", err);
        goto out;
    }
    kind = open_locked(hive, mode == STF_REGISTRY_WRITE, err);
    if (kind == STF_OK) {
        kind = check_base(hive->fd, hive->path, err);
    }
    if (kind != STF_OK) {
        goto out;
    }
    /* By descriptor, so that it is the file that was checked. For writing also where it is only read: libhivex then
     * works on a copy in memory, where a file that somebody cuts short can not kill the program (it maps the file
     * otherwise). */
    snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", hive->fd);
    hive->handle = hivex_open(by_fd, HIVEX_OPEN_WRITE);
    kind = hive->handle != NULL ? STF_OK : hivex_failed(hive, "open", err);
out:
    if (kind != STF_OK) {
        hive_close(hive);
        return kind;
    }
    *store = hive;
    return STF_OK;
}

static enum stf_kind sync_folder(const char *path, struct stf_err *err)
{
    char folder[PATH_MAX];
    size_t size = strlen(path);
    int fd;
    int failed;

    while (size > 1 && path[size - 1] != '/') {
        size--;
    }
    if (size == 0 || path[size - 1] != '/') {
        snprintf(folder, sizeof(folder), ".");
    } else {
        snprintf(folder, sizeof(folder), "%.*s", (int)size, path);
    }
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    failed = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    return failed == 0 ? STF_OK : stf_err_errno(err, failed, "sync", folder, "the folder can not be synced");
}

/* "/folder/.NAME.staffetta-new": a fixed name, so that what a killed writer left is taken over by the next. Only the
 * holder of the hive's lock touches it. */
static char *new_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    int folder_size = (int)(slash + 1 - path);
    char *result;

    return asprintf(&result, "%.*s.%s.staffetta-new", folder_size, path, slash + 1) >= 0 ? result : NULL;
}

/* The new file, locked before anybody can see it, so that the lock of the hive never lapses. */
static int create_new(const struct hive *hive, const char *path)
{
    int fd;

    unlink(path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) != 0 || fchown(fd, hive->status.st_uid, hive->status.st_gid) != 0 ||
                    fchmod(fd, hive->status.st_mode & 07777) != 0)) {
        int code = errno;
        close(fd);
        unlink(path);
        errno = code;
        return -1;
    }
    return fd;
}

static enum stf_kind write_new(struct hive *hive, const char *path, int fd, struct stf_err *err)
{
    enum stf_kind kind;

    if (hivex_commit(hive->handle, path, 0) != 0) {
        return file_failed(hive->path, "commit", "written", err);
    }
    kind = check_base(fd, path, err);
    if (kind != STF_OK) {
        return kind;
    }
    if (fsync(fd) != 0) {
        return file_failed(hive->path, "commit", "synced", err);
    }
    if (rename(path, hive->path) != 0) {
        return file_failed(hive->path, "commit", "replaced by the new one", err);
    }
    return STF_OK;
}

static enum stf_kind hive_commit(void *store, struct stf_err *err)
{
    struct hive *hive = store;
    char *path = new_path(hive->path);
    int fd = -1;
    enum stf_kind kind = STF_OK;

    if (path == NULL) {
        return no_memory(err);
    }
    fd = create_new(hive, path);
    if (fd < 0) {
        kind = file_failed(hive->path, "commit", "written anew beside the old one, with its owner and mode", err);
        goto out;
    }
    kind = write_new(hive, path, fd, err);
    if (kind != STF_OK) {
        close(fd);
        unlink(path);
        goto out;
    }
    close(hive->fd);
    hive->fd = fd;
    kind = sync_folder(hive->path, err);
out:
    free(path);
    return kind;
}

enum stf_kind stf_hive_create(const char *path, struct stf_err *err)
{
    uint8_t image[STF_REGF_EMPTY_SIZE];
    char *temporary = NULL;
    int fd = -1;
    enum stf_kind kind = STF_OK;

    stf_regf_make_empty(image, (int64_t)time(NULL));
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        return no_memory(err);
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0 || write(fd, image, sizeof(image)) != (ssize_t)sizeof(image) || fsync(fd) != 0) {
        kind = file_failed(path, "create", "made", err);
    } else if (link(temporary, path) != 0) { /* unlike rename, never replaces what is there */
        kind = errno == EEXIST ? stf_err_set(err, STF_CONFLICT, errno, "create", path,
                                             "%s is there already; a hive is only made where nothing is", path)
                               : file_failed(path, "create", "made", err);
    }
    if (fd >= 0) {
        close(fd);
        unlink(temporary);
    }
    if (kind == STF_OK) {
        kind = sync_folder(path, err);
    }
    free(temporary);
    return kind;
}

/* ---- keys and values ---- */

static stf_registry_node hive_root(void *store)
{
    struct hive *hive = store;

    return hivex_root(hive->handle);
}

/* libhivex gives names as C strings: one with a NUL in it would be another name. */
static enum stf_kind check_name(const struct hive *hive, const char *name, size_t size, const char *what,
                                struct stf_err *err)
{
    if (name == NULL || size == (size_t)-1) {
        return hivex_failed(hive, what, err);
    }
    if (strlen(name) != size) {
        return stf_err_set(err, STF_UNSUPPORTED, 0, what, hive->path,
                           "the hive %s has a name with a NUL in it (%s...), which this store can not handle",
                           hive->path, name);
    }
    return STF_OK;
}

/* In a sound hive every key names its parent. Checking it keeps damaged ones, whose lists lead back up or share keys,
 * from being walked for ever. */
static enum stf_kind check_parent(const struct hive *hive, hive_node_h parent, hive_node_h child, struct stf_err *err)
{
    if (child == hivex_root(hive->handle) || hivex_node_parent(hive->handle, child) != parent) {
        errno = ELOOP;
        return hivex_failed(hive, "subkeys", err);
    }
    return STF_OK;
}

static enum stf_kind hive_subkeys(void *store, stf_registry_node key, struct stf_registry_subkeys *out,
                                  struct stf_err *err)
{
    struct hive *hive = store;
    enum stf_kind kind = STF_OK;
    hive_node_h *children;

    *out = (struct stf_registry_subkeys){0};
    errno = 0;
    children = hivex_node_children(hive->handle, key);
    if (children == NULL) {
        return hivex_failed(hive, "subkeys", err);
    }
    for (size_t i = 0; children[i] != 0 && kind == STF_OK; i++) {
        char *name;
        kind = check_parent(hive, key, children[i], err);
        if (kind != STF_OK) {
            break;
        }
        errno = 0;
        name = hivex_node_name(hive->handle, children[i]);
        kind =
            check_name(hive, name, name != NULL ? hivex_node_name_len(hive->handle, children[i]) : 0, "key name", err);
        if (kind == STF_OK) {
            kind = stf_registry_subkeys_add(out, name, children[i], err);
        }
        if (kind != STF_OK) {
            free(name);
        }
    }
    free(children);
    if (kind != STF_OK) {
        stf_registry_subkeys_fini(out);
    }
    return kind;
}

static enum stf_kind read_value(const struct hive *hive, hive_value_h handle, struct stf_registry_value *value,
                                struct stf_err *err)
{
    hive_type type;
    size_t size = 0;
    enum stf_kind kind;

    *value = (struct stf_registry_value){0};
    errno = 0;
    value->name = hivex_value_key(hive->handle, handle);
    kind = check_name(hive, value->name, value->name != NULL ? hivex_value_key_len(hive->handle, handle) : 0,
                      "value name", err);
    if (kind == STF_OK) {
        errno = 0;
        value->data = (uint8_t *)hivex_value_value(hive->handle, handle, &type, &size);
        if (value->data == NULL) {
            kind = hivex_failed(hive, "value", err);
        } else {
            value->type = (uint32_t)type;
            value->size = size;
        }
    }
    if (kind != STF_OK) {
        stf_registry_value_fini(value);
    }
    return kind;
}

static enum stf_kind hive_values(void *store, stf_registry_node key, struct stf_registry_values *out,
                                 struct stf_err *err)
{
    struct hive *hive = store;
    enum stf_kind kind = STF_OK;
    hive_value_h *handles;

    *out = (struct stf_registry_values){0};
    errno = 0;
    handles = hivex_node_values(hive->handle, key);
    if (handles == NULL) {
        return hivex_failed(hive, "values", err);
    }
    for (size_t i = 0; handles[i] != 0 && kind == STF_OK; i++) {
        struct stf_registry_value value;
        kind = read_value(hive, handles[i], &value, err);
        if (kind == STF_OK) {
            kind = stf_registry_values_add(out, &value, err);
            stf_registry_value_fini(&value);
        }
    }
    free(handles);
    if (kind != STF_OK) {
        stf_registry_values_fini(out);
    }
    return kind;
}

static enum stf_kind hive_create_key(void *store, stf_registry_node parent, const char *name, stf_registry_node *key,
                                     struct stf_err *err)
{
    struct hive *hive = store;

    errno = 0;
    *key = hivex_node_add_child(hive->handle, parent, name);
    return *key != 0 ? STF_OK : hivex_failed(hive, "create key", err);
}

/* False for a key that this session made: libhivex gave it its parent's security and no class. */
static bool read_extras(const struct hive *hive, hive_node_h key, uint32_t *security, bool *has_class)
{
    uint8_t node[STF_REGF_NODE_SIZE];

    return pread(hive->fd, node, sizeof(node), (off_t)key) == (ssize_t)sizeof(node) &&
           stf_regf_node_extras(node, security, has_class);
}

/* Cells of the hive that a change gives up. libhivex aborts the program when one is given up twice, as happens in a
 * damaged hive where two values share their data. */
struct cells {
    size_t *items;
    size_t count;
};

static enum stf_kind add_cell(struct cells *cells, size_t cell, struct stf_err *err)
{
    size_t *more = realloc(cells->items, (cells->count + 1) * sizeof(*more));

    if (more == NULL) {
        return no_memory(err);
    }
    cells->items = more;
    cells->items[cells->count++] = cell;
    return STF_OK;
}

static int compare_cells(const void *a, const void *b)
{
    size_t x = *(const size_t *)a;
    size_t y = *(const size_t *)b;

    return (x > y) - (x < y);
}

static enum stf_kind check_distinct(const struct hive *hive, struct cells *cells, struct stf_err *err)
{
    qsort(cells->items, cells->count, sizeof(cells->items[0]), compare_cells);
    for (size_t i = 1; i < cells->count; i++) {
        if (cells->items[i - 1] == cells->items[i]) {
            errno = ELOOP;
            return hivex_failed(hive, "cells", err);
        }
    }
    return STF_OK;
}

/* The key's own cell, its values' and those of their data. */
static enum stf_kind add_cells_of(const struct hive *hive, hive_node_h key, struct cells *cells, struct stf_err *err)
{
    hive_value_h *handles = hivex_node_values(hive->handle, key);
    enum stf_kind kind = handles != NULL ? add_cell(cells, key, err) : hivex_failed(hive, "values", err);

    for (size_t i = 0; kind == STF_OK && handles[i] != 0; i++) {
        size_t size;
        size_t data = hivex_value_data_cell_offset(hive->handle, handles[i], &size);
        kind = add_cell(cells, handles[i], err);
        if (kind == STF_OK && data != 0) { /* 0: the data is part of the value's cell */
            kind = add_cell(cells, data, err);
        }
    }
    free(handles);
    return kind;
}

/* A deleted key is put back by libhivex with its parent's security and without a class: what has its own could not be
 * restored, so it is not deleted either. Nor is what can not be read. Collects the subtree's cells. */
static enum stf_kind check_restorable(struct hive *hive, hive_node_h key, uint32_t parent_security, int depth,
                                      struct cells *cells, struct stf_err *err)
{
    struct stf_registry_subkeys subkeys = {0};
    struct stf_registry_values values = {0};
    uint32_t security = parent_security;
    bool has_class = false;
    enum stf_kind kind;

    if (depth > STF_REGISTRY_DEPTH_MAX) {
        errno = ELOOP;
        return hivex_failed(hive, "delete key", err);
    }
    read_extras(hive, key, &security, &has_class);
    if (security != parent_security || has_class) {
        return stf_err_set(err, STF_UNSUPPORTED, 0, "delete key", hive->path,
                           "a key that would be deleted from %s has %s of its own, which could not be restored",
                           hive->path, has_class ? "a class name" : "a security descriptor");
    }
    kind = hive_values(hive, key, &values, err);
    stf_registry_values_fini(&values);
    if (kind == STF_OK) {
        kind = add_cells_of(hive, key, cells, err);
    }
    if (kind == STF_OK) {
        kind = hive_subkeys(hive, key, &subkeys, err);
    }
    for (size_t i = 0; i < subkeys.count && kind == STF_OK; i++) {
        kind = check_restorable(hive, subkeys.items[i].node, security, depth + 1, cells, err);
    }
    stf_registry_subkeys_fini(&subkeys);
    return kind;
}

static enum stf_kind hive_delete_key(void *store, stf_registry_node key, struct stf_err *err)
{
    struct hive *hive = store;
    struct cells cells = {0};
    uint32_t security = 0;
    bool has_class;
    enum stf_kind kind;

    read_extras(hive, hivex_node_parent(hive->handle, key), &security, &has_class);
    kind = check_restorable(hive, key, security, 0, &cells, err);
    if (kind == STF_OK) {
        kind = check_distinct(hive, &cells, err);
    }
    errno = 0;
    if (kind == STF_OK && hivex_node_delete_child(hive->handle, key) != 0) {
        kind = hivex_failed(hive, "delete key", err);
    }
    free(cells.items);
    return kind;
}

/* libhivex writes all values of a key anew, so each must be one that it writes well. */
static enum stf_kind check_sizes(const struct hive *hive, const struct stf_registry_values *values, struct stf_err *err)
{
    for (size_t i = 0; i < values->count; i++) {
        const struct stf_registry_value *value = &values->items[i];
        if (value->size > STF_REGF_DATA_MAX) {
            return stf_err_set(
                err, STF_UNSUPPORTED, 0, "set", hive->path,
                "the value %s has %zu bytes; in a hive a key whose values are changed may hold values of "
                "at most %d bytes, because larger ones would be written in a form that others can not "
                "read",
                value->name, value->size, STF_REGF_DATA_MAX);
        }
    }
    return STF_OK;
}

static enum stf_kind hive_edit_values(void *store, stf_registry_node key, const struct stf_registry_edit *edit,
                                      struct stf_err *err)
{
    struct hive *hive = store;
    struct stf_registry_values values;
    struct hive_set_value *set = NULL;
    struct cells cells = {0};
    enum stf_kind kind = hive_values(hive, key, &values, err);

    if (kind == STF_OK) {
        kind = add_cells_of(hive, key, &cells, err);
    }
    if (kind == STF_OK) {
        kind = check_distinct(hive, &cells, err);
    }
    if (kind == STF_OK) {
        kind = stf_registry_values_edit(&values, edit, err);
    }
    if (kind == STF_OK) {
        kind = check_sizes(hive, &values, err);
    }
    if (kind == STF_OK) {
        set = calloc(values.count + 1, sizeof(*set));
        kind = set != NULL ? STF_OK : no_memory(err);
    }
    if (kind == STF_OK) {
        for (size_t i = 0; i < values.count; i++) {
            const struct stf_registry_value *value = &values.items[i];
            set[i] = (struct hive_set_value){value->name, (hive_type)value->type, value->size, (char *)value->data};
        }
        errno = 0;
        if (hivex_node_set_values(hive->handle, key, values.count, set, 0) != 0) {
            kind = hivex_failed(hive, "set values", err);
        }
    }
    free(set);
    free(cells.items);
    stf_registry_values_fini(&values);
    return kind;
}

const struct stf_registry_backend stf_registry_backend_hive = {
    .name = "hive",
    .open = hive_open,
    .close = hive_close,
    .commit = hive_commit,
    .root = hive_root,
    .subkeys = hive_subkeys,
    .values = hive_values,
    .create_key = hive_create_key,
    .delete_key = hive_delete_key,
    .edit_values = hive_edit_values,
};
