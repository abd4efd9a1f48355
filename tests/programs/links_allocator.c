/* Uses the allocator that is linked into it. Comments at lines say what that is in all, at the peak, and at the end:
   see tests/linked_allocators.rs. */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linked_allocator.h"

static void *kept[16];

static __attribute__((noinline)) void plain(void) {
    kept[0] = own(malloc)(10001);      /*= plain 1/10001 1/10001 */
    void *block = own(malloc)(10002);  /*= plain 1/10002 0/0 */
    own(free)(block);
    own(free)(NULL);
    assert(!own(malloc)(1ul << 40));
}

static __attribute__((noinline)) void counted(void) {
    kept[1] = own(calloc)(7, 1003); /*= counted 1/7021 1/7021 */
    assert(!own(calloc)(1ul << 40, 1ul << 40));
}

static __attribute__((noinline)) void resized(void) {
    char *block = own(realloc)(NULL, 20001);    /*= resized 1/20001 0/0 */
    memset(block, 7, 20001);
    char *same = own(realloc)(block, 20002);    /*= resized 1/20002 0/0 */
    assert(same == block);
    char *other = own(realloc)(same, 200003);   /*= resized 1/200003 1/200003 */
    assert(other != block && other[20000] == 7);
    assert(!own(realloc)(other, 1ul << 40));
    kept[2] = other;
}

static __attribute__((noinline)) void aligned(void) {
    assert(!own(posix_memalign)(&kept[3], 4096, 30001)); /*= aligned 1/30001 1/30001 */
    kept[4] = own(aligned_alloc)(512, 30002);            /*= aligned 1/30002 1/30002 */
    void *untouched = kept;
    assert(own(posix_memalign)(&untouched, 4096, 1ul << 40) && untouched == kept);
    assert((size_t)kept[3] % 4096 == 0 && (size_t)kept[4] % 512 == 0);
}

static __attribute__((noinline)) void extended(void) {
    void *block = own(mallocx)(40001, 6);                /*= extended 1/40001 0/0 */
    assert((size_t)block % 64 == 0);
    assert(own(xallocx)(block, 40003, 100, 0) == 40103); /*= extended 1/40103 0/0 */
    assert(own(xallocx)(block, 1ul << 40, 0, 0) < 1ul << 40);
    block = own(rallocx)(block, 400001, 0);              /*= extended 1/400001 0/0 */
    own(sdallocx)(block, 400001, 0);
    block = own(mallocx)(40005, 0);                      /*= extended 1/40005 0/0 */
    own(dallocx)(block, 0);
}

static void *works(void *unused) {
    for (int i = 0; i < 1000; i++) {
        char *block = own(malloc)(501); /*= works 4000/2004000 0/0 */
        block[500] = i;
        own(free)(block);
    }
    return unused;
}

static __attribute__((noinline)) void threads(void) {
    pthread_t workers[4];
    for (int i = 0; i < 4; i++)
        assert(!pthread_create(&workers[i], NULL, works, NULL));
    for (int i = 0; i < 4; i++)
        assert(!pthread_join(workers[i], NULL));
}

static __attribute__((noinline)) void others(void) {
    kept[5] = malloc(60001);
    free(malloc(60002));
}

/* The first bytes of the allocator, as they are in memory */
static void print_code(void) {
    const unsigned char *code = (const unsigned char *)own(malloc);
    for (int i = 0; i < 8; i++)
        printf("%02x", code[i]);
    puts("");
}

int main(int count, char **arguments) {
    if (count > 1) {
        print_code();
        return 0;
    }
    plain();
    counted();
    resized();
    aligned();
    extended();
    threads();
    others();
    return 0;
}
