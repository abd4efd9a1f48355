/* A malloc of the program's own, which allocates one block after the other. Nothing goes back.

   TIGHT: `free` is one instruction, and no room after it. STUBBORN: likewise, and it does something. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static char memory[64 << 20];
static size_t used;

void *malloc(size_t size) {
    char *block = __sync_fetch_and_add(&used, (size + 31) & ~15ul) + memory;
    *(size_t *)block = size;
    return block + 16;
}

#if defined TIGHT
__asm__(".globl free\n.type free, @function\nfree: ret\n.size free, 1\nhlt\nhlt\nhlt\nhlt\nhlt");
void free(void *block);
#elif defined STUBBORN
__asm__(".globl free\n.type free, @function\nfree: cld\nret\n.size free, 2\nhlt\nhlt\nhlt\nhlt\nhlt");
void free(void *block);
#else
void free(void *block) {
    (void)block;
}
#endif

void *calloc(size_t count, size_t size) {
    return memset(malloc(count * size), 0, count * size);
}

void *realloc(void *old, size_t size) {
    void *new = malloc(size);
    if (old) {
        size_t before = ((size_t *)old)[-2];
        memcpy(new, old, before < size ? before : size);
    }
    return new;
}

int main(void) {
    void *volatile kept;
    for (int i = 0; i < 1000; i++) kept = malloc(1000);
    free(kept);
    printf("%d\n", kept != NULL);
    return 3;
}
