/* holder.c - what is the same of a hold on every system (holder.h). SPDX-License-Identifier: MIT */
#include "fleet/holder.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* What tells a host of this machine from its others: its namespace; behind an agent the machine as a whole; else, as
 * for a registry in a file, all that the site says of it. */
static json_t *identity_of(const struct stf_host *host)
{
    if (host->netns)
        return json_pack("[s, s]", "netns", host->netns);
    if (json_object_get(host->config, "transport"))
        return json_pack("[s]", "machine");
    char *site_dir = realpath(host->site_dir ? host->site_dir : "/", NULL);
    json_t *identity = json_pack("[s, s*, s, O]", "site", site_dir, host->name, host->config);
    free(site_dir);
    return identity;
}

bool stf_holder_identity(const struct stf_host *host, char sum[STF_SHA256_TEXT_SIZE])
{
    json_t *identity = identity_of(host);
    bool is_ok = identity && stf_sha256_of_doc(identity, sum);
    json_decref(identity);
    return is_ok;
}

static const char *text_of(const json_t *holder, const char *key)
{
    const char *text = json_string_value(json_object_get(holder, key));
    return text ? text : "?";
}

static void write_time(json_int_t unix_ms, char text[32])
{
    const time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    if (!gmtime_r(&seconds, &utc) || strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &utc) == 0)
        snprintf(text, 32, "?");
}

enum stf_kind stf_holder_refuse(const struct stf_host *host, const json_t *found, struct stf_err *err)
{
    char since[32];
    write_time(json_integer_value(json_object_get(found, "since_unix_ms")), since);
    stf_err_set(err, STF_BUSY, 0, "hold", host->name,
                "another controller is at work on %s: %s on %s, pid %lld, run %lld, since %s", host->name,
                text_of(found, "operator"), text_of(found, "machine"),
                (long long)json_integer_value(json_object_get(found, "pid")),
                (long long)json_integer_value(json_object_get(found, "run")), since);
    stf_err_remedy(err, "wait until it has ended, or end it: process %lld on the host holds the lock",
                   (long long)json_integer_value(json_object_get(found, "held_by")));
    return STF_BUSY;
}
