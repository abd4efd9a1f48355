/* Threads that pass blocks to each other as fast as they can: what one frees, another gets in the next moment, at the
   same address. Prints what it has allocated; at the end everything is freed. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 6, ROUNDS = 60000, SLOTS = 64 };
static void *slots[SLOTS];
static unsigned long long mallocs, malloc_bytes, reallocs, realloc_bytes;

static void add(unsigned long long *sum, unsigned long long value) { __atomic_fetch_add(sum, value, __ATOMIC_RELAXED); }
static void *exchange(void **slot, void *block) { return __atomic_exchange_n(slot, block, __ATOMIC_ACQ_REL); }

static void *work(void *argument) {
    uint64_t random = 88172645463325252u * (2 * (uintptr_t)argument + 1);
    for (int i = 0; i < ROUNDS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        void **slot = &slots[random >> 40 & (SLOTS - 1)];
        size_t size = 1 + (random >> 50 & 2047);
        void *block = exchange(slot, NULL);
        if (block == NULL) {
            block = malloc(size);
            add(&mallocs, 1), add(&malloc_bytes, size);
        } else if (random >> 63) {
            block = realloc(block, size);
            add(&reallocs, 1), add(&realloc_bytes, size);
        } else {
            free(block);
            continue;
        }
        free(exchange(slot, block));
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < SLOTS; i++) free(slots[i]);
    char line[200];
    int length = snprintf(line, sizeof line, "%llu %llu %llu %llu\n", mallocs, malloc_bytes, reallocs, realloc_bytes);
    return write(1, line, (size_t)length) != length;
}
