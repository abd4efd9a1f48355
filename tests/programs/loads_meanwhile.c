/* Threads allocate while another one loads and unloads a library, whose code they never run. Prints how often each did. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 3, SIZE = 1000, DEPTH = 30 };
static volatile int finished;

__attribute__((noipa)) static void allocates(void) {
    void *volatile block = malloc(SIZE); /* @allocates */
    free(block);
}
__attribute__((noipa)) static int descends(int depth) {
    if (depth == 1) {
        allocates(); /* @descended */
        return 1;
    }
    int result = descends(depth - 1); /* @descends */
    __asm__ volatile("" ::: "memory");
    return result + 1;
}
static void *works(void *count) {
    while (!finished) {
        descends(DEPTH); /* @works */
        ++*(long *)count;
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 2) return 8;
    pthread_t threads[THREADS];
    long counts[THREADS] = {0}, rounds = 0, sum = 0;
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, works, &counts[i])) return 7; /* @creates */
    }
    for (; rounds < 200; rounds++) {
        void *library = dlopen(arguments[1], RTLD_NOW);
        if (library == NULL) return 6;
        void (*plugin_runs)(void) = (void (*)(void))dlsym(library, "plugin_runs");
        plugin_runs(); /* @runs */
        dlclose(library);
    }
    finished = 1;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += counts[i];
    }
    printf("%ld %ld\n", sum, rounds);
    return 0;
}
