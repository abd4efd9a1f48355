/* Eight threads malloc, realloc and free ten million times in all, on slots that they share: what one frees, another gets
   in the next moment, at the same address. At the end everything is freed. Prints how often it did what. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 8, CALLS = 10000000 / THREADS, SLOTS = 256 };
static void *slots[SLOTS];
static pthread_barrier_t start;

struct counts { unsigned long long mallocs, reallocs, frees, bytes; };

static void *exchange(void **slot, void *block) { return __atomic_exchange_n(slot, block, __ATOMIC_ACQ_REL); }

static void *work(void *argument) {
    struct counts *counts = argument, own = {0};
    uint64_t random = 88172645463325252u * (2 * (uintptr_t)argument + 1);
    void *block = NULL;
    pthread_barrier_wait(&start);
    while (own.mallocs + own.reallocs + own.frees < CALLS) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        /* Some sizes have a mapping of their own, which the system moves; most change hands within the heap. */
        size_t size = random >> 44 & 255;
        size = (random & 0xffff) == 0 ? 200000 : 8 << (size & 7) | size >> 3;
        block = exchange(&slots[random >> 56], block);
        if (block == NULL) {
            block = malloc(size);
            own.mallocs++;
            own.bytes += size;
        } else if (random >> 54 & 1) {
            free(block);
            block = NULL;
            own.frees++;
        } else {
            block = realloc(block, size);
            own.reallocs++;
            own.bytes += size;
        }
    }
    if (block != NULL) {
        free(block);
        own.frees++;
    }
    *counts = own;
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    struct counts counts[THREADS], sum = {0};
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, &counts[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum.mallocs += counts[i].mallocs;
        sum.reallocs += counts[i].reallocs;
        sum.frees += counts[i].frees;
        sum.bytes += counts[i].bytes;
    }
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i] == NULL) continue;
        free(slots[i]);
        sum.frees++;
    }
    char line[200];
    int length = snprintf(line, sizeof line, "%llu %llu %llu %llu\n", sum.mallocs, sum.reallocs, sum.frees, sum.bytes);
    return write(1, line, (size_t)length) != length;
}
