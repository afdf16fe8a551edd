/*
 * Loaded with LD_PRELOAD into a server under test. It counts the calls that change files under one folder, writes a line
 * for each into a report outside that folder, and ends the process with SIGKILL at the call it was told. It never writes
 * into the folder itself and knows nothing of what the server does.
 *
 *   WRITES_MODE    count        report only
 *                  kill-after   SIGKILL right after call number WRITES_AT has returned
 *                  kill-before  SIGKILL right before call number WRITES_AT is made
 *                  no-sync      fsync, fdatasync and sync_file_range return 0 and do nothing; nothing is counted
 *                  refuse       each counted call but a sync fails with the error number WRITES_AT, and changes nothing
 *                  record       as count; what each call has changed is appended to WRITES_RECORD, with its bytes
 *   WRITES_FOLDER  absolute path without symbolic links
 *   WRITES_REPORT  file to which one line per counted call is appended: the number, the call, the path
 *   WRITES_ARM     counting begins when this file exists; without it, at once
 *   WRITES_AT      the number, from 1, for the two kill modes and refuse
 *   WRITES_RECORD  file for the mode record. An entry, little-endian: kind (1), inode (8), place or size (8), mode (4), length
 *                  of the path (4), of the second path (4), of the bytes (8); then path, second path, bytes. Kinds: C file
 *                  made, M folder made, W bytes written, T size set, S synced, A all synced, R renamed, L linked, U file
 *                  removed, D folder removed, X something else, which a reader has to refuse.
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
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { COUNT, KILL_AFTER, KILL_BEFORE, NO_SYNC, RECORD, REFUSE };

static enum mode mode;
static const char *folder;
static size_t folder_length;
static const char *arm;
static long at;
static int report = -1;
static int record = -1;
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

/* A file of our own, past our own open: report and record may lie in the folder that is watched. */
static int open_own(const char *path)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
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
    else if (strcmp(word, "record") == 0)
        mode = RECORD;
    else if (strcmp(word, "refuse") == 0)
        mode = REFUSE;
    else
        die("WRITES_MODE is count, kill-after, kill-before, no-sync, record or refuse");
    folder = required("WRITES_FOLDER");
    folder_length = strlen(folder);
    if (folder[0] != '/' || folder[folder_length - 1] == '/')
        die("WRITES_FOLDER is an absolute path without a slash at its end");
    if (mode == KILL_AFTER || mode == KILL_BEFORE || mode == REFUSE) {
        char *end;
        at = strtol(required("WRITES_AT"), &end, 10);
        if (*end != '\0' || at < 1)
            die("WRITES_AT is a number from 1");
    }
    arm = getenv("WRITES_ARM");
    report = open_own(required("WRITES_REPORT"));
    if (report < 0)
        die("WRITES_REPORT cannot be opened");
    if (mode == RECORD) {
        record = open_own(required("WRITES_RECORD"));
        if (record < 0)
            die("WRITES_RECORD cannot be opened");
    }
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

/* A path as the kernel would take it, without resolving links: programs are given their folder resolved. */
static int whole_path(int folder_fd, const char *name, char *whole)
{
    char path[PATH_MAX];
    if (name[0] == '/')
        snprintf(whole, 2 * PATH_MAX, "%s", name);
    else if (folder_fd == AT_FDCWD ? getcwd(path, sizeof path) != NULL : path_of(folder_fd, path))
        snprintf(whole, 2 * PATH_MAX, "%s/%s", path, name);
    else
        return 0;
    size_t length = strlen(whole);
    if (length > 2 && strcmp(whole + length - 2, "/.") == 0)
        whole[length - 2] = '\0';
    return 1;
}

static void append(const void *bytes, size_t n)
{
    const char *next = bytes;
    while (n > 0) {
        long done = syscall(SYS_write, record, next, n);
        if (done <= 0)
            die("WRITES_RECORD cannot be written");
        next += done;
        n -= (size_t)done;
    }
}

static void entry(char kind, uint64_t inode, uint64_t number, uint32_t bits, const char *path, const char *other,
                  uint64_t bytes)
{
    unsigned char head[37];
    uint32_t lengths[2] = {path ? (uint32_t)strlen(path) : 0, other ? (uint32_t)strlen(other) : 0};
    head[0] = (unsigned char)kind;
    memcpy(head + 1, &inode, 8);
    memcpy(head + 9, &number, 8);
    memcpy(head + 17, &bits, 4);
    memcpy(head + 21, &lengths[0], 4);
    memcpy(head + 25, &lengths[1], 4);
    memcpy(head + 29, &bytes, 8);
    append(head, sizeof head);
    append(path, lengths[0]);
    append(other, lengths[1]);
}

/* What a call left in a file, read back: the turn is held, so nobody else has changed it since. */
static void record_bytes(int fd, uint64_t place, uint64_t n)
{
    static char buffer[65536];
    char link[64];
    struct stat found;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int readable = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    if (readable < 0 || fstat(fd, &found) != 0)
        die("what was written cannot be read back");
    entry('W', found.st_ino, place, found.st_mode, NULL, NULL, n);
    while (n > 0) {
        ssize_t got = pread(readable, buffer, n < sizeof buffer ? n : sizeof buffer, (off_t)place);
        if (got <= 0)
            die("what was written is not there");
        append(buffer, (size_t)got);
        place += (uint64_t)got;
        n -= (uint64_t)got;
    }
    close(readable);
    if ((fcntl(fd, F_GETFL) & O_DSYNC) != 0)
        entry('S', found.st_ino, 0, found.st_mode, NULL, NULL, 0);
}

static void record_fd(char kind, int fd, const char *path)
{
    struct stat found;
    if (fstat(fd, &found) != 0)
        die("a file that was changed cannot be looked at");
    entry(kind, found.st_ino, (uint64_t)found.st_size, found.st_mode, path, NULL, 0);
}

static void record_path(char kind, const char *path)
{
    struct stat found;
    if (lstat(path, &found) != 0)
        die("a file that was changed cannot be looked at");
    entry(kind, found.st_ino, (uint64_t)found.st_size, found.st_mode, path, NULL, 0);
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

static int enter_path(const char *call, int folder_fd, const char *name)
{
    char whole[2 * PATH_MAX];
    int kept = errno;
    int counts = mode != NO_SYNC && whole_path(folder_fd, name, whole) && enter(call, whole);
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

/* `note` runs under the turn, if the call counts, succeeded and is to be recorded; errno stays the call's. */
#define COUNTED(result_type, enter_call, real_call, note) \
    do { \
        int counted = enter_call; \
        if (counted && mode == REFUSE) { \
            leave(counted); \
            errno = (int)at; \
            return -1; \
        } \
        result_type result = real_call; \
        if (counted && mode == RECORD && result >= 0) { \
            int kept = errno; \
            note; \
            errno = kept; \
        } \
        leave(counted); \
        return result; \
    } while (0)

#define ON_FD(result_type, name, parameters, types, fd, arguments, note) \
    result_type name parameters \
    { \
        REAL(name, result_type(*) types); \
        COUNTED(result_type, enter_fd(#name, fd), next_##name arguments, note); \
    }

#define WRITTEN_BEFORE(fd) record_bytes(fd, (uint64_t)(lseek(fd, 0, SEEK_CUR) - result), (uint64_t)result)
#define WRITTEN_AT(fd, place) record_bytes(fd, (uint64_t)(place), (uint64_t)result)
#define RESIZED(fd) record_fd('T', fd, NULL)
/* Kept sizes and punched holes are not modelled. */
#define ALLOCATED(fd, how) record_fd((how) == 0 ? 'T' : 'X', fd, NULL)

ON_FD(ssize_t, write, (int fd, const void *bytes, size_t n), (int, const void *, size_t), fd, (fd, bytes, n),
      WRITTEN_BEFORE(fd))
ON_FD(ssize_t, pwrite, (int fd, const void *bytes, size_t n, off_t place), (int, const void *, size_t, off_t), fd,
      (fd, bytes, n, place), WRITTEN_AT(fd, place))
ON_FD(ssize_t, pwrite64, (int fd, const void *bytes, size_t n, off64_t place), (int, const void *, size_t, off64_t), fd,
      (fd, bytes, n, place), WRITTEN_AT(fd, place))
ON_FD(ssize_t, writev, (int fd, const struct iovec *v, int n), (int, const struct iovec *, int), fd, (fd, v, n),
      WRITTEN_BEFORE(fd))
ON_FD(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t place), (int, const struct iovec *, int, off_t), fd,
      (fd, v, n, place), WRITTEN_AT(fd, place))
ON_FD(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t place),
      (int, const struct iovec *, int, off64_t), fd, (fd, v, n, place), WRITTEN_AT(fd, place))
ON_FD(ssize_t, sendfile, (int fd, int from, off_t *place, size_t n), (int, int, off_t *, size_t), fd,
      (fd, from, place, n), WRITTEN_BEFORE(fd))
ON_FD(ssize_t, sendfile64, (int fd, int from, off64_t *place, size_t n), (int, int, off64_t *, size_t), fd,
      (fd, from, place, n), WRITTEN_BEFORE(fd))
ON_FD(ssize_t, copy_file_range, (int from, off64_t *out, int fd, off64_t *place, size_t n, unsigned flags),
      (int, off64_t *, int, off64_t *, size_t, unsigned), fd, (from, out, fd, place, n, flags),
      record_bytes(fd, (uint64_t)((place ? *place : lseek(fd, 0, SEEK_CUR)) - result), (uint64_t)result))
ON_FD(int, ftruncate, (int fd, off_t length), (int, off_t), fd, (fd, length), RESIZED(fd))
ON_FD(int, ftruncate64, (int fd, off64_t length), (int, off64_t), fd, (fd, length), RESIZED(fd))
ON_FD(int, fallocate, (int fd, int how, off_t place, off_t n), (int, int, off_t, off_t), fd, (fd, how, place, n),
      ALLOCATED(fd, how))
ON_FD(int, fallocate64, (int fd, int how, off64_t place, off64_t n), (int, int, off64_t, off64_t), fd,
      (fd, how, place, n), ALLOCATED(fd, how))
/* These return the error's number; -1 is an error as well to whoever asks. */
ON_FD(int, posix_fallocate, (int fd, off_t place, off_t n), (int, off_t, off_t), fd, (fd, place, n), RESIZED(fd))
ON_FD(int, posix_fallocate64, (int fd, off64_t place, off64_t n), (int, off64_t, off64_t), fd, (fd, place, n),
      RESIZED(fd))

/* Syncs change what survives a power cut, and where a sync stands is where a server answers: they count as well. */
#define SYNC(name, parameters, types, fd, arguments, note) \
    int name parameters \
    { \
        REAL(name, int (*) types); \
        if (mode == NO_SYNC) \
            return 0; \
        if (mode == REFUSE) \
            return next_##name arguments; \
        COUNTED(int, enter_fd(#name, fd), next_##name arguments, note); \
    }

SYNC(fsync, (int fd), (int), fd, (fd), record_fd('S', fd, NULL))
SYNC(fdatasync, (int fd), (int), fd, (fd), record_fd('S', fd, NULL))
/* Neither waits for the disk's own cache nor writes a file's size: no promise, so nothing to record. */
SYNC(sync_file_range, (int fd, off64_t place, off64_t n, unsigned flags), (int, off64_t, off64_t, unsigned), fd,
     (fd, place, n, flags), (void)0)
SYNC(syncfs, (int fd), (int), fd, (fd), record_fd('A', fd, NULL))

#define ON_PATH(name, parameters, types, folder_fd, path, arguments, note) \
    int name parameters \
    { \
        REAL(name, int (*) types); \
        COUNTED(int, enter_path(#name, folder_fd, path), next_##name arguments, note); \
    }

static void record_name(char kind, int folder_fd, const char *name)
{
    char path[2 * PATH_MAX];
    if (!whole_path(folder_fd, name, path))
        die("a path cannot be told");
    if (kind == 'U' || kind == 'D' || kind == 'X')
        entry(kind, 0, 0, 0, path, NULL, 0);
    else
        record_path(kind, path);
}

static void record_names(char kind, int from_fd, const char *from, int to_fd, const char *to)
{
    char first[2 * PATH_MAX], second[2 * PATH_MAX];
    if (!whole_path(from_fd, from, first) || !whole_path(to_fd, to, second))
        die("a path cannot be told");
    entry(kind, 0, 0, 0, first, second, 0);
}

ON_PATH(unlink, (const char *path), (const char *), AT_FDCWD, path, (path), record_name('U', AT_FDCWD, path))
ON_PATH(unlinkat, (int at_fd, const char *path, int flags), (int, const char *, int), at_fd, path, (at_fd, path, flags),
        record_name((flags & AT_REMOVEDIR) != 0 ? 'D' : 'U', at_fd, path))
ON_PATH(remove, (const char *path), (const char *), AT_FDCWD, path, (path), record_name('X', AT_FDCWD, path))
ON_PATH(rename, (const char *from, const char *to), (const char *, const char *), AT_FDCWD, to, (from, to),
        record_names('R', AT_FDCWD, from, AT_FDCWD, to))
ON_PATH(renameat, (int from_fd, const char *from, int to_fd, const char *to), (int, const char *, int, const char *),
        to_fd, to, (from_fd, from, to_fd, to), record_names('R', from_fd, from, to_fd, to))
/* Without an exchange: that would be two names at once. */
ON_PATH(renameat2, (int from_fd, const char *from, int to_fd, const char *to, unsigned flags),
        (int, const char *, int, const char *, unsigned), to_fd, to, (from_fd, from, to_fd, to, flags),
        record_names((flags & RENAME_EXCHANGE) != 0 ? 'X' : 'R', from_fd, from, to_fd, to))
ON_PATH(link, (const char *from, const char *to), (const char *, const char *), AT_FDCWD, to, (from, to),
        record_names('L', AT_FDCWD, from, AT_FDCWD, to))
ON_PATH(linkat, (int from_fd, const char *from, int to_fd, const char *to, int flags),
        (int, const char *, int, const char *, int), to_fd, to, (from_fd, from, to_fd, to, flags),
        record_names('L', from_fd, from, to_fd, to))
ON_PATH(symlink, (const char *target, const char *path), (const char *, const char *), AT_FDCWD, path, (target, path),
        record_name('X', AT_FDCWD, path))
ON_PATH(symlinkat, (const char *target, int at_fd, const char *path), (const char *, int, const char *), at_fd, path,
        (target, at_fd, path), record_name('X', at_fd, path))
ON_PATH(mkdir, (const char *path, mode_t bits), (const char *, mode_t), AT_FDCWD, path, (path, bits),
        record_name('M', AT_FDCWD, path))
ON_PATH(mkdirat, (int at_fd, const char *path, mode_t bits), (int, const char *, mode_t), at_fd, path,
        (at_fd, path, bits), record_name('M', at_fd, path))
ON_PATH(rmdir, (const char *path), (const char *), AT_FDCWD, path, (path), record_name('D', AT_FDCWD, path))
ON_PATH(truncate, (const char *path, off_t length), (const char *, off_t), AT_FDCWD, path, (path, length),
        record_name('T', AT_FDCWD, path))
ON_PATH(truncate64, (const char *path, off64_t length), (const char *, off64_t), AT_FDCWD, path, (path, length),
        record_name('T', AT_FDCWD, path))

/* An open changes something if it makes or empties a file. `made` says which. */
static int enter_open(const char *call, int at_fd, const char *path, int flags, int *made)
{
    int kept = errno;
    *made = (flags & O_CREAT) != 0 && faccessat(at_fd, path, F_OK, 0) != 0;
    errno = kept;
    if ((flags & O_TRUNC) == 0 && !*made)
        return 0;
    return enter_path(call, at_fd, path);
}

static void record_open(int made, int fd, int at_fd, const char *name)
{
    char path[2 * PATH_MAX];
    if (!whole_path(at_fd, name, path))
        die("a path cannot be told");
    record_fd(made ? 'C' : 'T', fd, path);
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
        int made; \
        COUNTED(int, enter_open(#name, AT_FDCWD, path, flags, &made), next_##name(path, flags, bits), \
                record_open(made, result, AT_FDCWD, path)); \
    }

#define OPENAT(name) \
    int name(int at_fd, const char *path, int flags, ...) \
    { \
        BITS(flags); \
        REAL(name, int (*)(int, const char *, int, ...)); \
        int made; \
        COUNTED(int, enter_open(#name, at_fd, path, flags, &made), next_##name(at_fd, path, flags, bits), \
                record_open(made, result, at_fd, path)); \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
