/* Loads libraries in all ways and lets them allocate. Compiled as the libraries, too:
   - `OUTER`: loads `libinner.so` by that name alone, which only its own RUNPATH can find;
   - `INNER`: allocates. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef INNER
/* Blocks of all kinds, by the C library that this library is bound to. */
int blocks(int count, int size) {
    for (int i = 0; i < count; i++) {
        char *block = valloc(size);
        if (block == NULL) return 0;
        memset(block, 1, size);
        free(block);
        free(realloc(strdup("text"), 10000));
    }
    return count;
}

/* One that another library frees. */
void *block(void) { return malloc(70000); }
#elif defined(OUTER)
void *inner(int mode) { return dlopen("libinner.so", mode); }
#else
static const char *program;

static void *library(const char *name, int mode) {
    char path[4096];
    const char *slash = strrchr(program, '/');
    snprintf(path, sizeof path, "%.*s/%s", (int)(slash - program), program, name);
    void *handle = dlopen(path, mode);
    if (handle == NULL) printf("%s\n", strstr(dlerror(), name));
    return handle;
}

static int use(void *handle, int size) {
    int (*blocks)(int, int) = handle ? dlsym(handle, "blocks") : NULL;
    return blocks ? blocks(100, size) : -1;
}

int main(int count, char **arguments) {
    program = arguments[0];
    setvbuf(stdout, NULL, _IOLBF, 0);
    void *outer = library("libouter.so", RTLD_NOW);
    void *(*inner)(int) = dlsym(outer, "inner");
    /* The program itself has no RUNPATH. */
    printf("by no RUNPATH: %d\n", dlopen("libinner.so", RTLD_NOW) != NULL);
    void *handle = inner(RTLD_NOW | RTLD_LOCAL);
    printf("by the library's RUNPATH: %d\n", use(handle, 4001));
    printf("closed: %d\n", dlclose(handle));
    printf("gone: %d\n", inner(RTLD_NOW | RTLD_NOLOAD) != NULL);

    handle = inner(RTLD_NOW | RTLD_DEEPBIND);
    printf("bound to itself first: %d\n", use(handle, 4002));
    void *(*block)(void) = dlsym(handle, "block");
    free(block());
    printf("closed: %d\n", dlclose(handle));

    /* A world of its own, with a C library of its own. */
    char path[4096];
    snprintf(path, sizeof path, "%.*s/libinner.so", (int)(strrchr(program, '/') - program), program);
    handle = dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
    printf("in another namespace: %d\n", use(handle, 4003));
    printf("closed: %d\n", dlclose(handle));

    printf("missing: %d\n", library("libmissing.so", RTLD_NOW) != NULL);
    for (int i = 0; i < 50; i++) {
        handle = inner(RTLD_NOW);
        if (use(handle, 4004) != 100 || dlclose(handle) != 0) return 1;
    }
    return 6;
}
#endif
