/* Six threads malloc, realloc and free on slots that they share: mostly one after the other, a few calls at a time under
   a lock, as the threads of an interpreter do, now and then all at once. At the end everything is freed. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 6, ROUNDS = 40000, SLOTS = 64 };
static void *slots[SLOTS];
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static uint64_t next(uint64_t random) { return random * 6364136223846793005u + 1442695040888963407u; }

static void *work(void *argument) {
    uint64_t random = 88172645463325252u * (2 * (uintptr_t)argument + 1);
    void *block = NULL;
    for (int round = 0; round < ROUNDS; round++) {
        random = next(random);
        int alone = random >> 60 != 0, calls = 1 + (random >> 40 & 31);
        if (alone) pthread_mutex_lock(&turn);
        for (int i = 0; i < calls; i++) {
            random = next(random);
            size_t size = 8 << (random >> 50 & 7);
            block = __atomic_exchange_n(&slots[random >> 58], block, __ATOMIC_ACQ_REL);
            if (block == NULL) {
                block = malloc(size);
            } else if (random >> 54 & 1) {
                free(block);
                block = NULL;
            } else {
                /* Some blocks have a mapping of their own, which the system moves. */
                block = realloc(block, (random & 0xfff) == 0 ? 300000 : size);
            }
        }
        if (alone) pthread_mutex_unlock(&turn);
        if ((random & 0x3ff) == 0) usleep(random >> 30 & 2047);
    }
    free(block);
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < SLOTS; i++) free(slots[i]);
}
