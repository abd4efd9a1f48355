/* A library with an allocator of its own, which it uses as soon as it is loaded. */
#include "linked_allocator.h"

static void *first;

__attribute__((constructor)) static void constructor(void) { first = own(malloc)(50001); }

__attribute__((destructor)) static void destructor(void) { own(free)(first); }

__attribute__((visibility("default"))) void *allocate(size_t size) { return own(malloc)(size); }

__attribute__((visibility("default"))) void release(void *block) { own(free)(block); }
