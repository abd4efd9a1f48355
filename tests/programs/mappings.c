/* Maps, moves and unmaps address space in all ways that there are. The comment at a line says what its call counts as;
   the peak comes at the end, and has what is left of all of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, READ_WRITE = PROT_READ | PROT_WRITE, PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS };

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            dprintf(2, "line %d: not %s (%s)\n", __LINE__, #condition, strerror(errno)); \
            _exit(1); \
        } \
    } while (0)

/* Address space that nobody uses until the next mapping is made. */
static char *unused(size_t pages) {
    char *at = mmap(NULL, pages * PAGE, READ_WRITE, PRIVATE, -1, 0); //#= unused mmap total 7/335872
    REQUIRE(at != MAP_FAILED && munmap(at, pages * PAGE) == 0);
    return at;
}

static void moved(void) {
    char *from = mmap(NULL, 4 * PAGE, READ_WRITE, PRIVATE, -1, 0); //#= moved mmap total 1/16384
    char *to = unused(8);
    int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    from[3 * PAGE] = 'x';
    char *at = mremap(from, 4 * PAGE, 8 * PAGE, flags, to); //#= moved mremap total 1/32768 peak 1/32768 leaks 1/32768
    REQUIRE(at == to && at[3 * PAGE] == 'x');
}

static void moved_and_cut(void) {
    char *from = mmap(NULL, 8 * PAGE, READ_WRITE, PRIVATE, -1, 0); //#= moved_and_cut mmap total 1/32768
    char *to = unused(2);
    int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    char *at = mremap(from, 8 * PAGE, PAGE + 1, flags, to); //#= moved_and_cut mremap total 1/4097 peak 1/4097 leaks 1/4097
    REQUIRE(at == to);
}

/* Two mappings lie where it goes: of the first a page is left, of the other two. */
static void moved_over_two(void) {
    char *from = mmap(NULL, 4 * PAGE, READ_WRITE, PRIVATE, -1, 0); //#= moved_over_two mmap total 1/16384
    char *room = unused(16);
    int flags = PRIVATE | MAP_FIXED_NOREPLACE;
    char *one = mmap(room, 3 * PAGE, READ_WRITE, flags, -1, 0); //#= moved_over_two mmap total 1/12288 peak 1/4096 leaks 1/4096
    char *two = mmap(room + 3 * PAGE, 4 * PAGE, READ_WRITE, flags, -1, 0); //#= moved_over_two mmap total 1/16384 peak 1/8192 leaks 1/8192
    REQUIRE(one == room && two == room + 3 * PAGE);
    flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    char *at = mremap(from, 4 * PAGE, 4 * PAGE, flags, room + PAGE); //#= moved_over_two mremap total 1/16384 peak 1/16384 leaks 1/16384
    REQUIRE(at == room + PAGE);
}

/* The middle of a mapping goes elsewhere; its ends stay. */
static void a_part_moved(void) {
    char *from = mmap(NULL, 9 * PAGE, READ_WRITE, PRIVATE, -1, 0); //#= a_part_moved mmap total 1/36864 peak 1/28672 leaks 1/28672
    char *to = unused(2);
    int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    char *at = mremap(from + 3 * PAGE, 2 * PAGE, 2 * PAGE, flags, to); //#= a_part_moved mremap total 1/8192 peak 1/8192 leaks 1/8192
    REQUIRE(at == to);
}

/* The pages go, the address space stays. */
static void moved_and_still_there(void) {
#ifdef MREMAP_DONTUNMAP
    char *from = mmap(NULL, 3 * PAGE, READ_WRITE, PRIVATE, -1, 0); //#= moved_and_still_there mmap total 1/12288 peak 1/12288 leaks 1/12288
    *from = 'x';
    int flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
    char *at = mremap(from, 3 * PAGE, 3 * PAGE, flags, NULL); //#= moved_and_still_there mremap total 1/12288 peak 1/12288 leaks 1/12288
    REQUIRE(at != MAP_FAILED && *at == 'x' && *from == 0);
#endif
}

/* A second mapping of the same pages: an old size of zero says so. */
static void doubled(void) {
    char *first = mmap(NULL, 2 * PAGE, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); //#= doubled mmap total 1/8192 peak 1/8192 leaks 1/8192
    char *second = mremap(first, 0, 2 * PAGE, MREMAP_MAYMOVE); //#= doubled mremap total 1/8192 peak 1/8192 leaks 1/8192
    REQUIRE(second != MAP_FAILED && second != first);
    *first = 'x';
    REQUIRE(*second == 'x');
}

static void grown_and_shrunk(void) {
    char *at = mmap(NULL, 100, READ_WRITE, PRIVATE, -1, 0); //#= grown_and_shrunk mmap total 1/100
    at = mremap(at, 100, 5000, MREMAP_MAYMOVE); //#= grown_and_shrunk mremap total 1/5000
    REQUIRE(at != MAP_FAILED);
    at = mremap(at, 5000, 5 * PAGE, MREMAP_MAYMOVE); //#= grown_and_shrunk mremap total 1/20480
    REQUIRE(at != MAP_FAILED);
    char *same = mremap(at, 5 * PAGE, 2 * PAGE + 1, 0); //#= grown_and_shrunk mremap total 1/8193 peak 1/8193 leaks 1/8193
    REQUIRE(same == at);
}

/* The system has made one mapping of the two. */
static void two_moved_as_one(void) {
    char *room = unused(4);
    int fixed = PRIVATE | MAP_FIXED_NOREPLACE;
    char *one = mmap(room, 2 * PAGE, READ_WRITE, fixed, -1, 0); //#= two_moved_as_one mmap total 1/8192
    char *two = mmap(room + 2 * PAGE, 2 * PAGE, READ_WRITE, fixed, -1, 0); //#= two_moved_as_one mmap total 1/8192
    REQUIRE(one == room && two == room + 2 * PAGE);
    char *at = mremap(room, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE); //#= two_moved_as_one mremap total 1/262144 peak 1/262144 leaks 1/262144
    REQUIRE(at != MAP_FAILED);
}

/* What fails changes nothing. */
static void failed(void) {
    char *at = mmap(NULL, 3 * PAGE, READ_WRITE, PRIVATE, -1, 0); //#= failed mmap total 1/12288 peak 1/12288 leaks 1/12288
    char *room = unused(2);
    REQUIRE(mmap(at, PAGE, READ_WRITE, PRIVATE | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
    REQUIRE(mmap(at, PAGE, READ_WRITE, MAP_SHARED | MAP_FIXED, 999, 0) == MAP_FAILED);
    REQUIRE(mremap(at + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
    REQUIRE(mremap(room, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
    REQUIRE(mremap(at, 3 * PAGE, (size_t)1 << 60, MREMAP_MAYMOVE) == MAP_FAILED);
    REQUIRE(munmap(at + 1, PAGE) == -1 && munmap(at, 0) == -1);
}

/* One mapping over parts of three others, of which one is hidden altogether. */
static void mapped_over_three(void) {
    char *room = unused(48);
    int flags = PRIVATE | MAP_FIXED;
    for (int i = 0; i < 3; i++) {
        char *at = room + 4 * i * PAGE;
        REQUIRE(mmap(at, 4 * PAGE, READ_WRITE, flags, -1, 0) == at); //#= mapped_over_three mmap total 3/49152 peak 2/12288 leaks 2/12288
    }
    char *over = room + 2 * PAGE;
    over = mmap(over, 9 * PAGE - 7, READ_WRITE, flags, -1, 0); //#= mapped_over_three mmap total 1/36857 peak 1/36857 leaks 1/36857
    REQUIRE(over == room + 2 * PAGE);
}

/* One call for what is mapped and what is not. */
static void unmapped_with_holes(void) {
    char *at = mmap(NULL, 10 * PAGE, READ_WRITE, PRIVATE, -1, 0); //#= unmapped_with_holes mmap total 1/40960 peak 1/8192 leaks 1/8192
    REQUIRE(munmap(at + 2 * PAGE, PAGE) == 0 && munmap(at + 5 * PAGE, PAGE + 1) == 0);
    REQUIRE(munmap(at + PAGE, 8 * PAGE) == 0);
}

/* Other rights make no other mapping. */
static void protected(void) {
    char *at = mmap64(NULL, 6 * PAGE, READ_WRITE, PRIVATE, -1, 0); //#= protected mmap total 1/24576 peak 1/20480 leaks 1/20480
    REQUIRE(mprotect(at + PAGE, 2 * PAGE, PROT_READ) == 0 && madvise(at + 4 * PAGE, PAGE, MADV_DONTNEED) == 0);
    REQUIRE(munmap(at + 2 * PAGE, PAGE) == 0);
}

static void of_a_file(void) {
    int fd = memfd_create("file", 0);
    REQUIRE(fd >= 0 && ftruncate(fd, 8 * PAGE) == 0);
    char *at = mmap(NULL, 3 * PAGE - 5, PROT_READ, MAP_SHARED, fd, PAGE); //#= of_a_file mmap_shared total 1/12283 peak 1/4091 leaks 1/4091
    REQUIRE(at != MAP_FAILED && close(fd) == 0 && munmap(at, 2 * PAGE) == 0);
}

int main(void) {
    moved();
    moved_and_cut();
    moved_over_two();
    a_part_moved();
    moved_and_still_there();
    doubled();
    grown_and_shrunk();
    two_moved_as_one();
    failed();
    mapped_over_three();
    unmapped_with_holes();
    protected();
    of_a_file();
    void *peak = mmap(NULL, 1 << 30, READ_WRITE, PRIVATE | MAP_NORESERVE, -1, 0); //#= main mmap total 1/1073741824 peak 1/1073741824
    return munmap(peak, 1 << 30);
}
