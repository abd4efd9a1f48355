/* An allocator to be preloaded that signal handlers may use, whatever they interrupt, and that may be left by longjmp
   anywhere: without locks, each place is one bit. Unlike own_allocator.c, it uses memory again. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, KINDS = 6, BITS = 64 };

/* Places of one size. All of them are aligned to their size, up to a page. */
struct kind {
    size_t size, words, start;
    uint64_t *taken;
};

#define KIND(bytes, count, before) {bytes, (count) / BITS, before, (uint64_t[(count) / BITS]){0}}
static struct kind kinds[KINDS] = {
    KIND(64, 1 << 19, 0),
    KIND(256, 1 << 17, 32 << 20),
    KIND(1024, 1 << 15, 64 << 20),
    KIND(4096, 1 << 14, 96 << 20),
    KIND(16384, 1 << 13, 160 << 20),
    KIND(262144, 1 << 10, 288 << 20),
};
enum { ROOM = 544 << 20 };
static char room[ROOM] __attribute__((aligned(PAGE)));
/* Where each thread begins to look. */
static __thread unsigned turn __attribute__((tls_model("initial-exec")));

static void *take(struct kind *kind) {
    for (size_t tried = 0; tried < kind->words; tried++) {
        size_t word = (turn + tried) % kind->words;
        uint64_t taken = __atomic_load_n(&kind->taken[word], __ATOMIC_RELAXED);
        while (~taken) {
            int bit = __builtin_ctzll(~taken);
            taken = __atomic_fetch_or(&kind->taken[word], 1ull << bit, __ATOMIC_ACQ_REL);
            if (!(taken >> bit & 1)) {
                turn = word;
                return room + kind->start + (word * BITS + bit) * kind->size;
            }
        }
    }
    return NULL;
}

static void *get(size_t alignment, size_t size) {
    size_t needed = size > alignment ? size : alignment;
    for (int i = 0; i < KINDS; i++) {
        void *block = needed <= kinds[i].size && alignment <= PAGE ? take(&kinds[i]) : NULL;
        if (block != NULL) return block;
    }
    /* The size is on the page before. */
    size_t whole = (size + 2 * PAGE - 1) & ~(size_t)(PAGE - 1);
    char *mapped = mmap(NULL, whole + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        errno = ENOMEM;
        return NULL;
    }
    *(size_t *)mapped = size;
    return mapped + PAGE;
}

static struct kind *kind_of(void *block) {
    size_t at = (size_t)((char *)block - room);
    int i = KINDS - 1;
    if (at >= ROOM) return NULL;
    while (at < kinds[i].start) i--;
    return &kinds[i];
}

size_t malloc_usable_size(void *block) {
    if (block == NULL) return 0;
    struct kind *kind = kind_of(block);
    return kind == NULL ? *(size_t *)((char *)block - PAGE) : kind->size;
}

void free(void *block) {
    if (block == NULL) return;
    struct kind *kind = kind_of(block);
    if (kind == NULL) {
        size_t *mapped = (size_t *)((char *)block - PAGE);
        munmap(mapped, ((*mapped + 2 * PAGE - 1) & ~(size_t)(PAGE - 1)) + PAGE);
        return;
    }
    size_t place = ((size_t)((char *)block - room) - kind->start) / kind->size;
    __atomic_fetch_and(&kind->taken[place / BITS], ~(1ull << place % BITS), __ATOMIC_ACQ_REL);
}

void *malloc(size_t size) { return get(16, size); }
void *calloc(size_t count, size_t size) {
    void *block = get(16, count * size);
    return block == NULL ? NULL : memset(block, 0, count * size);
}
void *realloc(void *old, size_t size) {
    void *block = get(16, size);
    size_t before = malloc_usable_size(old);
    if (block == NULL || old == NULL) return block;
    memcpy(block, old, before < size ? before : size);
    free(old);
    return block;
}
int posix_memalign(void **out, size_t alignment, size_t size) {
    *out = get(alignment, size);
    return *out == NULL ? ENOMEM : 0;
}
void *aligned_alloc(size_t alignment, size_t size) { return get(alignment, size); }
void *memalign(size_t alignment, size_t size) { return get(alignment, size); }
void *valloc(size_t size) { return get(PAGE, size); }
void *pvalloc(size_t size) { return get(PAGE, (size + PAGE - 1) & ~(size_t)(PAGE - 1)); }
