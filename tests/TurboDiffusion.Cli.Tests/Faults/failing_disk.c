// For LD_PRELOAD: one kind of call fails below one folder, as a quota, a network drive or a broken disk make it fail.
//   FAILING_FOLDER  the folder             FAILING_ERRNO  the number of the error
//   FAILING_CALL    write, fsync, close    FAILING_AFTER  how many of these calls still work
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int calls;

static int is_below(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    const char *folder = getenv("FAILING_FOLDER");
    return strncmp(path, folder, strlen(folder)) == 0;
}

static int fails(const char *call, int file) {
    if (strcmp(getenv("FAILING_CALL"), call) || !is_below(file)) return 0;
    if (__sync_fetch_and_add(&calls, 1) < atoi(getenv("FAILING_AFTER"))) return 0;
    errno = atoi(getenv("FAILING_ERRNO"));
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t count) {
    return fails("write", file) ? -1 : REAL(write)(file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    return fails("write", file) ? -1 : REAL(pwrite64)(file, bytes, count, at);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t at) {
    return fails("write", file) ? -1 : REAL(pwritev64)(file, parts, count, at);
}

int fsync(int file) {
    return fails("fsync", file) ? -1 : REAL(fsync)(file);
}

int close(int file) {
    int failed = fails("close", file);
    int error = errno, result = REAL(close)(file);
    if (failed) errno = error;
    return failed ? -1 : result;
}

// Who looks a function up in the C library itself, as .NET does for its users, gets ours too.
void *dlsym(void *library, const char *name) {
    static void *(*real)(void *, const char *);
    if (!real) real = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    return library != RTLD_NEXT && strcmp(name, "fsync") == 0 ? (void *)fsync : real(library, name);
}
