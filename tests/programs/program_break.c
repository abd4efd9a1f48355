/* Moves the end of the data segment, as old allocators do. The C library's own malloc lives there as well: what it takes
   is counted as the blocks that it allocates. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            dprintf(2, "line %d: not %s (%s)\n", __LINE__, #condition, strerror(errno)); \
            _exit(1); \
        } \
    } while (0)

static char *end(void) { return sbrk(0); }

static void by_pages(void) {
    char *first = sbrk(4 * PAGE); //#= by_pages sbrk total 1/16384 peak 1/16384 leaks 1/16384
    REQUIRE(end() == first + 4 * PAGE);
    sbrk(2 * PAGE); //#= by_pages sbrk total 1/8192 peak 1/4096 leaks 1/4096
    REQUIRE(sbrk(-PAGE) == first + 6 * PAGE && end() == first + 5 * PAGE);
}

/* Many ends lie in one page. */
static void by_bytes(void) {
    char *first = end();
    for (int i = 1; i <= 300; i++) {
        REQUIRE(sbrk(i) != (void *)-1); //#= by_bytes sbrk total 300/45150 peak 200/20100 leaks 200/20100
    }
    REQUIRE(end() == first + 45150);
    /* The sizes from 201 to 300, at once. */
    REQUIRE(sbrk(-25050) != (void *)-1 && end() == first + 20100);
}

static void some_of_it_again(void) {
    char *first = sbrk(1000); //#= some_of_it_again sbrk total 1/1000 peak 1/900 leaks 1/900
    sbrk(-100);
    sbrk(30); //#= some_of_it_again sbrk total 1/30 peak 1/29 leaks 1/29
    sbrk(-1);
    REQUIRE(end() == first + 929);
}

static void all_of_it(void) {
    char *first = sbrk(777); //#= all_of_it sbrk total 1/777
    sbrk(3 * PAGE); //#= all_of_it sbrk total 1/12288
    sbrk(1); //#= all_of_it sbrk total 1/1
    sbrk(-778 - 3 * PAGE);
    REQUIRE(end() == first);
}

static void to_an_address(void) {
    char *first = end();
    REQUIRE(brk(first + 10000) == 0); //#= to_an_address sbrk total 1/10000 peak 1/6001 leaks 1/6001
    REQUIRE(brk(first + 6001) == 0);
    REQUIRE(brk(first + 6001) == 0);
    REQUIRE(brk(first + 7002) == 0); //#= to_an_address sbrk total 1/1001 peak 1/1001 leaks 1/1001
    REQUIRE(end() == first + 7002);
}

static void failed(void) {
    char *first = end();
    REQUIRE(sbrk(INTPTR_MAX) == (void *)-1 && brk((void *)(uintptr_t)(1ull << 60)) == -1);
    REQUIRE(end() == first);
}

/* malloc continues after the program's own memory. */
static void beside_malloc(void) {
    static void *blocks[1000];
    for (int i = 0; i < 1000; i++) {
        blocks[i] = malloc(3000); //#= beside_malloc malloc total 1000/3000000 peak 1000/3000000
        REQUIRE(blocks[i] != NULL);
        if (i % 100 == 50) {
            REQUIRE(sbrk(10) != (void *)-1); //#= beside_malloc sbrk total 10/100 peak 10/100 leaks 10/100
        }
    }
    void *peak = mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); //#= beside_malloc mmap total 1/1073741824 peak 1/1073741824
    REQUIRE(munmap(peak, 1 << 30) == 0);
    for (int i = 0; i < 1000; i++) free(blocks[i]);
}

int main(void) {
    by_pages();
    by_bytes();
    some_of_it_again();
    all_of_it();
    to_an_address();
    failed();
    beside_malloc();
    return 0;
}
