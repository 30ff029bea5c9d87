/* priority.c - the number in the file that keepalived tracks (track_file in keepalived.conf(5)): it is added to the
 * node's VRRP priority at once. Must never write anything but a number in keepalived's range. SPDX-License-Identifier:
 * MIT
 */
#include "priority.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/doc.h"

enum { MAX_ADJUST = 253 }; /* beyond that keepalived sees a failure */

/* `*path` is malloc'ed. */
static enum stf_kind find_file(const struct stf_host *host, const json_t *id, char **path, struct stf_err *err)
{
    static const char *const known[] = {NULL};
    const char *file = json_string_value(json_object_get(json_object_get(host->config, "vip"), "track_file"));
    *path = NULL;
    enum stf_kind kind = stf_doc_check_keys(id, known, "vip.priority", err);
    if (!kind && !file)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "configure", host->name,
                           "host '%s' has no vip.track_file in site.lua, so keepalived can not be asked to move the "
                           "address; name there the file of its track_file block: vip = { track_file = "
                           "\"/etc/keepalived/staffetta.track\" }",
                           host->name);
    if (kind)
        return kind;
    *path = stf_doc_path(host->site_dir, file);
    return *path ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "vip.priority", host->name, "no memory for a path");
}

/* A file that is not there says nothing, and so does an empty one. */
static enum stf_kind read_number(const char *path, long *adjust, struct stf_err *err)
{
    char text[32] = "", *end = text;
    FILE *file = fopen(path, "re");
    *adjust = 0;
    if (!file)
        return errno == ENOENT ? STF_OK : stf_err_errno(err, errno, "read", path, "cannot read what keepalived tracks");
    if (fgets(text, sizeof text, file))
        *adjust = strtol(text, &end, 10);
    fclose(file);
    if (end[strspn(end, " \n")] != '\0' || labs(*adjust) > MAX_ADJUST)
        return stf_err_set(err, STF_CONFLICT, 0, "read", path, "%s does not hold a number from -%d to %d", path,
                           MAX_ADJUST, MAX_ADJUST);
    return STF_OK;
}

/* Renamed into place, so that keepalived never reads half a number. */
static enum stf_kind write_number(const char *path, int64_t adjust, struct stf_err *err)
{
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.staffetta", path);
    FILE *file = fopen(temporary, "we");
    bool is_written = file && fprintf(file, "%d\n", (int)adjust) > 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int errnum = errno;
    if (file)
        fclose(file);
    if (is_written && rename(temporary, path) == 0)
        return STF_OK;
    errnum = is_written ? errno : errnum;
    unlink(temporary);
    return stf_err_errno(err, errnum, "write", path, "cannot write what keepalived tracks");
}

enum stf_kind stf_vip_priority_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                    struct stf_err *err)
{
    char *path;
    long adjust = 0;
    (void)self;
    enum stf_kind kind = find_file(host, id, &path, err);
    if (!kind)
        kind = read_number(path, &adjust, err);
    free(path);
    if (kind)
        return kind;
    *state = json_pack("{s:i}", "adjust", (int)adjust);
    return *state ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "vip.priority", host->name, "no memory for the answer");
}

enum stf_kind stf_vip_priority_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                     struct stf_err *err)
{
    static const char *const known[] = {"adjust", NULL};
    char *path = NULL;
    int64_t adjust;
    (void)self;
    enum stf_kind kind = stf_doc_check_keys(state, known, "state of vip.priority", err);
    if (!kind)
        kind = stf_doc_int(state, "adjust", -MAX_ADJUST, MAX_ADJUST, &adjust, err);
    if (!kind)
        kind = find_file(host, id, &path, err);
    if (!kind)
        kind = write_number(path, adjust, err);
    free(path);
    return kind;
}

char *stf_vip_priority_describe(const json_t *id, const json_t *state)
{
    char *line = NULL;
    (void)id;
    if (!state)
        return strdup("its priority in keepalived");
    int adjust = (int)json_integer_value(json_object_get(state, "adjust"));
    return asprintf(&line, "%+d", adjust) < 0 ? NULL : line;
}
