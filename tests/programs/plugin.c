/* A library that allocates while it is being loaded and unloaded: C++ does that for its global objects. The
   loader itself never calls memalign. */
#include <malloc.h>
#include <stdlib.h>

static void *block;
__attribute__((constructor)) static void load(void) { block = memalign(16, 50000003); }
__attribute__((destructor)) static void unload(void) { free(block); }
