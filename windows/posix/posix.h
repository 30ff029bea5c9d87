/* posix.h - what the C sources use of POSIX and mingw-w64 has not. Included before every file of the Windows program
 * (-include); declares nothing that mingw-w64 has. SPDX-License-Identifier: MIT */
#pragma once

#define _POSIX_C_SOURCE 200809L /* localtime_r, gmtime_r */
#include <direct.h>
#include <errno.h>
#include <io.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#define EHOSTDOWN 10064 /* as Winsock's */

enum { O_CLOEXEC = 0x80 /* _O_NOINHERIT */, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_DIRECTORY = 0 };

/* Text and line ends as they are: every file is opened binary (start.c), and "e" has no meaning here. */
FILE *stf_posix_fopen(const char *path, const char *mode);
#define fopen stf_posix_fopen

/* The text is there once the stream was closed. */
FILE *open_memstream(char **text, size_t *size);
int stf_posix_fclose(FILE *stream);
#define fclose stf_posix_fclose

/* Replaces the target, as POSIX wants it. */
int stf_posix_rename(const char *from, const char *to);
#define rename stf_posix_rename

/* The file's own position stays undefined. */
ssize_t pread(int fd, void *bytes, size_t size, long long offset);
ssize_t pwrite(int fd, const void *bytes, size_t size, long long offset);

/* A folder's rights are its parent's. */
#define mkdir(path, mode) _mkdir(path)

char *stpcpy(char *to, const char *from);
char *strndup(const char *text, size_t size);
void explicit_bzero(void *memory, size_t size);
char *strsep(char **text, const char *separators);
char *strerror_r(int errnum, char *buffer, size_t size);
/* With forward slashes. */
char *realpath(const char *path, char *resolved);
int setenv(const char *name, const char *value, int replaces);
int fsync(int fd);
#define fdatasync fsync
#define fdatasync fsync
#undef rand_r /* winpthreads' ignores the seed */
int rand_r(unsigned *seed);
char *mkdtemp(char *pattern);
