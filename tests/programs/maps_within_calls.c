/* An allocator to be preloaded that maps each block's pages in the middle of the call, as jemalloc and mimalloc do, and
   unmaps them when the program says so, outside of all calls. Of the C library's it replaces what nobody else calls, and `free`.
   With `MAIN`, a program for it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, BLOCK = 2 * PAGE, MOST = 300 };

#ifndef MAIN
struct pages {
    char *start;
    int used;
};
static __thread struct pages cache[MOST];
static __thread int cached;

void *memalign(size_t alignment, size_t size) {
    if (alignment != PAGE || size != BLOCK || cached == MOST) abort();
    /* What it does not need it unmaps at once. */
    char *mapped = mmap(NULL, BLOCK + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED || munmap(mapped, PAGE) != 0 || munmap(mapped + PAGE + BLOCK, PAGE) != 0) abort();
    cache[cached++] = (struct pages){mapped + PAGE, 1};
    return mapped + PAGE;
}

void free(void *block) {
    static void (*real)(void *);
    for (int i = 0; i < cached; i++) {
        if (cache[i].start == block) {
            cache[i].used = 0;
            return;
        }
    }
    if (real == NULL) real = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    real(block);
}

/* Unmaps what this thread does not use, but for the last one, which it returns. */
void *unmap_unused(void) {
    while (cached > 1) {
        if (cache[--cached].used || munmap(cache[cached].start, BLOCK) != 0) abort();
    }
    return cached-- == 1 ? cache[0].start : NULL;
}
#else
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>

static void *map(void *at, int flags) {
    return mmap(at, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void *work(void *unmap_unused) {
    for (int i = 0; i < 250; i++) {
        char *block = memset(memalign(PAGE, BLOCK), 1, BLOCK);
        free(block);
    }
    void *last = ((void *(*)(void))unmap_unused)();
    /* The program's own mappings, one of them in the place of the allocator's. */
    void *replaced = map(last, MAP_FIXED);
    if (replaced != last || munmap(replaced, BLOCK) != 0) abort();
    for (int i = 0; i < 50; i++) {
        void *mapped = map(NULL, 0);
        if (mapped == MAP_FAILED || munmap(mapped, BLOCK) != 0) abort();
    }
    return NULL;
}

int main(void) {
    pthread_t threads[4];
    void *unmap_unused = dlsym(RTLD_DEFAULT, "unmap_unused");
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, unmap_unused);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    puts("done");
    return 0;
}
#endif
