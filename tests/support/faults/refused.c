/* Calls into the kernel that fail, of one program: preloaded, told what to do through a page that the test maps as well.
 *
 * What is refused is told by `kinds` (below); from the `first`-th such call on, `most` of them fail with `error`. Calls are
 * counted over all threads, from the moment the test sets the page. Only files below `home` count as files; descriptors,
 * threads, processes and memory count wherever they are asked for. Only the programs from the `from`-th to the `to`-th that
 * began are meant. tests/support/faults/refused.py is the other side.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAKES = 1, WRITES = 2, READS = 4, DESCRIPTORS = 8, TASKS = 16, MEMORY = 32 };
enum { CALLS = 4096, TEXT = 120 };

struct page {
    int kinds, error;
    long first, most, seen, struck, begun, from, to;
    char home[256];
    char calls[CALLS][TEXT];
};
static struct page *page;
static pid_t me;
static long mine;
static int is_loaded; /* it has begun to look at its own files: before that, Python itself starts */

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("HERMES_TEST_REFUSED");
    char line[4096] = {0};
    int file = syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY);
    if (path == NULL || file < 0) return;
    ssize_t length = syscall(SYS_read, file, line, sizeof line - 1);
    syscall(SYS_close, file);
    for (ssize_t i = 0; i < length - 1; i++)
        if (line[i] == 0) line[i] = ' ';
    if (strstr(line, "gateway run") == NULL || strstr(line, "--supervise") != NULL || strstr(line, "--check") != NULL) return;
    file = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *at = (void *)syscall(SYS_mmap, NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (at == MAP_FAILED) return;
    me = getpid();
    page = at;
    mine = __atomic_add_fetch(&page->begun, 1, __ATOMIC_SEQ_CST);
}

static int concerns(int kind) {
    return page != NULL && (page->kinds & kind) && mine >= page->from && mine <= page->to && getpid() == me;
}

/* Whether this call fails. `path` is NULL where the call concerns no file. */
static int fails(int kind, const char *name, const char *path, int is_counted) {
    if (!concerns(kind) || (kind > READS && !is_loaded)) return 0;
    if (kind <= READS && (path == NULL || strncmp(path, page->home, strlen(page->home)) != 0)) return 0;
    long number = is_counted ? __atomic_add_fetch(&page->seen, 1, __ATOMIC_SEQ_CST) : page->seen;
    if (is_counted && number <= CALLS) snprintf(page->calls[number - 1], TEXT, "%s %s", name, path ? path : "");
    if (page->first == 0 || number < page->first || number >= page->first + page->most) return 0;
    if (is_counted) __atomic_add_fetch(&page->struck, 1, __ATOMIC_SEQ_CST);
    errno = page->error;
    return 1;
}

/* The log is refused, too, but no strike begins there. */
static int file_fails(int kind, const char *name, const char *path) {
    return fails(kind, name, path, path == NULL || strstr(path, "/logs/") == NULL);
}

static int descriptor_fails(int kind, const char *name, int descriptor) {
    char link[64], path[512];
    if (!concerns(kind)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return file_fails(kind, name, path);
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int open_fails(const char *path, int flags) {
    if (page != NULL && strncmp(path, page->home, strlen(page->home)) == 0) is_loaded = 1;
    if ((flags & O_CREAT) && access(path, F_OK) != 0 && file_fails(MAKES, "create", path)) return 1;
    if (file_fails(READS, "open", path)) return 1;
    return fails(DESCRIPTORS, "open", path, 1);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = va_arg(more, mode_t); \
        va_end(more); \
        return open_fails(path, flags) ? -1 : real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define ON_DESCRIPTOR(kind, type, name, declared, given) \
    type name declared { \
        REAL(name); \
        return descriptor_fails(kind, #name, file) ? -1 : real given; \
    }
ON_DESCRIPTOR(READS, ssize_t, read, (int file, void *to, size_t size), (file, to, size))
ON_DESCRIPTOR(READS, ssize_t, pread, (int file, void *to, size_t size, off_t at), (file, to, size, at))
ON_DESCRIPTOR(READS, ssize_t, pread64, (int file, void *to, size_t size, off64_t at), (file, to, size, at))
ON_DESCRIPTOR(WRITES, ssize_t, write, (int file, const void *from, size_t size), (file, from, size))
ON_DESCRIPTOR(WRITES, ssize_t, pwrite, (int file, const void *from, size_t size, off_t at), (file, from, size, at))
ON_DESCRIPTOR(WRITES, ssize_t, pwrite64, (int file, const void *from, size_t size, off64_t at), (file, from, size, at))
ON_DESCRIPTOR(WRITES, int, fsync, (int file), (file))
ON_DESCRIPTOR(WRITES, int, fdatasync, (int file), (file))

#define ON_PATH(kind, name, declared, given) \
    int name declared { \
        REAL(name); \
        return file_fails(kind, #name, path) ? -1 : real given; \
    }
ON_PATH(MAKES, mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(MAKES, rename, (const char *old, const char *path), (old, path))
ON_PATH(MAKES, link, (const char *old, const char *path), (old, path))
ON_PATH(READS, unlink, (const char *path), (path))
ON_PATH(READS, stat64, (const char *path, struct stat64 *found), (path, found))
ON_PATH(READS, lstat64, (const char *path, struct stat64 *found), (path, found))

DIR *opendir(const char *path) {
    REAL(opendir);
    return file_fails(READS, "opendir", path) || fails(DESCRIPTORS, "opendir", path, 1) ? NULL : real(path);
}

#define ANYWHERE(kind, refusal, type, name, declared, given) \
    type name declared { \
        REAL(name); \
        return fails(kind, #name, NULL, 1) ? (refusal) : real given; \
    }
ANYWHERE(DESCRIPTORS, -1, int, pipe2, (int ends[2], int flags), (ends, flags))
ANYWHERE(DESCRIPTORS, -1, int, socket, (int domain, int type, int protocol), (domain, type, protocol))
ANYWHERE(DESCRIPTORS, -1, int, socketpair, (int domain, int type, int protocol, int two[2]), (domain, type, protocol, two))
ANYWHERE(DESCRIPTORS, -1, int, accept4, (int file, struct sockaddr *from, socklen_t *size, int flags), (file, from, size, flags))
ANYWHERE(DESCRIPTORS, -1, int, epoll_create1, (int flags), (flags))
ANYWHERE(DESCRIPTORS, -1, int, inotify_init1, (int flags), (flags))
ANYWHERE(TASKS, page->error, int, pthread_create, (pthread_t *made, const pthread_attr_t *how, void *(*run)(void *), void *with),
         (made, how, run, with))
ANYWHERE(TASKS, -1, pid_t, fork, (void), ())
ANYWHERE(TASKS, -1, pid_t, vfork, (void), ()) /* -O2 makes the call of the real one a jump: it returns to our caller */

/* Python asks for pidfd_open by number. */
long syscall(long number, ...) {
    static long (*real)(long, ...);
    if (real == NULL) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    va_list more;
    va_start(more, number);
    long a = va_arg(more, long), b = va_arg(more, long), c = va_arg(more, long), d = va_arg(more, long),
         e = va_arg(more, long), f = va_arg(more, long);
    va_end(more);
    if (number == SYS_pidfd_open && fails(DESCRIPTORS, "pidfd_open", NULL, 1)) return -1;
    return real(number, a, b, c, d, e, f);
}

/* Large pieces only: what is small, a process has at hand. */
enum { LARGE = 65536 };
extern void *__libc_malloc(size_t), *__libc_realloc(void *, size_t);
void *malloc(size_t size) { return size >= LARGE && fails(MEMORY, "malloc", NULL, 1) ? NULL : __libc_malloc(size); }
void *realloc(void *old, size_t size) {
    return size >= LARGE && fails(MEMORY, "realloc", NULL, 1) ? NULL : __libc_realloc(old, size);
}
void *mmap64(void *at, size_t size, int protection, int flags, int file, off64_t offset) {
    REAL(mmap64);
    int ours = (flags & MAP_ANONYMOUS) != 0;
    if (ours && fails(MEMORY, "mmap", NULL, 1)) return MAP_FAILED;
    if (!ours && descriptor_fails(MEMORY, "mmap", file)) return MAP_FAILED;
    return real(at, size, protection, flags, file, offset);
}
void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
    return mmap64(at, size, protection, flags, file, offset);
}
