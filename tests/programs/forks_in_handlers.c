/* Two threads fork at the same time, one of them in a signal handler that has interrupted malloc. When they are done with
   that, one makes CALM blocks of 12345 bytes. Argument: for how many milliseconds they fork. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CALM = 1000 };
static volatile int stop;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void fork_once(void) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child > 0) waitpid(child, NULL, 0);
}

static void handler(int unused) {
    (void)unused;
    fork_once();
}

static void block_signal(int how) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(how, &set, NULL);
}

static void *allocates(void *unused) {
    /* glibc makes an arena for a thread's first block under a lock that its own fork takes: a handler that forks in there
       waits for itself, with or without memprof. */
    void *volatile first = malloc(32);
    free(first);
    block_signal(SIG_UNBLOCK);
    while (!stop) {
        void *volatile block = malloc(32);
        free(block);
    }
    return unused;
}

static void *forks(void *unused) {
    while (!stop) fork_once();
    for (int i = 0; i < CALM; i++) {
        void *volatile block = valloc(12345);
        free(block);
    }
    return unused;
}

int main(int count, char **arguments) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    block_signal(SIG_BLOCK);
    pthread_t allocating, forking;
    pthread_create(&allocating, NULL, allocates, NULL);
    pthread_create(&forking, NULL, forks, NULL);
    double end = now() + (count > 1 ? atof(arguments[1]) : 1000) / 1000;
    while (now() < end) {
        pthread_kill(allocating, SIGUSR1);
        usleep(300);
    }
    stop = 1;
    pthread_join(allocating, NULL);
    pthread_join(forking, NULL);
    puts("done");
    return 0;
}
