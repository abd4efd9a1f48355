/* Allocates at the ends of calls that chance chooses: nearly every stack is a new one. Prints how often each function has allocated,
   and how many KiB were resident at most, without what is shared. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 2, TREES = 120, DEPTH = 11, FUNCTIONS = 4 };
static long counts[THREADS][FUNCTIONS];

/* (A linear congruential generator: every run is the same.) */
static unsigned draw(unsigned long *chance) {
    *chance = *chance * 6364136223846793005ul + 1442695040888963407ul;
    return (unsigned)(*chance >> 33);
}

typedef void visit(int thread, int depth, unsigned long *chance);
static visit *const functions[FUNCTIONS];

/* Calls from one of four places. */
#define CHILD(call) case call: functions[draw(chance) % FUNCTIONS](thread, depth - 1, chance); __asm__ volatile(""); break
#define FUNCTION(number)                                                           \
    __attribute__((noipa)) static void f##number(int thread, int depth, unsigned long *chance) { \
        void *volatile block = malloc(100 + number);                               \
        counts[thread][number]++;                                                  \
        for (int child = 0; depth > 0 && child < 2; child++) {                     \
            switch (draw(chance) % 4) { CHILD(0); CHILD(1); CHILD(2); CHILD(3); }  \
        }                                                                          \
        free(block);                                                               \
    }
FUNCTION(0)
FUNCTION(1)
FUNCTION(2)
FUNCTION(3)
static visit *const functions[FUNCTIONS] = {f0, f1, f2, f3};

static void *work(void *thread) {
    unsigned long chance = 1 + (long)thread;
    for (int tree = 0; tree < TREES; tree++) functions[tree % FUNCTIONS]((int)(long)thread, DEPTH, &chance);
    return NULL;
}

static long resident(const char *what) {
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, what, strlen(what)) == 0) kib = atol(line + strlen(what));
    }
    if (status != NULL) fclose(status);
    return kib;
}

int main(void) {
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int f = 0; f < FUNCTIONS; f++) printf("f%d %ld\n", f, counts[0][f] + counts[1][f]);
    printf("kib %ld\n", resident("VmHWM:") - resident("RssShmem:"));
    return 0;
}
