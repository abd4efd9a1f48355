/* A library for native_stress.c, which allocates while it is loaded, used and unloaded. */
#include <stdlib.h>

static void *block;
__attribute__((constructor)) static void load(void) { block = malloc(5000); }
__attribute__((destructor)) static void unload(void) { free(block); }

int exported(void) {
    block = realloc(block, 9000);
    return block == NULL;
}
