/*
 * Loaded with LD_PRELOAD into a server under test. It counts the calls that change files under one folder, writes a line
 * for each into a report outside that folder, and ends the process with SIGKILL at the call it was told. It never writes
 * into the folder itself and knows nothing of what the server does.
 *
 *   WRITES_MODE    count        report only
 *                  kill-after   SIGKILL right after call number WRITES_AT has returned
 *                  kill-before  SIGKILL right before call number WRITES_AT is made
 *                  no-sync      fsync, fdatasync and sync_file_range return 0 and do nothing; nothing is counted
 *   WRITES_FOLDER  absolute path without symbolic links
 *   WRITES_REPORT  file to which one line per counted call is appended: the number, the call, the path
 *   WRITES_ARM     counting begins when this file exists; without it, at once
 *   WRITES_AT      the number, from 1, for the two kill modes
 *
 * Counted calls run one at a time, so that "after the k-th" is the same prefix of changes for all threads.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { COUNT, KILL_AFTER, KILL_BEFORE, NO_SYNC };

static enum mode mode;
static const char *folder;
static size_t folder_length;
static const char *arm;
static long at;
static int report = -1;
static int armed;
static long calls;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *why)
{
    fprintf(stderr, "writes shim: %s\n", why);
    abort();
}

static const char *required(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL || *value == '\0') {
        fprintf(stderr, "writes shim: %s is not set\n", name);
        abort();
    }
    return value;
}

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        fprintf(stderr, "writes shim: libc has no %s\n", name);
        abort();
    }
    return found;
}

/* The types of the calls, resolved once each. */
#define REAL(name, type) \
    static __typeof__(type) next_##name; \
    if (__atomic_load_n(&next_##name, __ATOMIC_ACQUIRE) == NULL) \
        __atomic_store_n(&next_##name, (__typeof__(type))real(#name), __ATOMIC_RELEASE)

__attribute__((constructor)) static void start(void)
{
    const char *word = required("WRITES_MODE");
    if (strcmp(word, "no-sync") == 0) {
        mode = NO_SYNC;
        return;
    }
    if (strcmp(word, "count") == 0)
        mode = COUNT;
    else if (strcmp(word, "kill-after") == 0)
        mode = KILL_AFTER;
    else if (strcmp(word, "kill-before") == 0)
        mode = KILL_BEFORE;
    else
        die("WRITES_MODE is count, kill-after, kill-before or no-sync");
    folder = required("WRITES_FOLDER");
    folder_length = strlen(folder);
    if (folder[0] != '/' || folder[folder_length - 1] == '/')
        die("WRITES_FOLDER is an absolute path without a slash at its end");
    if (mode != COUNT) {
        char *end;
        at = strtol(required("WRITES_AT"), &end, 10);
        if (*end != '\0' || at < 1)
            die("WRITES_AT is a number from 1");
    }
    arm = getenv("WRITES_ARM");
    report = open(required("WRITES_REPORT"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (report < 0)
        die("WRITES_REPORT cannot be opened");
}

static int inside(const char *path)
{
    return strncmp(path, folder, folder_length) == 0 && (path[folder_length] == '/' || path[folder_length] == '\0');
}

static int path_of(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = '\0';
    return 1;
}

static void end_here(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/*
 * Called before a call on `path`. Says whether it counts; if so, the turn is held until `leave`. errno is kept for the
 * caller: the counted call sets its own.
 */
static int enter(const char *call, const char *path)
{
    if (mode == NO_SYNC || report < 0 || !inside(path))
        return 0;
    pthread_mutex_lock(&turn);
    if (!armed && (arm == NULL || access(arm, F_OK) == 0))
        armed = 1;
    if (!armed) {
        pthread_mutex_unlock(&turn);
        return 0;
    }
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", ++calls, call, path);
    if (syscall(SYS_write, report, line, length) != length)
        die("WRITES_REPORT cannot be written");
    if (mode == KILL_BEFORE && calls == at)
        end_here();
    return 1;
}

static int enter_fd(const char *call, int fd)
{
    char path[PATH_MAX];
    int kept = errno;
    int counts = mode != NO_SYNC && path_of(fd, path) && enter(call, path);
    errno = kept;
    return counts;
}

/* A path as the kernel would take it, without resolving links: the server is given its folder resolved. */
static int enter_path(const char *call, int folder_fd, const char *name)
{
    char path[PATH_MAX], whole[2 * PATH_MAX];
    int kept = errno;
    int counts = 0;
    if (mode != NO_SYNC) {
        if (name[0] == '/')
            counts = enter(call, name);
        else if (folder_fd == AT_FDCWD ? getcwd(path, sizeof path) != NULL : path_of(folder_fd, path)) {
            snprintf(whole, sizeof whole, "%s/%s", path, name);
            counts = enter(call, whole);
        }
    }
    errno = kept;
    return counts;
}

static void leave(int counted)
{
    if (!counted)
        return;
    if (mode == KILL_AFTER && calls == at)
        end_here();
    pthread_mutex_unlock(&turn);
}

#define COUNTED(result_type, enter_call, real_call) \
    do { \
        int counted = enter_call; \
        result_type result = real_call; \
        leave(counted); \
        return result; \
    } while (0)

#define ON_FD(result_type, name, parameters, types, fd, arguments) \
    result_type name parameters \
    { \
        REAL(name, result_type(*) types); \
        COUNTED(result_type, enter_fd(#name, fd), next_##name arguments); \
    }

ON_FD(ssize_t, write, (int fd, const void *bytes, size_t n), (int, const void *, size_t), fd, (fd, bytes, n))
ON_FD(ssize_t, pwrite, (int fd, const void *bytes, size_t n, off_t place), (int, const void *, size_t, off_t), fd,
      (fd, bytes, n, place))
ON_FD(ssize_t, pwrite64, (int fd, const void *bytes, size_t n, off64_t place), (int, const void *, size_t, off64_t), fd,
      (fd, bytes, n, place))
ON_FD(ssize_t, writev, (int fd, const struct iovec *v, int n), (int, const struct iovec *, int), fd, (fd, v, n))
ON_FD(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t place), (int, const struct iovec *, int, off_t), fd,
      (fd, v, n, place))
ON_FD(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t place),
      (int, const struct iovec *, int, off64_t), fd, (fd, v, n, place))
ON_FD(int, ftruncate, (int fd, off_t length), (int, off_t), fd, (fd, length))
ON_FD(int, ftruncate64, (int fd, off64_t length), (int, off64_t), fd, (fd, length))
ON_FD(int, fallocate, (int fd, int how, off_t place, off_t n), (int, int, off_t, off_t), fd, (fd, how, place, n))
ON_FD(int, fallocate64, (int fd, int how, off64_t place, off64_t n), (int, int, off64_t, off64_t), fd,
      (fd, how, place, n))
ON_FD(int, posix_fallocate, (int fd, off_t place, off_t n), (int, off_t, off_t), fd, (fd, place, n))
ON_FD(int, posix_fallocate64, (int fd, off64_t place, off64_t n), (int, off64_t, off64_t), fd, (fd, place, n))

/* Syncs change what survives a power cut, and where a sync stands is where a server answers: they count as well. */
#define SYNC(name, parameters, types, fd, arguments) \
    int name parameters \
    { \
        REAL(name, int (*) types); \
        if (mode == NO_SYNC) \
            return 0; \
        COUNTED(int, enter_fd(#name, fd), next_##name arguments); \
    }

SYNC(fsync, (int fd), (int), fd, (fd))
SYNC(fdatasync, (int fd), (int), fd, (fd))
SYNC(sync_file_range, (int fd, off64_t place, off64_t n, unsigned flags), (int, off64_t, off64_t, unsigned), fd,
     (fd, place, n, flags))
SYNC(syncfs, (int fd), (int), fd, (fd))

#define ON_PATH(name, parameters, types, folder_fd, path, arguments) \
    int name parameters \
    { \
        REAL(name, int (*) types); \
        COUNTED(int, enter_path(#name, folder_fd, path), next_##name arguments); \
    }

ON_PATH(unlink, (const char *path), (const char *), AT_FDCWD, path, (path))
ON_PATH(unlinkat, (int at_fd, const char *path, int flags), (int, const char *, int), at_fd, path, (at_fd, path, flags))
ON_PATH(rename, (const char *from, const char *to), (const char *, const char *), AT_FDCWD, to, (from, to))
ON_PATH(renameat, (int from_fd, const char *from, int to_fd, const char *to), (int, const char *, int, const char *),
        to_fd, to, (from_fd, from, to_fd, to))
ON_PATH(link, (const char *from, const char *to), (const char *, const char *), AT_FDCWD, to, (from, to))
ON_PATH(linkat, (int from_fd, const char *from, int to_fd, const char *to, int flags),
        (int, const char *, int, const char *, int), to_fd, to, (from_fd, from, to_fd, to, flags))
ON_PATH(mkdir, (const char *path, mode_t bits), (const char *, mode_t), AT_FDCWD, path, (path, bits))
ON_PATH(rmdir, (const char *path), (const char *), AT_FDCWD, path, (path))
ON_PATH(truncate, (const char *path, off_t length), (const char *, off_t), AT_FDCWD, path, (path, length))
ON_PATH(truncate64, (const char *path, off64_t length), (const char *, off64_t), AT_FDCWD, path, (path, length))

/* An open changes something if it makes or empties a file. */
static int enter_open(const char *call, int at_fd, const char *path, int flags)
{
    if ((flags & O_TRUNC) == 0 && ((flags & O_CREAT) == 0 || faccessat(at_fd, path, F_OK, 0) == 0))
        return 0;
    return enter_path(call, at_fd, path);
}

#define BITS(flags) \
    mode_t bits = 0; \
    if (((flags) & O_CREAT) != 0 || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list rest; \
        va_start(rest, flags); \
        bits = va_arg(rest, mode_t); \
        va_end(rest); \
    }

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        BITS(flags); \
        REAL(name, int (*)(const char *, int, ...)); \
        COUNTED(int, enter_open(#name, AT_FDCWD, path, flags), next_##name(path, flags, bits)); \
    }

#define OPENAT(name) \
    int name(int at_fd, const char *path, int flags, ...) \
    { \
        BITS(flags); \
        REAL(name, int (*)(int, const char *, int, ...)); \
        COUNTED(int, enter_open(#name, at_fd, path, flags), next_##name(at_fd, path, flags, bits)); \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
