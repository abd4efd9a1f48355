/* A library for native_stress.c, which allocates while it is loaded, used and unloaded. */
#include <stdlib.h>

static void *block;
__attribute__((constructor)) static void load(void) { block = malloc(5000); }
__attribute__((destructor)) static void unload(void) { free(block); }

/* Several threads may be here at a time: each has the block for itself meanwhile. */
int exported(void) {
    void *larger = realloc(__atomic_exchange_n(&block, NULL, __ATOMIC_ACQ_REL), 9000);
    if (larger == NULL) return 1;
    free(__atomic_exchange_n(&block, larger, __ATOMIC_ACQ_REL));
    return 0;
}
