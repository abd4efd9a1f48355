/* A library that comes before malloc and free, and looks for the real ones when it is first called. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

static void *(*real_malloc)(size_t);
static void (*real_free)(void *);

void *malloc(size_t size) {
    if (real_malloc == NULL) *(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
    return real_malloc(size);
}

void free(void *block) {
    if (real_free == NULL) *(void **)&real_free = dlsym(RTLD_NEXT, "free");
    real_free(block);
}
