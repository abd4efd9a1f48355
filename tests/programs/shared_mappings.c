/* Maps what a descriptor refers to: memory that a child maps, too, and keeps longer, files, devices. The argument is a
   folder on a disk. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const size_t MIB = 1 << 20;
static const int BOTH = PROT_READ | PROT_WRITE;

static void *map(size_t bytes, int flags, int fd, size_t offset) {
    void *at = mmap(NULL, bytes, BOTH, flags, fd, (off_t)offset);
    if (at == MAP_FAILED) exit(1);
    return at;
}

/* One byte goes from one process to the other. */
static void tell(int fd) {
    if (write(fd, "x", 1) != 1) exit(1);
}

static void hear(int fd) {
    char byte;
    if (read(fd, &byte, 1) != 1) exit(1);
}

static void share(void) {
    int fd = memfd_create("frames", MFD_CLOEXEC), to_child[2], to_parent[2];
    if (fd < 0 || ftruncate(fd, (off_t)(9 * MIB)) || pipe(to_child) || pipe(to_parent)) exit(1);
    char *whole = map(8 * MIB, MAP_SHARED, fd, 0);
    /* Three of these four bytes in a row are in the first one already. */
    char *behind = map(4 * MIB, MAP_SHARED, fd, 5 * MIB);
    /* The same pages once more. */
    char *again = mremap(whole, 0, 8 * MIB, MREMAP_MAYMOVE);
    if (again == MAP_FAILED) exit(1);
    pid_t child = fork();
    if (child == 0) {
        char *own = map(8 * MIB, MAP_SHARED, fd, 0);
        tell(to_parent[1]);
        hear(to_child[0]);
        own[4 * MIB] = 7;
        /* Now they are its alone. It ends with the second half. */
        munmap(own, 4 * MIB);
        _exit(own[4 * MIB] != 7);
    }
    hear(to_parent[0]);
    munmap(whole, 8 * MIB);
    munmap(behind, 4 * MIB);
    munmap(again, 8 * MIB);
    tell(to_child[1]);
    int status;
    if (waitpid(child, &status, 0) != child || status) exit(1);
}

static void map_files(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/mapped.XXXXXX", folder);
    int fd = mkstemp(path), zero = open("/dev/zero", O_RDWR);
    if (fd < 0 || zero < 0 || unlink(path) || ftruncate(fd, (off_t)(6 * MIB))) exit(1);
    map(5 * MIB, MAP_PRIVATE, fd, 0);
    char *shared = map(3 * MIB, MAP_SHARED, fd, 3 * MIB);
    /* What is moved is the file still: from its fourth MiB on. */
    shared = mremap(shared + MIB, 2 * MIB, 3 * MIB, MREMAP_MAYMOVE);
    if (shared == MAP_FAILED) exit(1);
    shared[0] = 1;
    /* These are memory. */
    map(2 * MIB, MAP_PRIVATE, zero, 0);
    map(MIB, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    share();
    map_files(arguments[1]);
    puts("end");
    return 0;
}
