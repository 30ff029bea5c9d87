/* timers.c - ipsec.timers, a file of charon's settings of our own, and ipsec.acquire_expires, one value of the kernel.
 * Must never touch a file that is not as we write it. SPDX-License-Identifier: MIT */
#include "ipsec/timers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/doc.h"
#include "common/netns.h"
#include "ipsec/durable.h"
#include "ipsec/policy.h"
#include "ipsec/strongswan.h"
#include "ipsec/windows_host.h"

static enum stf_kind check_id(const json_t *id, const char *resource, struct stf_err *err)
{
    static const char *const known[] = {NULL};
    return stf_doc_check_keys(id, known, resource, err);
}

/* ---------- the document ---------- */

static enum stf_kind check_timers(const json_t *state, struct stf_err *err)
{
    static const char *const known[] = {"retransmit_timeout_ms", "retransmit_base", "retransmit_tries",
                                        "acquire_expires_ms",    "loaded",          NULL};
    int64_t ignored;
    const json_t *base = json_object_get(state, "retransmit_base"), *loaded = json_object_get(state, "loaded");
    enum stf_kind kind = stf_doc_check_keys(state, known, "ipsec.timers", err);
    if (!kind)
        kind = stf_doc_int(state, "retransmit_timeout_ms", 1, INT_MAX, &ignored, err);
    if (!kind)
        kind = stf_doc_int(state, "retransmit_tries", 0, INT_MAX, &ignored, err);
    if (!kind)
        kind = stf_doc_int(state, "acquire_expires_ms", 1000, INT_MAX, &ignored, err);
    if (!kind && !(json_is_real(base) && json_real_value(base) >= 1.0))
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "validate", "retransmit_base",
                           "member 'retransmit_base': expected a number with a fraction, 1.0 or more");
    if (!kind && loaded && !json_is_false(loaded))
        kind =
            stf_err_set(err, STF_INVALID_DATA, 0, "validate", "loaded", "member 'loaded': expected nothing or false");
    return kind;
}

static bool is_pending(const json_t *state)
{
    return json_object_get(state, "loaded") != NULL;
}

/* ---------- the file ---------- */

static const char head[] = "# Written by Staffetta; change the policy there, not here.\n# staffetta-document: ";

/* The whole file; a document that is not loaded may stand with the settings or without. NULL: no memory. */
static char *file_text(const json_t *state, bool has_settings)
{
    char *text = NULL;
    char *line = json_dumps(state, JSON_COMPACT | JSON_SORT_KEYS);
    int size = !line ? -1
               : !has_settings
                   ? asprintf(&text, "%s%s\n", head, line)
                   : asprintf(&text,
                              "%s%s\n"
                              "charon {\n"
                              "    retransmit_timeout = %.3f\n"
                              "    retransmit_base = %.3f\n"
                              "    retransmit_tries = %" JSON_INTEGER_FORMAT "\n"
                              "    plugins {\n"
                              "        kernel-netlink {\n"
                              "            xfrm_acq_expires = %" JSON_INTEGER_FORMAT "\n"
                              "        }\n"
                              "    }\n"
                              "}\n",
                              head, line, json_number_value(json_object_get(state, "retransmit_timeout_ms")) / 1000,
                              json_number_value(json_object_get(state, "retransmit_base")),
                              json_integer_value(json_object_get(state, "retransmit_tries")),
                              json_integer_value(json_object_get(state, "acquire_expires_ms")) / 1000);
    free(line);
    return size < 0 ? NULL : text;
}

static bool is_file_of(const char *text, const json_t *state, bool has_settings)
{
    char *expected = file_text(state, has_settings);
    bool is_same = expected && strcmp(text, expected) == 0;
    free(expected);
    return is_same;
}

static enum stf_kind parse_file(const char *text, const char *path, json_t **state, struct stf_err *err)
{
    const char *line = text + sizeof head - 1;
    bool has_head = strncmp(text, head, sizeof head - 1) == 0;
    json_t *found = has_head ? json_loadb(line, strcspn(line, "\n"), JSON_REJECT_DUPLICATES, NULL) : NULL;
    bool is_ours = found && check_timers(found, NULL) == STF_OK &&
                   (is_file_of(text, found, true) || (is_pending(found) && is_file_of(text, found, false)));
    if (is_ours)
        *state = found;
    else
        json_decref(found);
    return is_ours ? STF_OK
                   : stf_err_set(err, STF_CONFLICT, 0, "read", path,
                                 "%s is not as Staffetta writes it; undo the edit, or move the file away", path);
}

/* ---------- the resource ipsec.timers ---------- */

/* Where the settings are kept: the folder, opened, and the file's name in it. */
struct place {
    char *path;
    char *dir;
    const char *name; /* in `path` */
    struct stf_durable files;
};

static void place_fini(struct place *place)
{
    stf_durable_close(&place->files);
    free(place->path);
    free(place->dir);
}

/* Fini also after an error. */
static enum stf_kind place_init(struct place *place, const struct stf_host *host, bool is_writer, struct stf_err *err)
{
    const json_t *ipsec = json_object_get(host->config, "ipsec");
    const char *given = NULL;
    *place = (struct place){.files.dir_fd = -1};
    if (!json_object_get(ipsec, "charon_conf"))
        return stf_err_set(err, STF_UNSUPPORTED, 0, "configure", host->name,
                           "host '%s' has no ipsec.charon_conf in site.lua, a file that its strongswan.conf includes, "
                           "such as \"/etc/strongswan.d/staffetta.conf\"",
                           host->name);
    enum stf_kind kind = stf_doc_string(ipsec, "charon_conf", &given, err);
    if (kind)
        return kind;
    place->path = stf_doc_path(host->site_dir, given);
    const char *slash = place->path ? strrchr(place->path, '/') : NULL;
    place->dir = slash ? strndup(place->path, slash == place->path ? 1 : (size_t)(slash - place->path)) : NULL;
    if (!place->dir)
        return stf_err_set(err, STF_NO_MEMORY, 0, "configure", host->name, "no memory for a path");
    place->name = slash + 1;
    return stf_durable_open(&place->files, place->dir, is_writer, err);
}

static enum stf_kind read_file(const struct place *place, json_t **state, struct stf_err *err)
{
    char *text = NULL;
    enum stf_kind kind = stf_durable_read(&place->files, place->name, &text, err);
    if (!kind && text)
        kind = parse_file(text, place->path, state, err);
    else if (!kind)
        *state = json_null();
    free(text);
    return kind;
}

enum stf_kind stf_timers_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                              struct stf_err *err)
{
    struct place place = {.files.dir_fd = -1};
    (void)self;
    enum stf_kind kind = check_id(id, "ipsec.timers", err);
    if (!kind)
        kind = place_init(&place, host, false, err);
    if (!kind)
        kind = read_file(&place, state, err);
    place_fini(&place);
    return kind;
}

static enum stf_kind write_file(const struct place *place, const json_t *state, bool has_settings, struct stf_err *err)
{
    char *text = file_text(state, has_settings);
    enum stf_kind kind = text ? stf_durable_write(&place->files, place->name, text, err)
                              : stf_err_set(err, STF_NO_MEMORY, 0, "write", place->path, "no memory for the file");
    free(text);
    return kind;
}

/* The file says "not loaded" until charon has read it: a crash in between reads as neither state, and doing it again
 * repairs it. So also on the way out, where the file is first without settings, then gone. */
static enum stf_kind put(const struct place *place, struct stf_strongswan *daemon, const json_t *found,
                         const json_t *state, struct stf_err *err)
{
    struct stf_vici_message message = {0};
    bool is_set = json_is_object(state) && !is_pending(state);
    json_t *pending = json_copy((json_t *)(json_is_null(state) ? found : state));
    enum stf_kind kind = STF_OK;
    if (!json_is_null(pending)) {
        json_object_set_new(pending, "loaded", json_false());
        kind = write_file(place, pending, is_set, err);
    }
    if (!kind)
        kind =
            stf_strongswan_command(daemon, "reload-settings", &message, daemon->name, STF_CHARON_ANSWER_MS, NULL, err);
    if (!kind && is_set)
        kind = write_file(place, state, true, err);
    if (!kind && json_is_null(state))
        kind = stf_durable_remove(&place->files, place->name, err);
    json_decref(pending);
    return kind;
}

/* A charon that does not answer is noticed before anything is written. */
static enum stf_kind open_daemon(struct stf_strongswan *daemon, const struct stf_host *host, struct stf_err *err)
{
    json_t *version = NULL;
    enum stf_kind kind = stf_strongswan_open(daemon, host, err);
    if (!kind)
        kind = stf_vici_request(daemon->client, "version", NULL, STF_CHARON_ANSWER_MS, &version, err);
    json_decref(version);
    return kind;
}

enum stf_kind stf_timers_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                               struct stf_err *err)
{
    struct place place = {.files.dir_fd = -1};
    struct stf_strongswan daemon = {.client = NULL};
    json_t *found = NULL;
    (void)self;
    enum stf_kind kind = check_id(id, "ipsec.timers", err);
    if (!kind && !json_is_null(state))
        kind = check_timers(state, err);
    if (!kind)
        kind = place_init(&place, host, true, err);
    if (!kind)
        kind = read_file(&place, &found, err);
    if (!kind)
        kind = open_daemon(&daemon, host, err);
    if (!kind)
        kind = put(&place, &daemon, found, state, err);
    json_decref(found);
    stf_strongswan_close(&daemon);
    place_fini(&place);
    return kind;
}

char *stf_timers_describe(const json_t *id, const json_t *state)
{
    char *text = NULL;
    (void)id;
    if (!state)
        return strdup("charon's timers");
    if (json_is_null(state))
        return strdup("absent");
    int size = asprintf(
        &text,
        "a dead peer given up after %.1f s (%" JSON_INTEGER_FORMAT " ms x %.1f, %" JSON_INTEGER_FORMAT
        " tries), acquires after %" JSON_INTEGER_FORMAT " ms%s",
        stf_policy_give_up_ms(state) / 1000, json_integer_value(json_object_get(state, "retransmit_timeout_ms")),
        json_number_value(json_object_get(state, "retransmit_base")),
        json_integer_value(json_object_get(state, "retransmit_tries")),
        json_integer_value(json_object_get(state, "acquire_expires_ms")), is_pending(state) ? ", not loaded" : "");
    return size < 0 ? NULL : text;
}

/* ---------- the resource ipsec.acquire_expires ---------- */

static const char acquire_expires_path[] = "/proc/sys/net/core/xfrm_acq_expires";

/* Opens it in the host's namespace: what is opened there stays that namespace's. */
static enum stf_kind open_acquire_expires(const struct stf_host *host, int flags, int *fd, struct stf_err *err)
{
    struct stf_netns guard;
    enum stf_kind kind = stf_windows_refuse(host, "kernel with XFRM", err);
    if (!kind)
        kind = stf_netns_enter(&guard, host->netns, err);
    if (kind)
        return kind;
    *fd = open(acquire_expires_path, flags | O_CLOEXEC);
    int errnum = errno;
    stf_netns_leave(&guard);
    if (*fd < 0 && errnum == ENOENT)
        return stf_err_set(err, STF_UNSUPPORTED, errnum, "open", acquire_expires_path, "the kernel has no XFRM");
    return *fd < 0 ? stf_err_errno(err, errnum, "open", acquire_expires_path, "open net.core.xfrm_acq_expires")
                   : STF_OK;
}

enum stf_kind stf_acquire_expires_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                       struct stf_err *err)
{
    int fd = -1;
    char digits[32];
    (void)self;
    enum stf_kind kind = check_id(id, "ipsec.acquire_expires", err);
    if (!kind)
        kind = open_acquire_expires(host, O_RDONLY, &fd, err);
    if (kind)
        return kind;
    ssize_t size = read(fd, digits, sizeof digits - 1);
    if (size < 0)
        kind = stf_err_errno(err, errno, "read", acquire_expires_path, "read net.core.xfrm_acq_expires");
    close(fd);
    if (kind)
        return kind;
    digits[size] = '\0';
    *state = json_pack("{s:I}", "acquire_expires_ms", (json_int_t)strtoll(digits, NULL, 10) * 1000);
    return *state ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "read", acquire_expires_path, "no memory");
}

enum stf_kind stf_acquire_expires_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                        struct stf_err *err)
{
    static const char *const known[] = {"acquire_expires_ms", NULL};
    int fd = -1;
    int64_t ms = 0;
    (void)self;
    enum stf_kind kind = check_id(id, "ipsec.acquire_expires", err);
    if (!kind)
        kind = stf_doc_check_keys(state, known, "ipsec.acquire_expires", err);
    if (!kind)
        kind = stf_doc_int(state, "acquire_expires_ms", 0, INT64_C(1000) * UINT32_MAX, &ms, err);
    if (!kind && ms % 1000)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "write", "acquire_expires_ms",
                           "member 'acquire_expires_ms': expected whole seconds, found %" PRId64 " ms", ms);
    if (!kind)
        kind = open_acquire_expires(host, O_WRONLY, &fd, err);
    if (kind)
        return kind;
    if (dprintf(fd, "%" PRId64 "\n", ms / 1000) < 0)
        kind = stf_err_errno(err, errno, "write", acquire_expires_path, "write net.core.xfrm_acq_expires");
    close(fd);
    return kind;
}

char *stf_acquire_expires_describe(const json_t *id, const json_t *state)
{
    char *text = NULL;
    (void)id;
    if (!state)
        return strdup("net.core.xfrm_acq_expires");
    int size = asprintf(&text, "%" JSON_INTEGER_FORMAT " s",
                        json_integer_value(json_object_get(state, "acquire_expires_ms")) / 1000);
    return size < 0 ? NULL : text;
}
