/* Threads that do at the same time, and by turns, all that has hurt: fork, load and unload libraries, start, end and cancel
   threads, overflow their stacks and leave that by longjmp. Handlers that allocate and fork interrupt them.

   Arguments: a seed, how many things each thread does, and a library to load. It is linked with overflowing_library.c, and
   preloads signal_safe_allocator.c. What it prints depends on its arguments only. */
#include "stress.h"

#include <dlfcn.h>
#include <stdio.h>

enum { WORKERS = 5, STACK = 512 * 1024 };
enum { ALLOCATED, FORKED, STARTED, CANCELLED, LOADED, OVERFLOWED, ACTIONS };

void prepare(void);
int dive(size_t left);

static const char *library;
static unsigned long seed, things;
static unsigned long counts[ACTIONS];
static pthread_barrier_t calm;

static int allocates(uint64_t *random) {
    void *blocks[30] = {0};
    for (int i = 0; i < 100; i++) {
        void **block = &blocks[chance(random, 30)];
        *block = realloc(*block, 1 + chance(random, 5000));
        if (*block == NULL) return 0;
        if (chance(random, 3) == 0) {
            free(*block);
            *block = NULL;
        }
    }
    for (int i = 0; i < 30; i++) free(blocks[i]);
    return 1;
}

static int forks(void) {
    /* A fork in a handler that has interrupted a fork waits for itself. */
    interruptions(SIG_BLOCK);
    int well = forks_once();
    interruptions(SIG_UNBLOCK);
    return well;
}

static void *short_life(void *random) {
    interruptions(SIG_BLOCK);
    allocates(random);
    if (chance(random, 2)) pthread_exit(random);
    return random;
}

static void *life_until_cancelled(void *random) {
    interruptions(SIG_BLOCK);
    for (;;) {
        /* None of these is a point of cancellation. */
        allocates(random);
        void *loaded = dlopen(library, RTLD_NOW);
        if (loaded == NULL) return NULL;
        dlclose(loaded);
        pthread_testcancel();
    }
}

static int starts(void *(*life)(void *), uint64_t *random, int cancels) {
    uint64_t own = chance(random, 1 << 30);
    pthread_t thread;
    void *result;
    interruptions(SIG_BLOCK);
    if (pthread_create(&thread, NULL, life, &own) != 0) abort();
    interruptions(SIG_UNBLOCK);
    if (cancels) {
        usleep(chance(random, 300));
        pthread_cancel(thread);
    }
    pthread_join(thread, &result);
    return cancels ? result == PTHREAD_CANCELED : result == &own;
}

static int loads(void) {
    void *loaded = dlopen(library, RTLD_NOW);
    int (*exported)(void) = loaded == NULL ? NULL : (int (*)(void))dlsym(loaded, "exported");
    return exported != NULL && exported() == 0 && dlclose(loaded) == 0;
}

static int overflows(uint64_t *random) {
    /* The handler has the other stack to itself. */
    interruptions(SIG_BLOCK);
    dive(chance(random, 9000));
    interruptions(SIG_UNBLOCK);
    return 1;
}

static void *work(void *number) {
    uint64_t random = seed * 1000 + (uintptr_t)number;
    prepare();
    interruptions(SIG_UNBLOCK);
    for (unsigned long thing = 0; thing < things; thing++) {
        int what, well;
        switch (chance(&random, 16)) {
            case 0: what = FORKED, well = forks(); break;
            case 1: what = STARTED, well = starts(short_life, &random, 0); break;
            case 2: what = CANCELLED, well = starts(life_until_cancelled, &random, 1); break;
            case 3: case 4: what = LOADED, well = loads(); break;
            case 5: case 6: case 7: what = OVERFLOWED, well = overflows(&random); break;
            default: what = ALLOCATED, well = allocates(&random);
        }
        __atomic_fetch_add(&counts[what], well, __ATOMIC_RELAXED);
    }
    pthread_barrier_wait(&calm);
    /* Here the first thread ends the interruptions. */
    pthread_barrier_wait(&calm);
    allocate_calmly();
    return number;
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    seed = strtoul(arguments[1], NULL, 10);
    things = strtoul(arguments[2], NULL, 10);
    library = arguments[3];
    pthread_barrier_init(&calm, NULL, WORKERS + 1);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK);
    begin_to_interrupt();
    for (uintptr_t number = 0; number < WORKERS; number++) {
        if (pthread_create(&interrupted[number], &small, work, (void *)number) != 0) abort();
    }
    __atomic_store_n(&interrupted_count, WORKERS, __ATOMIC_RELEASE);
    pthread_barrier_wait(&calm);
    end_interruptions();
    pthread_barrier_wait(&calm);
    for (int number = 0; number < WORKERS; number++) pthread_join(interrupted[number], NULL);
    printf("allocated %lu, forked %lu, started %lu, cancelled %lu, loaded %lu, overflowed %lu\n", counts[ALLOCATED],
           counts[FORKED], counts[STARTED], counts[CANCELLED], counts[LOADED], counts[OVERFLOWED]);
    return 0;
}
