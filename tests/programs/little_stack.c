/* Threads that allocate where their stack is about to end, a few bytes further each time: their first block, or a later one.

   Arguments: `first` or `later`, the least number of bytes that is left, the greatest, and the step. */
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, ROOM = 64 * 1024 };

static int later;
static char *stack;

__attribute__((noinline)) static void early(void) {
    void *volatile block = malloc(20);
    free(block);
}

__attribute__((noinline)) static void late(void) {
    void *volatile block = malloc(10);
    free(block);
}

static void *dive(void *left) {
    if (later) early();
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    volatile char *room = alloca(here - (uintptr_t)stack - (size_t)left);
    room[0] = 1;
    late();
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 5) return 2;
    later = !strcmp(arguments[1], "later");
    size_t least = strtoul(arguments[2], NULL, 10), greatest = strtoul(arguments[3], NULL, 10);
    size_t step = strtoul(arguments[4], NULL, 10);
    /* The page below it is not to be touched. */
    char *start = mmap(NULL, PAGE + ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || mprotect(start + PAGE, ROOM, PROT_READ | PROT_WRITE)) return 1;
    stack = start + PAGE;
    unsigned threads = 0;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, ROOM);
    for (size_t left = least; left < greatest; left += step, threads++) {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, dive, (void *)left)) return 1;
        pthread_join(thread, NULL);
    }
    printf("%u threads\n", threads);
    return 0;
}
