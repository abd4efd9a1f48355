/* An allocator of one file, with the names that jemalloc has when it is linked into a Rust program. */
#ifndef LINKED_ALLOCATOR_H
#define LINKED_ALLOCATOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the names begin with */
#ifndef PREFIX
#define PREFIX _rjem_
#endif
#define JOINED(a, b) a##b
#define NAMED(a, b) JOINED(a, b)
#define own(name) NAMED(PREFIX, name)

void *own(malloc)(size_t size);
void *own(calloc)(size_t count, size_t size);
void *own(realloc)(void *old, size_t size);
void own(free)(void *block);
int own(posix_memalign)(void **out, size_t alignment, size_t size);
void *own(aligned_alloc)(size_t alignment, size_t size);
void *own(mallocx)(size_t size, int flags);
void *own(rallocx)(void *old, size_t size, int flags);
size_t own(xallocx)(void *block, size_t size, size_t extra, int flags);
void own(dallocx)(void *block, int flags);
void own(sdallocx)(void *block, size_t size, int flags);

#ifdef __cplusplus
}
#endif

#endif
