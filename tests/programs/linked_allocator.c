/* A toy: blocks are cut from mappings and never used again. A block has room for twice what was asked for. */
#define _GNU_SOURCE
#include "linked_allocator.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA (4u << 20)

struct block {
    size_t size, room;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t thread_end;
static char *arena, *arena_end;

static char *mapping(size_t bytes) {
    char *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start != MAP_FAILED)
        return start;
    /* The real one has many such texts. */
    fputs("<jemalloc>: no memory\n", stderr);
    return NULL;
}

/* What the allocator needs for itself, before the program starts and whenever a thread ends. */
void own(je_tsd_cleanup)(void *of_thread) {
    char *own_memory = mapping(123456);
    munmap(own_memory, 123456);
    (void)of_thread;
}

__attribute__((constructor)) static void jemalloc_constructor(void) {
    pthread_key_create(&thread_end, own(je_tsd_cleanup));
    arena = mapping(ARENA);
    arena_end = arena + ARENA;
}

__attribute__((destructor)) static void end(void) { pthread_key_delete(thread_end); }

static void *cut(size_t alignment, size_t size) {
    size_t room = 2 * size + 16;
    if (room > ARENA / 2)
        return NULL;
    pthread_setspecific(thread_end, &lock);
    pthread_mutex_lock(&lock);
    if (!arena || room + alignment + sizeof(struct block) > (size_t)(arena_end - arena)) {
        arena = mapping(ARENA);
        arena_end = arena + ARENA;
    }
    uintptr_t start = ((uintptr_t)arena + sizeof(struct block) + alignment - 1) & ~(alignment - 1);
    arena = (char *)start + room;
    pthread_mutex_unlock(&lock);
    struct block *head = (struct block *)start - 1;
    head->size = size;
    head->room = room;
    return head + 1;
}

void *own(malloc)(size_t size) { return cut(16, size); }

void *own(calloc)(size_t count, size_t size) {
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : own(malloc)(bytes);
}

void own(free)(void *block) {
    if (block)
        memset(block, 0xdd, ((struct block *)block - 1)->room);
}

void *own(realloc)(void *old, size_t size) {
    if (!old)
        return own(malloc)(size);
    struct block *head = (struct block *)old - 1;
    if (size <= head->room) {
        head->size = size;
        return old;
    }
    void *new = own(malloc)(size);
    if (new) {
        memcpy(new, old, head->size);
        own(free)(old);
    }
    return new;
}

void *own(aligned_alloc)(size_t alignment, size_t size) { return cut(alignment < 16 ? 16 : alignment, size); }

int own(posix_memalign)(void **out, size_t alignment, size_t size) {
    void *block = own(aligned_alloc)(alignment, size);
    if (!block)
        return ENOMEM;
    *out = block;
    return 0;
}

void *own(mallocx)(size_t size, int flags) { return own(aligned_alloc)((size_t)1 << (flags & 63), size); }
void *own(rallocx)(void *old, size_t size, int flags) { return own(realloc)(old, size); }
void own(dallocx)(void *block, int flags) { own(free)(block); }
void own(sdallocx)(void *block, size_t size, int flags) { own(dallocx)(block, flags); }

size_t own(xallocx)(void *block, size_t size, size_t extra, int flags) {
    struct block *head = (struct block *)block - 1;
    if (size <= head->room)
        head->size = size + extra <= head->room ? size + extra : head->room;
    return head->size;
}
