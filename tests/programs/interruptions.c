/* Handlers of timers' signals interrupt threads that allocate, and each other, between any two instructions, and allocate
   themselves. That takes an allocator that allows it: see own_allocator.c. Prints how many blocks the threads have made,
   and how many the handlers. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "timers.h"

enum { THREADS = 3, PRESET = 4711, SHORTEST = 300, LONGEST = 20000 };

static volatile int handled, wrong;
static void handler(int unused) {
    (void)unused;
    int error = errno;
    char *block = memalign(32, 70003);
    if (block == NULL || (uintptr_t)block % 32 != 0) wrong = 1;
    else *block = 1;
    free(block);
    void *mapping = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED || munmap(mapping, 4096) != 0) wrong = 1;
    __atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
    errno = error;
}

static void __attribute__((noinline)) in_depth(int depth) {
    free(aligned_alloc(16, 100));
    if (depth > 0) in_depth(depth - 1);
}

/* Goes on until handlers have run often enough. */
static void *work(void *unused) {
    long rounds = 0;
    errno = PRESET;
    while ((handled < SHORTEST || rounds < SHORTEST) && rounds < LONGEST) {
        in_depth(rounds++ % 20);
        if (errno != PRESET) wrong = 1;
    }
    (void)unused;
    return (void *)rounds;
}

int main(void) {
    timer_t timers[] = {handle(SIGALRM, handler, 0, 500), handle(SIGUSR1, handler, 0, 1300),
                        handle(SIGUSR2, handler, 0, 1900)};
    pthread_t threads[THREADS];
    long made = 0;
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < THREADS; i++) {
        void *rounds;
        pthread_join(threads[i], &rounds);
        for (long round = 0; round < (long)rounds; round++) made += round % 20 + 1;
    }
    for (int i = 0; i < 3; i++) timer_delete(timers[i]);
    printf("%ld %d %s\n", made, handled, wrong ? "wrong" : "right");
    return 0;
}
