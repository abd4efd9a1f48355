/* Runs out of address space: in its first thread, and before a thread that waits has made its first block. Prints what it
   sees of that. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static pthread_barrier_t ready, go;
static void *given;

static void *waits(void *unused) {
    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&go);
    /* It gets nothing itself, but may free what another thread got. */
    char *block = malloc(100);
    free(given);
    printf("in the thread %d\n", block == NULL && errno == ENOMEM);
    return unused;
}

int main(void) {
    pthread_t thread;
    setvbuf(stdout, NULL, _IONBF, 0);
    pthread_barrier_init(&ready, NULL, 2);
    pthread_barrier_init(&go, NULL, 2);
    pthread_create(&thread, NULL, waits, NULL);
    pthread_barrier_wait(&ready);
    for (int i = 0; i < 20; i++) free(valloc(5000));
    given = malloc(700);
    /* What is there may stay, but nothing may be added. The heap has room for a little more. */
    void *volatile room = malloc(60000);
    free(room);
    struct rlimit none = {4096, 4096};
    setrlimit(RLIMIT_AS, &none);
    errno = 0;
    void *volatile block = malloc(1 << 30);
    printf("much %d, errno %d\n", block != NULL, errno == ENOMEM);
    block = malloc(1000);
    printf("little %d\n", block != NULL);
    pthread_barrier_wait(&go);
    pthread_join(thread, NULL);
    for (int i = 0; i < 20; i++) free(malloc(2000));
    return 4;
}
