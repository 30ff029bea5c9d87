/* posix.c - the functions of posix.h. Only what is used, and only as far as it is used.
 * SPDX-License-Identifier: MIT */
#undef fopen
#undef fclose
#undef rename

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <windows.h>

FILE *stf_posix_fopen(const char *path, const char *mode)
{
    char own_mode[8] = "";
    size_t used = 0;

    for (; *mode != '\0' && used < sizeof(own_mode) - 2; mode++)
        if (*mode != 'e' && *mode != 'b')
            own_mode[used++] = *mode;
    own_mode[used] = 'b';
    return fopen(path, own_mode);
}

/* ---- open_memstream: a temporary file that fclose reads back ---- */

struct memory_stream {
    struct memory_stream *next;
    FILE *stream;
    char **text;
    size_t *size;
};

static struct memory_stream *memory_streams;
static pthread_mutex_t memory_streams_lock = PTHREAD_MUTEX_INITIALIZER;

/* msvcrt's tmpfile makes its files in the root folder. */
static FILE *open_temporary(void)
{
    char folder[MAX_PATH + 1];
    char path[MAX_PATH + 1];
    FILE *stream;

    if (GetTempPathA(sizeof(folder), folder) == 0 || GetTempFileNameA(folder, "stf", 0, path) == 0) {
        errno = EIO;
        return NULL;
    }
    stream = fopen(path, "w+bTD");
    if (stream == NULL)
        remove(path);
    return stream;
}

FILE *open_memstream(char **text, size_t *size)
{
    struct memory_stream *made = malloc(sizeof(*made));

    if (made == NULL)
        return NULL;
    *made = (struct memory_stream){.stream = open_temporary(), .text = text, .size = size};
    if (made->stream == NULL) {
        free(made);
        return NULL;
    }
    *text = NULL;
    *size = 0;
    pthread_mutex_lock(&memory_streams_lock);
    made->next = memory_streams;
    memory_streams = made;
    pthread_mutex_unlock(&memory_streams_lock);
    return made->stream;
}

static struct memory_stream *take_memory_stream(FILE *stream)
{
    struct memory_stream **at = &memory_streams;
    struct memory_stream *found;

    pthread_mutex_lock(&memory_streams_lock);
    while (*at != NULL && (*at)->stream != stream)
        at = &(*at)->next;
    found = *at;
    if (found != NULL)
        *at = found->next;
    pthread_mutex_unlock(&memory_streams_lock);
    return found;
}

static bool read_back(const struct memory_stream *from)
{
    long size = fflush(from->stream) == 0 ? ftell(from->stream) : -1;
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;

    if (text == NULL)
        return false;
    rewind(from->stream);
    if (fread(text, 1, (size_t)size, from->stream) != (size_t)size) {
        free(text);
        return false;
    }
    text[size] = '\0';
    *from->text = text;
    *from->size = (size_t)size;
    return true;
}

int stf_posix_fclose(FILE *stream)
{
    struct memory_stream *memory = take_memory_stream(stream);
    bool is_ok = memory == NULL || read_back(memory);

    free(memory);
    return fclose(stream) == 0 && is_ok ? 0 : EOF;
}

/* ---- files ---- */

static int fail_with_last_error(void)
{
    switch (GetLastError()) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
        errno = ENOENT;
        break;
    case ERROR_ACCESS_DENIED:
        errno = EACCES;
        break;
    case ERROR_SHARING_VIOLATION:
        errno = EBUSY;
        break;
    default:
        errno = EIO;
        break;
    }
    return -1;
}

int stf_posix_rename(const char *from, const char *to)
{
    return MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) ? 0 : fail_with_last_error();
}

static OVERLAPPED place_of(long long offset)
{
    return (OVERLAPPED){.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
}

ssize_t pread(int fd, void *bytes, size_t size, long long offset)
{
    OVERLAPPED place = place_of(offset);
    DWORD got = 0;
    if (!ReadFile((HANDLE)_get_osfhandle(fd), bytes, (DWORD)size, &got, &place) && GetLastError() != ERROR_HANDLE_EOF)
        return fail_with_last_error();
    return (ssize_t)got;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, long long offset)
{
    OVERLAPPED place = place_of(offset);
    DWORD written = 0;
    if (!WriteFile((HANDLE)_get_osfhandle(fd), bytes, (DWORD)size, &written, &place))
        return fail_with_last_error();
    return (ssize_t)written;
}

int fsync(int fd)
{
    return _commit(fd);
}

char *realpath(const char *path, char *resolved)
{
    HANDLE file = CreateFileA(path, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
                              FILE_FLAG_BACKUP_SEMANTICS, NULL);
    char *made;
    DWORD size;

    if (file == INVALID_HANDLE_VALUE) {
        fail_with_last_error();
        return NULL;
    }
    made = resolved != NULL ? resolved : malloc(PATH_MAX);
    size = made != NULL ? GetFinalPathNameByHandleA(file, made, PATH_MAX, FILE_NAME_NORMALIZED) : 0;
    CloseHandle(file);
    if (size == 0 || size >= PATH_MAX) {
        if (resolved == NULL)
            free(made);
        errno = ENAMETOOLONG;
        return NULL;
    }
    if (strncmp(made, "\\\\?\\", 4) == 0 && strncmp(made, "\\\\?\\UNC\\", 8) != 0)
        memmove(made, made + 4, strlen(made + 4) + 1);
    for (char *at = made; *at != '\0'; at++)
        *at = *at == '\\' ? '/' : *at;
    return made;
}

/* ---- text, numbers, environment ---- */

char *stpcpy(char *to, const char *from)
{
    size_t size = strlen(from);

    memcpy(to, from, size + 1);
    return to + size;
}

char *strndup(const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    char *copy = malloc(length + 1);

    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

void explicit_bzero(void *memory, size_t size)
{
    SecureZeroMemory(memory, size);
}

char *strsep(char **text, const char *separators)
{
    char *part = *text;

    if (part != NULL) {
        char *end = part + strcspn(part, separators);
        *text = *end != '\0' ? end + 1 : NULL;
        *end = '\0';
    }
    return part;
}

char *strerror_r(int errnum, char *buffer, size_t size)
{
    return strerror_s(buffer, size, errnum) == 0 ? buffer : "unknown error";
}

int setenv(const char *name, const char *value, int replaces)
{
    if (!replaces && getenv(name) != NULL)
        return 0;
    return _putenv_s(name, value) == 0 ? 0 : -1;
}

int rand_r(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return (int)(*seed >> 16 & 0x7fff);
}

char *mkdtemp(char *pattern)
{
    return _mktemp_s(pattern, strlen(pattern) + 1) == 0 && _mkdir(pattern) == 0 ? pattern : NULL;
}
