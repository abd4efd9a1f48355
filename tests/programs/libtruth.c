/* Calls the C library's allocators for the test programs, each through a function of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

void *truth_malloc(size_t size) { return malloc(size); }
void *truth_calloc(size_t count, size_t size) { return calloc(count, size); }
void *truth_realloc(void *block, size_t size) { return realloc(block, size); }
void *truth_reallocarray(void *block, size_t count, size_t size) { return reallocarray(block, count, size); }
void *truth_aligned_alloc(size_t alignment, size_t size) { return aligned_alloc(alignment, size); }
void *truth_memalign(size_t alignment, size_t size) { return memalign(alignment, size); }
void *truth_valloc(size_t size) { return valloc(size); }
void *truth_pvalloc(size_t size) { return pvalloc(size); }
void truth_free(void *block) { free(block); }

void *truth_posix_memalign(size_t alignment, size_t size) {
    void *block = NULL;
    errno = posix_memalign(&block, alignment, size);
    return block;
}

static void *checked(void *mapping) { return mapping == MAP_FAILED ? NULL : mapping; }

enum { READ_WRITE = PROT_READ | PROT_WRITE, ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS };
void *truth_mmap(size_t size) { return checked(mmap(NULL, size, READ_WRITE, ANONYMOUS, -1, 0)); }
void *truth_mmap64(size_t size) { return checked(mmap64(NULL, size, READ_WRITE, ANONYMOUS, -1, 0)); }
void *truth_mmap_fixed(void *at, size_t size) {
    return checked(mmap(at, size, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0));
}
int truth_munmap(void *mapping, size_t size) { return munmap(mapping, size); }
void *truth_mremap(void *mapping, size_t old, size_t size) {
    return checked(mremap(mapping, old, size, MREMAP_MAYMOVE));
}
void *truth_mremap_fixed(void *mapping, size_t old, size_t size, void *at) {
    return checked(mremap(mapping, old, size, MREMAP_MAYMOVE | MREMAP_FIXED, at));
}

/* Several mappings of `pages` pages that lie next to each other, made by one call of mmap each. */
void *truth_adjacent_mappings(size_t count, size_t pages) {
    size_t size = pages * PAGE;
    char *room = mmap(NULL, count * size, PROT_READ | PROT_WRITE, ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return NULL;
    for (size_t i = 0; i < count; i++) {
        if (truth_mmap_fixed(room + i * size, size) == NULL) return NULL;
    }
    return room;
}

/* Says to Python that the allocation has been made, while the calling frame still waits for it. No two in a row are equal
   in size, and each is larger than what the interpreter may allocate at the same place. */
static void (*witness)(size_t);
void truth_set_witness(void (*function)(size_t)) { witness = function; }
void truth_witnessed(void) {
    static size_t calls;
    size_t call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    size_t size = (call % 61 + 1) * (16 << 20) + call;
    void *block = valloc(size); /* @witnessed */
    if (block == NULL) abort();
    witness(size);
    free(block);
}

/* A thread that Python knows nothing of allocates `count` blocks and frees all but one of them. */
struct order { size_t count, size; };
static void *work(void *argument) {
    const struct order *order = argument;
    void *kept = NULL;
    for (size_t i = 0; i < order->count; i++) {
        free(kept);
        kept = memalign(64, order->size);
    }
    return kept;
}
int truth_thread(size_t count, size_t size) {
    struct order order = {count, size};
    pthread_t thread;
    return pthread_create(&thread, NULL, work, &order) || pthread_join(thread, NULL);
}

/* As many threads as asked for, all alive at once; each allocates once and frees it. */
static pthread_barrier_t all_alive;
static void *live(void *argument) {
    void *block = memalign(128, (size_t)(uintptr_t)argument);
    pthread_barrier_wait(&all_alive);
    free(block);
    return NULL;
}
int truth_crowd(size_t threads, size_t size) {
    pthread_t *all = calloc(threads, sizeof *all);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    pthread_barrier_init(&all_alive, NULL, threads);
    for (size_t i = 0; i < threads; i++) {
        if (pthread_create(&all[i], &small, live, (void *)(uintptr_t)size)) return 1;
    }
    for (size_t i = 0; i < threads; i++) pthread_join(all[i], NULL);
    free(all);
    return 0;
}
