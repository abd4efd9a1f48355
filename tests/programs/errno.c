/* Calls every function that memprof hooks with errno set, and says what it is afterwards: when they succeed
   and when they fail, as a thread's first event, from stacks that were never seen, and while chunks run full. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PRESET = 4711, PAGE = 4096, MANY = 1500 };

static void *kept;
static void *mapping(size_t size) {
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void *nothing(void *argument) { return argument; }

/* A call is the part that counts, between what makes ready and what cleans up. Each returns whether the result is what it
   must be; errno is PRESET when it begins. */
struct call {
    const char *name;
    void (*before)(void);
    int (*call)(void);
    void (*after)(void);
    int error;
};

static void none(void) {}
static void have_block(void) { kept = malloc(100); }
static void have_mapping(void) { kept = mapping(4 * PAGE); }
static void free_kept(void) { free(kept); }
static void unmap_kept(void) { munmap(kept, 4 * PAGE); }

static int aligned(void *block, size_t alignment, size_t size) {
    kept = block;
    return block != NULL && (uintptr_t)block % alignment == 0 && malloc_usable_size(block) >= size;
}
static int call_malloc(void) { return aligned(malloc(33), 16, 33); }
static int call_malloc_large(void) { return aligned(malloc(300 * 1024), 16, 300 * 1024); }
static int call_calloc(void) { return aligned(calloc(3, 7), 16, 21) && !((char *)kept)[20]; }
static int call_realloc_null(void) { return aligned(realloc(NULL, 40), 16, 40); }
static int call_realloc_grow(void) { return aligned(realloc(kept, 70000), 16, 70000); }
static int call_realloc_shrink(void) { return aligned(realloc(kept, 20), 16, 20); }
static int call_realloc_zero(void) {
    void *volatile block = realloc(kept, 0);
    kept = NULL;
    return block == NULL;
}
static int call_reallocarray(void) { return aligned(reallocarray(kept, 50, 60), 16, 3000); }
static int call_posix_memalign(void) {
    void *block = NULL;
    return posix_memalign(&block, 256, 10) == 0 && aligned(block, 256, 10);
}
static int call_aligned_alloc(void) { return aligned(aligned_alloc(128, 256), 128, 256); }
static int call_memalign(void) { return aligned(memalign(1024, 10), 1024, 10); }
static int call_valloc(void) { return aligned(valloc(10), PAGE, 10); }
static int call_pvalloc(void) { return aligned(pvalloc(10), PAGE, PAGE); }
static int call_free(void) { free(kept); return 1; }
static int call_free_null(void) { free(NULL); return 1; }
static int call_usable_size(void) { return malloc_usable_size(kept) >= 100; }
static int call_mmap(void) { return (kept = mapping(4 * PAGE)) != MAP_FAILED; }
static int call_mmap64(void) {
    kept = mmap64(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return kept != MAP_FAILED;
}
static int call_munmap(void) { return munmap(kept, 4 * PAGE) == 0; }
static int call_mremap(void) { return (kept = mremap(kept, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE)) != MAP_FAILED; }
static int call_sbrk(void) { return sbrk(0) != (void *)-1; }

static volatile size_t huge = SIZE_MAX / 2;
static int fail_malloc(void) { return malloc(huge) == NULL; }
static int fail_calloc(void) { return calloc(huge, 4) == NULL; }
static int fail_realloc(void) { return realloc(kept, huge) == NULL && malloc_usable_size(kept) >= 100; }
static int fail_reallocarray(void) { return reallocarray(kept, huge, 4) == NULL; }
static int fail_posix_memalign(void) {
    void *out = &out;
    return posix_memalign(&out, 3, 8) == EINVAL && posix_memalign(&out, 64, huge) == ENOMEM && out == &out;
}
static int fail_aligned_alloc(void) { return aligned_alloc(64, huge) == NULL; }
static int fail_memalign(void) { return memalign(64, huge) == NULL; }
static int fail_valloc(void) { return valloc(huge) == NULL; }
static int fail_pvalloc(void) { return pvalloc(huge) == NULL; }
static int fail_mmap(void) { return mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED; }
static int fail_munmap(void) { return munmap((void *)1, 1) == -1; }
static int fail_mremap(void) { return mremap((void *)PAGE, PAGE, 2 * PAGE, 0) == MAP_FAILED; }
static int fail_pthread_create(void) {
    /* More address space than there is. */
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)1 << 56);
    errno = PRESET;
    return pthread_create(&thread, &attributes, nothing, NULL) == EAGAIN;
}

static const struct call calls[] = {
    {"malloc", none, call_malloc, free_kept, PRESET},
    {"malloc of much", none, call_malloc_large, free_kept, PRESET},
    {"calloc", none, call_calloc, free_kept, PRESET},
    {"realloc of nothing", none, call_realloc_null, free_kept, PRESET},
    {"realloc that grows", have_block, call_realloc_grow, free_kept, PRESET},
    {"realloc that shrinks", have_block, call_realloc_shrink, free_kept, PRESET},
    {"realloc to nothing", have_block, call_realloc_zero, free_kept, PRESET},
    {"reallocarray", have_block, call_reallocarray, free_kept, PRESET},
    {"posix_memalign", none, call_posix_memalign, free_kept, PRESET},
    {"aligned_alloc", none, call_aligned_alloc, free_kept, PRESET},
    {"memalign", none, call_memalign, free_kept, PRESET},
    {"valloc", none, call_valloc, free_kept, PRESET},
    {"pvalloc", none, call_pvalloc, free_kept, PRESET},
    {"free", have_block, call_free, none, PRESET},
    {"free of nothing", none, call_free_null, none, PRESET},
    {"malloc_usable_size", have_block, call_usable_size, free_kept, PRESET},
    {"mmap", none, call_mmap, unmap_kept, PRESET},
    {"mmap64", none, call_mmap64, unmap_kept, PRESET},
    {"munmap", have_mapping, call_munmap, none, PRESET},
    {"mremap", have_mapping, call_mremap, unmap_kept, PRESET},
    {"sbrk", none, call_sbrk, none, PRESET},
    {"malloc fails", none, fail_malloc, none, ENOMEM},
    {"calloc fails", none, fail_calloc, none, ENOMEM},
    {"realloc fails", have_block, fail_realloc, free_kept, ENOMEM},
    {"reallocarray fails", have_block, fail_reallocarray, free_kept, ENOMEM},
    {"posix_memalign fails", none, fail_posix_memalign, none, PRESET},
    {"aligned_alloc fails", none, fail_aligned_alloc, none, ENOMEM},
    {"memalign fails", none, fail_memalign, none, ENOMEM},
    {"valloc fails", none, fail_valloc, none, ENOMEM},
    {"pvalloc fails", none, fail_pvalloc, none, ENOMEM},
    {"mmap fails", none, fail_mmap, none, EINVAL},
    {"munmap fails", none, fail_munmap, none, EINVAL},
    {"mremap fails", none, fail_mremap, none, EFAULT},
    {"pthread_create fails", none, fail_pthread_create, none, ENOMEM},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

static int failures;
static void make(const struct call *call, const char *where) {
    call->before();
    errno = PRESET;
    int right = call->call(), error = errno;
    call->after();
    /* What glibc itself does to errno counts where it does so without memprof as well: posix_memalign's failures. */
    if (strcmp(call->name, "posix_memalign fails") == 0) error = PRESET;
    if (!right || error != call->error) {
        printf("%s, %s: %s, errno %d\n", call->name, where, right ? "right" : "wrong", error);
        failures++;
    }
}

/* The call is the thread's first event, where it needs nothing made ready. */
static void *in_thread(void *call) {
    make(call, "first of a thread");
    return NULL;
}

/* Each depth is another stack. */
static void __attribute__((noinline)) in_depth(const struct call *call, int depth) {
    if (depth > 0) in_depth(call, depth - 1);
    make(call, "at a new depth");
}

int main(void) {
    for (int i = 0; i < CALLS; i++) {
        make(&calls[i], "first");
        in_depth(&calls[i], 30);
        for (int n = 0; n < MANY; n++) make(&calls[i], "again and again");
    }
    for (int i = 0; i < CALLS; i++) {
        pthread_t thread;
        errno = PRESET;
        int status = pthread_create(&thread, NULL, in_thread, (void *)&calls[i]), error = errno;
        if (status != 0 || error != PRESET) printf("pthread_create: %d, errno %d\n", status, error), failures++;
        pthread_join(thread, NULL);
    }
    errno = PRESET;
    void *library = dlopen("libm.so.6", RTLD_NOW);
    int closed = library == NULL ? -1 : dlclose(library);
    if (closed != 0 || errno != PRESET) printf("dlopen and dlclose: %d, errno %d\n", closed, errno), failures++;
    printf("failures %d\n", failures);
    return failures == 0 ? 0 : 1;
}
