/* Sets addresses aside, and makes memory of some of them, in the ways in which runtimes do. The argument is a folder on a disk. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const size_t MIB = 1 << 20;
static const int BOTH = PROT_READ | PROT_WRITE;
static const int PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS;

/* No functions: who calls them is what asks for memory. */
#define MAP(at, bytes, protection, flags)                                     \
    ({                                                                        \
        char *start = mmap(at, bytes, protection, flags, -1, 0);              \
        if (start == MAP_FAILED) exit(1);                                     \
        start;                                                                \
    })
#define PROTECT(start, bytes, protection)                                     \
    do {                                                                      \
        if (mprotect(start, bytes, protection)) exit(2);                      \
    } while (0)

/* As V8 does, and wasmtime: 24 MiB become memory, of which 2 are reserved again. */
static void commit(char *reserved) {
    PROTECT(reserved, 16 * MIB, BOTH);
    /* That changes nothing. */
    PROTECT(reserved, 16 * MIB, PROT_READ);
    PROTECT(reserved, 16 * MIB, BOTH);
    /* Of these 16 only the second half. */
    PROTECT(reserved + 8 * MIB, 16 * MIB, BOTH);
    memset(reserved, 1, 24 * MIB);
    PROTECT(reserved + 4 * MIB, 2 * MIB, PROT_NONE);
    if (reserved[3 * MIB] != 1 || reserved[6 * MIB] != 1) exit(3);
}

/* As the JVM does: 4 MiB of memory take the place of reserved ones. Of 8 others 3 go back. */
static void map_over(char *reserved) {
    MAP(reserved + 100 * MIB, 4 * MIB, BOTH, PRIVATE | MAP_FIXED);
    MAP(reserved + 200 * MIB, 8 * MIB, BOTH, PRIVATE | MAP_FIXED);
    MAP(reserved + 202 * MIB, 3 * MIB, PROT_NONE, PRIVATE | MAP_FIXED | MAP_NORESERVE);
}

/* A stack below which nobody may touch anything. */
static void guard(void) {
    char *stack = MAP(NULL, 8 * MIB, BOTH, PRIVATE | MAP_STACK);
    PROTECT(stack, MIB, PROT_NONE);
}

/* What is moved is what it was. */
static void move(void) {
    char *reserved = MAP(NULL, 8 * MIB, PROT_NONE, PRIVATE);
    reserved = mremap(reserved, 8 * MIB, 16 * MIB, MREMAP_MAYMOVE);
    if (reserved == MAP_FAILED) exit(4);
    PROTECT(reserved, MIB, BOTH);
    reserved[MIB - 1] = 1;
}

/* Files stay files. */
static void map_file(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/reserved.XXXXXX", folder);
    int fd = mkstemp(path);
    if (fd < 0 || unlink(path) || ftruncate(fd, (off_t)(2 * MIB))) exit(5);
    char *file = mmap(NULL, 2 * MIB, PROT_NONE, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED) exit(5);
    PROTECT(file, 2 * MIB, BOTH);
    PROTECT(file, MIB, PROT_NONE);
}

/* What fails changes nothing, and says so as it does otherwise. */
static void fail(char *reserved) {
    errno = 0;
    if (mprotect(reserved + 1, MIB, BOTH) != -1 || errno != EINVAL) exit(6);
    errno = 0;
    if (mprotect(reserved, MIB, PROT_GROWSUP | PROT_GROWSDOWN) != -1 || errno != EINVAL) exit(6);
    errno = 7;
    PROTECT(reserved, 0, BOTH);
    if (errno != 7) exit(6);
}

/* Half a MiB for each thread, again and again, from the same mapping; at the end it is memory. */
static void *commit_often(void *own) {
    for (int round = 0; round < 500; round++) {
        PROTECT(own, MIB / 2, BOTH);
        *(volatile char *)own = 1;
        if (round < 499) PROTECT(own, MIB / 2, PROT_NONE);
    }
    return NULL;
}

static void commit_in_threads(char *reserved) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, commit_often, reserved + i * MIB / 2)) exit(7);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    char *reserved = MAP(NULL, 1024 * MIB, PROT_NONE, PRIVATE | MAP_NORESERVE);
    fail(reserved);
    commit(reserved);
    map_over(reserved);
    guard();
    move();
    map_file(arguments[1]);
    /* Whoever may be touched is memory, whatever the kernel sets aside for it. */
    MAP(NULL, 32 * MIB, BOTH, PRIVATE | MAP_NORESERVE);
    if (pkey_mprotect(reserved + 300 * MIB, MIB, BOTH, -1)) exit(8);
    commit_in_threads(reserved + 400 * MIB);
    munmap(reserved + 512 * MIB, 512 * MIB);
    puts("end");
    return 0;
}
