/* Reaches the C library's allocators by all their names and ways. The comment at a line says what its call counts as;
   the peak comes at the end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            dprintf(2, "line %d: not %s (%s)\n", __LINE__, #condition, strerror(errno)); \
            _exit(1); \
        } \
    } while (0)

/* C23. A C library that does not have them yet is helped out. */
extern void free_sized(void *, size_t) __attribute__((weak));
extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));

static void sized(void) {
    REQUIRE(free_sized != NULL && free_aligned_sized != NULL);
    for (size_t i = 1; i <= 10; i++) {
        void *block = malloc(1000 * i); //#= sized malloc total 10/55000
        void *aligned = aligned_alloc(64, 640 * i); //#= sized aligned_alloc total 10/35200
        free_sized(block, 1000 * i);
        free_aligned_sized(aligned, 64, 640 * i);
    }
    free_sized(NULL, 0);
    free_aligned_sized(NULL, 64, 0);
    REQUIRE(malloc(11) != NULL); //#= sized malloc total 1/11 peak 1/11 leaks 1/11
}

/* The names under which glibc exports them for programs that define a malloc. */
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t), *__libc_valloc(size_t), *__libc_pvalloc(size_t);
extern void __libc_free(void *);

static void by_other_names(void) {
    void *block = __libc_malloc(1001); //#= by_other_names malloc total 1/1001
    block = __libc_realloc(block, 200002); //#= by_other_names realloc total 1/200002
    free(block);
    block = __libc_calloc(3, 1001); //#= by_other_names calloc total 1/3003
    __libc_free(block);
    block = __libc_memalign(64, 1004); //#= by_other_names memalign total 1/1004
    __libc_free(block);
    block = __libc_valloc(1005); //#= by_other_names valloc total 1/1005
    free(block);
    block = __libc_pvalloc(1006); //#= by_other_names pvalloc total 1/1006
    free(block);
    block = malloc(1007); //#= by_other_names malloc total 1/1007
    __libc_free(block);
    REQUIRE(__libc_malloc(1008) != NULL); //#= by_other_names malloc total 1/1008 peak 1/1008 leaks 1/1008
}

static void *(*mallocs[5])(size_t);
static void (*frees[5])(void *);

/* However a function was looked up, its calls count; one way frees what another one allocated. */
static void looked_up(void) {
    void *library = dlopen("libc.so.6", RTLD_LAZY), *program = dlopen(NULL, RTLD_LAZY);
    REQUIRE(library != NULL && program != NULL);
    void *where[5] = {RTLD_DEFAULT, RTLD_NEXT, program, library, NULL};
    for (int i = 0; i < 4; i++) {
        *(void **)&mallocs[i] = dlsym(where[i], "malloc");
        *(void **)&frees[i] = dlsym(where[i], "free");
    }
    mallocs[4] = malloc;
    frees[4] = free;
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 5; j++) {
            void *block = mallocs[i](100 * i + j); //#= looked_up malloc total 25/5050
            frees[j](block);
        }
        REQUIRE(mallocs[i](7000 + i) != NULL); //#= looked_up malloc total 5/35010 peak 5/35010 leaks 5/35010
    }
    void *(*map)(void *, size_t, int, int, int, off_t), *(*extend)(intptr_t);
    *(void **)&map = dlsym(library, "mmap64");
    *(void **)&extend = dlsym(library, "sbrk");
    void *at = map(NULL, 9999, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); //#= looked_up mmap total 1/9999
    REQUIRE(munmap(at, 9999) == 0);
    REQUIRE(extend(99) != (void *)-1); //#= looked_up sbrk total 1/99 peak 1/99 leaks 1/99
    /* What is not hooked is found as ever, and what is not there is not. */
    REQUIRE(dlsym(library, "strlen") == dlsym(RTLD_DEFAULT, "strlen") && dlerror() == NULL);
    REQUIRE(dlsym(library, "malloc_of_nobody") == NULL && strstr(dlerror(), "malloc_of_nobody") != NULL);
    REQUIRE(dlclose(library) == 0 && dlclose(program) == 0);
}

static void resized(void) {
    /* A compiler that sees a null would call malloc. */
    void *volatile nothing = NULL;
    void *block = realloc(nothing, 501); //#= resized realloc total 1/501
    REQUIRE(realloc(block, 0) == NULL);
    block = realloc(nothing, 0); //#= resized realloc total 1/0
    REQUIRE(block != NULL && realloc(block, 0) == NULL);
    block = reallocarray(NULL, 11, 100); //#= resized realloc total 1/1100
    block = reallocarray(block, 13, 100000); //#= resized realloc total 1/1300000
    volatile size_t huge = (size_t)1 << 40;
    REQUIRE(reallocarray(block, huge, huge) == NULL && realloc(block, huge << 20) == NULL);
    REQUIRE(reallocarray(block, 0, 100) == NULL);
    block = malloc(4000); //#= resized malloc total 1/4000
    for (size_t size = 3999; size > 3000; size--) {
        void *same = realloc(block, size); //#= resized realloc total 999/3496500 peak 1/3001 leaks 1/3001
        REQUIRE(same == block);
    }
}

static void aligned(void) {
    void *block = NULL, *before = &block;
    for (size_t alignment = 8; alignment <= 1 << 16; alignment *= 2) {
        REQUIRE(posix_memalign(&block, alignment, 3000) == 0); //#= aligned posix_memalign total 14/42000
        REQUIRE((uintptr_t)block % alignment == 0);
        free(block);
        block = memalign(alignment, 3001); //#= aligned memalign total 14/42014
        REQUIRE((uintptr_t)block % alignment == 0);
        free(block);
        block = aligned_alloc(alignment, alignment); //#= aligned aligned_alloc total 14/131064
        REQUIRE((uintptr_t)block % alignment == 0);
        free(block);
    }
    block = before;
    REQUIRE(posix_memalign(&block, 3, 100) == EINVAL && posix_memalign(&block, 64, SIZE_MAX / 2) == ENOMEM);
    REQUIRE(block == before && memalign(64, SIZE_MAX / 2) == NULL && valloc(SIZE_MAX / 2) == NULL);
    REQUIRE(valloc(3) != NULL); //#= aligned valloc total 1/3 peak 1/3 leaks 1/3
    REQUIRE(pvalloc(5000) != NULL); //#= aligned pvalloc total 1/5000 peak 1/5000 leaks 1/5000
}

/* What only asks about the heap, or tidies it up, changes no figure. */
static void asked_about(void) {
    char *block = malloc(1000001); //#= asked_about malloc total 1/1000001 peak 1/1000001 leaks 1/1000001
    REQUIRE(malloc_usable_size(block) >= 1000001 && malloc_usable_size(NULL) == 0);
    memset(block, 'x', malloc_usable_size(block));
    malloc_trim(0);
    REQUIRE(mallopt(M_MXFAST, 64) == 1 && mallinfo2().uordblks > 0);
    malloc_trim(1 << 20);
}

int main(void) {
    /* memprof's own lookups have left no error. */
    REQUIRE(dlerror() == NULL);
    sized();
    by_other_names();
    looked_up();
    resized();
    aligned();
    asked_about();
    void *peak = malloc(1 << 30); //#= main malloc total 1/1073741824 peak 1/1073741824
    free(peak);
    return 0;
}
