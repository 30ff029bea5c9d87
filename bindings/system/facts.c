/* facts.c - reads what the host is. Must never start a daemon to learn its version: `charon-systemd --version` would.
 * SPDX-License-Identifier: MIT */
#include "facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "common/doc.h"
#include "common/process.h"

enum { DPKG_TIMEOUT_MS = 5000 };

/* PRETTY_NAME of /etc/os-release, without its quotes; null when there is none. */
static json_t *read_os(void)
{
    static const char key[] = "PRETTY_NAME=";
    json_t *os = NULL;
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen("/etc/os-release", "re");
    while (file && !os && getline(&line, &size, file) > 0) {
        if (strncmp(line, key, sizeof key - 1) != 0)
            continue;
        char *value = line + sizeof key - 1 + strspn(line + sizeof key - 1, "\"'");
        value[strcspn(value, "\"'\n")] = '\0';
        os = stf_doc_text(value, strlen(value));
    }
    free(line);
    if (file)
        fclose(file);
    return os ? os : json_null();
}

static json_t *package_version(const char *package)
{
    struct stf_process_result result;
    struct stf_process_id id = {.argv = (const char *[]){"dpkg-query", "-W", "-f=${Version}", package, NULL},
                                .timeout_ms = DPKG_TIMEOUT_MS};
    enum stf_kind kind = stf_process_run(&id, &result, NULL);
    bool is_known = !kind && result.exit_code == 0 && result.output_size > 0;
    json_t *version = is_known ? stf_doc_text(result.output, result.output_size) : json_string("unknown");
    stf_process_result_fini(&result);
    return version;
}

/* The version of the IKE daemon's package; "unknown" when its program did not come with one, null when there is none.
 */
static json_t *read_charon(void)
{
    static const struct {
        const char *program, *package;
    } daemons[] = {
        {"/usr/sbin/charon-systemd", "charon-systemd"},
        {"/usr/lib/ipsec/charon", "strongswan-charon"},
    };
    for (size_t i = 0; i < sizeof daemons / sizeof daemons[0]; i++)
        if (access(daemons[i].program, X_OK) == 0)
            return package_version(daemons[i].package);
    return json_null();
}

static json_t *read_esp(void)
{
    switch (stf_esp_is_available()) {
    case STF_YES:
        return json_true();
    case STF_NO:
        return json_false();
    case STF_UNKNOWN:
        break;
    }
    return json_null();
}

enum stf_kind stf_facts_read(json_t **facts, struct stf_err *err)
{
    struct utsname names;
    struct timespec up = {0};
    uname(&names);
    clock_gettime(CLOCK_BOOTTIME, &up);
    *facts = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:I}", "hostname", names.nodename, "kernel", names.release,
                       "architecture", names.machine, "os", read_os(), "has_kernel_esp", read_esp(), "charon",
                       read_charon(), "uptime_ms", (json_int_t)up.tv_sec * 1000 + up.tv_nsec / 1000000);
    return *facts ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "facts", NULL, "no memory for the facts");
}
