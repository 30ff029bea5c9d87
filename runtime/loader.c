/* loader.c - the search path of scripts. SPDX-License-Identifier: MIT */
#include "loader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/doc.h"
#include "embedded.h"
#include "owner.h"
#include "paths.h"

enum { MAX_SCRIPT_BYTES = 1 << 20 };

extern const struct stf_embedded stf_bundled_scripts[];

struct place {
    const char *origin;
    char *dir; /* NULL: inside the program */
};

struct stf_loader {
    struct place places[3];
    size_t count;
};

static bool add_place(struct stf_loader *loader, const char *origin, const char *dir)
{
    char *copy = dir ? strdup(dir) : NULL;
    if (dir && !copy)
        return false;
    loader->places[loader->count++] = (struct place){origin, copy};
    return true;
}

struct stf_loader *stf_loader_new(const char *site_dir, const char *tree_dir)
{
    struct stf_loader *loader = calloc(1, sizeof *loader);
    if (!loader)
        return NULL;
    bool is_ok = (!site_dir || add_place(loader, "site", site_dir)) && add_place(loader, "machine", STF_CONFIG_DIR) &&
                 add_place(loader, tree_dir ? "tree" : "bundled", tree_dir);
    if (is_ok)
        return loader;
    stf_loader_free(loader);
    return NULL;
}

void stf_loader_free(struct stf_loader *loader)
{
    if (!loader)
        return;
    for (size_t i = 0; i < loader->count; i++)
        free(loader->places[i].dir);
    free(loader);
}

void stf_script_fini(struct stf_script *script)
{
    free(script->folder);
    free(script->name);
    free(script->path);
    free(script->text);
    *script = (struct stf_script){0};
}

static bool is_plain_name(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return length > 0 && name[length] == '\0';
}

static enum stf_kind no_memory(struct stf_err *err, const char *name)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "load", name, "not enough memory");
}

/* As much as there is, up to `room`. */
static enum stf_kind read_all(int fd, const char *path, char *text, size_t room, size_t *size, struct stf_err *err)
{
    ssize_t got = 1;
    for (*size = 0; *size < room && got != 0;) {
        got = read(fd, text + *size, room - *size);
        if (got < 0 && errno != EINTR)
            return stf_err_errno(err, errno, "read", path, "cannot read the file");
        *size += got > 0 ? (size_t)got : 0;
    }
    return STF_OK;
}

enum stf_kind stf_script_read(const char *path, char **text, size_t *size, struct stf_err *err)
{
    *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return stf_err_errno(err, errno, "open", path, "cannot open the file");
    enum stf_kind kind = stf_owner_check(fd, path, err);
    if (kind == STF_OK && !(*text = malloc(MAX_SCRIPT_BYTES + 2)))
        kind = no_memory(err, path);
    if (kind == STF_OK)
        kind = read_all(fd, path, *text, MAX_SCRIPT_BYTES + 1, size, err);
    if (kind == STF_OK && *size > MAX_SCRIPT_BYTES)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "open", path, "%s is larger than a script may be, %d bytes", path,
                           MAX_SCRIPT_BYTES);
    close(fd);
    if (kind == STF_OK) {
        (*text)[*size] = '\0';
    } else {
        free(*text);
        *text = NULL;
    }
    return kind;
}

static const struct stf_embedded *find_embedded(const char *folder, const char *name)
{
    char file[256];
    snprintf(file, sizeof file, "%s/%s.lua", folder, name);
    for (const struct stf_embedded *entry = stf_bundled_scripts; entry->name; entry++)
        if (strcmp(entry->name, file) == 0)
            return entry;
    return NULL;
}

static enum stf_kind find_in(const struct place *place, const char *folder, const char *name, struct stf_script *script,
                             struct stf_err *err)
{
    if (place->dir) {
        if (asprintf(&script->path, "%s/%s/%s.lua", place->dir, folder, name) < 0) {
            script->path = NULL;
            return no_memory(err, name);
        }
        if (access(script->path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
            free(script->path);
            script->path = NULL;
            return STF_NOT_FOUND;
        }
        enum stf_kind kind = stf_script_read(script->path, &script->text, &script->size, err);
        if (kind != STF_OK)
            return kind;
    } else {
        const struct stf_embedded *entry = find_embedded(folder, name);
        if (!entry)
            return STF_NOT_FOUND;
        script->path = strdup(entry->name);
        script->text = malloc(entry->size + 1);
        if (!script->path || !script->text)
            return no_memory(err, name);
        memcpy(script->text, entry->bytes, entry->size + 1);
        script->size = entry->size;
    }
    script->origin = place->origin;
    script->folder = strdup(folder);
    script->name = strdup(name);
    SHA256Data((const uint8_t *)script->text, script->size, script->sha256);
    return script->folder && script->name ? STF_OK : no_memory(err, name);
}

static bool exists_in(const struct place *place, const char *folder, const char *name)
{
    if (!place->dir)
        return find_embedded(folder, name) != NULL;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/%s.lua", place->dir, folder, name);
    return access(path, F_OK) == 0;
}

static enum stf_kind not_found(struct stf_loader *loader, size_t first, const char *folder, const char *name,
                               struct stf_err *err)
{
    char places[512] = "";
    for (size_t i = first; i < loader->count; i++) {
        size_t used = strlen(places);
        const struct place *place = &loader->places[i];
        snprintf(places + used, sizeof places - used, "%s%s%s%s", used ? ", " : "",
                 place->dir ? place->dir : "the bundled scripts", place->dir ? "/" : "", place->dir ? folder : "");
    }
    char **names = stf_loader_names(loader, folder);
    const char *nearest = names ? stf_nearest(name, (const char *const *)names) : NULL;
    enum stf_kind kind = stf_err_set(
        err, STF_NOT_FOUND, 0, "load", name, "there is no script '%s' among the %s%s%s%s; looked in %s", name, folder,
        nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "", places);
    stf_err_remedy(err, "staffetta scripts list");
    stf_loader_free_names(names);
    return kind;
}

static enum stf_kind find_from(struct stf_loader *loader, size_t first, const char *folder, const char *name,
                               struct stf_script *script, struct stf_err *err)
{
    *script = (struct stf_script){0};
    if (!is_plain_name(name))
        return stf_err_set(err, STF_INVALID_DATA, 0, "load", name,
                           "'%s' is no script name: expected letters, digits, '-' and '_', not a path", name);
    for (size_t i = first; i < loader->count; i++) {
        enum stf_kind kind = find_in(&loader->places[i], folder, name, script, err);
        if (kind == STF_NOT_FOUND && !script->path)
            continue;
        for (size_t later = i + 1; kind == STF_OK && later < loader->count; later++)
            script->is_shadowing |= exists_in(&loader->places[later], folder, name);
        return kind;
    }
    return not_found(loader, first, folder, name, err);
}

enum stf_kind stf_loader_find(struct stf_loader *loader, const char *folder, const char *name,
                              struct stf_script *script, struct stf_err *err)
{
    return find_from(loader, 0, folder, name, script, err);
}

enum stf_kind stf_loader_find_after(struct stf_loader *loader, const char *origin, const char *folder, const char *name,
                                    struct stf_script *script, struct stf_err *err)
{
    size_t first = 0;
    while (first < loader->count && strcmp(loader->places[first].origin, origin) != 0)
        first++;
    return find_from(loader, first + 1, folder, name, script, err);
}

struct names {
    char **list;
    size_t count, capacity;
};

static bool names_add(struct names *names, const char *file, size_t length)
{
    for (size_t i = 0; i < names->count; i++)
        if (strlen(names->list[i]) == length && memcmp(names->list[i], file, length) == 0)
            return true;
    if (names->count + 1 >= names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 16;
        char **grown = realloc(names->list, capacity * sizeof *grown);
        if (!grown)
            return false;
        names->list = grown;
        names->capacity = capacity;
    }
    char *copy = strndup(file, length);
    if (!copy)
        return false;
    names->list[names->count++] = copy;
    return true;
}

static bool is_lua_file(const char *file, size_t *name_length)
{
    size_t length = strlen(file);
    *name_length = length - 4;
    return length > 4 && strcmp(file + length - 4, ".lua") == 0;
}

static bool list_dir(struct names *names, const char *dir, const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, folder);
    DIR *stream = opendir(path);
    if (!stream)
        return true;
    bool is_ok = true;
    size_t length;
    for (struct dirent *entry; is_ok && (entry = readdir(stream));)
        if (is_lua_file(entry->d_name, &length))
            is_ok = names_add(names, entry->d_name, length);
    closedir(stream);
    return is_ok;
}

static bool list_embedded(struct names *names, const char *folder)
{
    size_t folder_length = strlen(folder), length;
    for (const struct stf_embedded *entry = stf_bundled_scripts; entry->name; entry++) {
        if (strncmp(entry->name, folder, folder_length) != 0 || entry->name[folder_length] != '/')
            continue;
        const char *file = entry->name + folder_length + 1;
        if (is_lua_file(file, &length) && !names_add(names, file, length))
            return false;
    }
    return true;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

char **stf_loader_names(struct stf_loader *loader, const char *folder)
{
    struct names names = {0};
    bool is_ok = true;
    for (size_t i = 0; is_ok && i < loader->count; i++) {
        const struct place *place = &loader->places[i];
        is_ok = place->dir ? list_dir(&names, place->dir, folder) : list_embedded(&names, folder);
    }
    if (is_ok && !names.list)
        return calloc(1, sizeof(char *));
    if (names.list)
        names.list[names.count] = NULL;
    if (!is_ok) {
        stf_loader_free_names(names.list);
        return NULL;
    }
    qsort(names.list, names.count, sizeof *names.list, compare_names);
    return names.list;
}

void stf_loader_free_names(char **names)
{
    for (char **name = names; name && *name; name++)
        free(*name);
    free(names);
}
