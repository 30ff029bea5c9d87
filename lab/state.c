/* state.c - lab.json: what a lab is and has started, for whoever has to find or sweep it.
 * Must never leave half a document. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parts.h"

enum { MAX_STATE_PATH = 128 };

static void state_path(const char *run_dir, char path[MAX_STATE_PATH])
{
    snprintf(path, MAX_STATE_PATH, "%s/lab.json", run_dir);
}

enum stf_kind stf_lab_state_save(const json_t *state, struct stf_err *err)
{
    char path[MAX_STATE_PATH];
    state_path(stf_lab_text(state, "run_dir"), path);
    char *text = json_dumps(state, JSON_INDENT(2));
    if (!text)
        return stf_err_set(err, STF_NO_MEMORY, 0, "lab", path, "no memory for the lab's state");
    enum stf_kind kind = stf_lab_write_file(path, text, strlen(text), 0644, err);
    free(text);
    return kind;
}

/* The members that sweeping relies on. */
static bool is_state_of(const json_t *state, const char *name)
{
    const char *own_name = stf_lab_text(state, "name");
    return own_name && strcmp(own_name, name) == 0 && stf_lab_text(state, "run_dir") && stf_lab_text(state, "switch") &&
           stf_lab_text(state, "phase") && json_is_array(json_object_get(state, "hosts")) &&
           json_is_array(json_object_get(state, "daemons")) && json_is_array(json_object_get(state, "made"));
}

enum stf_kind stf_lab_state_load(const char *name, json_t **state, struct stf_err *err)
{
    char path[MAX_STATE_PATH];
    json_error_t reason;
    *state = NULL;
    enum stf_kind kind = stf_lab_check_name(name, "name of a lab", err);
    if (kind)
        return kind;
    snprintf(path, sizeof path, STF_LAB_ROOT "/%s/lab.json", name);
    if (access(path, F_OK) < 0)
        return errno == ENOENT ? stf_err_set(err, STF_NOT_FOUND, 0, "lab", name, "no lab '%s' is up", name)
                               : stf_err_errno(err, errno, "lab", path, "cannot read the lab's state");
    *state = json_load_file(path, 0, &reason);
    if (*state && is_state_of(*state, name))
        return STF_OK;
    json_decref(*state);
    *state = NULL;
    return stf_err_set(err, STF_INVALID_DATA, 0, "lab", path,
                       "%s is no state of a lab: end its processes and namespaces by hand and remove the folder", path);
}
