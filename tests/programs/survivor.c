/* Allocates in several threads and says how far each has come, until somebody ends the process, or it ends itself.

   Arguments: how it ends (see `end`), and the rounds of each thread, which SIGUSR2 cuts short. Prints the process id, and then lines of a thread's id
   and how often it has allocated. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 3, ROUND = 20 };
static volatile long rounds;

static void end_rounds(int signal) {
    (void)signal;
    rounds = 0;
}

static void say(long number, long count) {
    char line[64];
    int length = count < 0 ? sprintf(line, "%ld\n", number) : sprintf(line, "%ld %ld\n", number, count);
    if (write(1, line, length) != length) _exit(99);
}

static void *work(void *unused) {
    for (long done = 1; done <= rounds; done++) {
        for (int i = 0; i < ROUND; i++) {
            void *block = valloc(4000);
            free(malloc(1000));
            free(block);
        }
        /* What was allocated before this line must be in the capture. */
        say(syscall(SYS_gettid), done * ROUND);
    }
    return unused;
}

static int deeper(int depth) {
    volatile char frame[500];
    frame[0] = depth;
    return deeper(depth + 1) + frame[0];
}

static void *abort_here(void *unused) {
    (void)unused;
    abort();
}

/* The C library notices all of these within free or malloc, while memprof waits for them to return. */
static void damage(const char *how) {
    size_t *block = malloc(5000);
    if (strcmp(how, "double-free") == 0) {
        free(block);
        free(block);
    } else if (strcmp(how, "overrun") == 0) {
        memset(malloc_usable_size(block) + (char *)block, 0xff, 64);
        for (;;) block = malloc(100000);
    } else if (strcmp(how, "underrun") == 0) {
        block[-1] = SIZE_MAX;
        free(block);
    } else if (strcmp(how, "wild-free") == 0) {
        free((void *)16);
    }
}

static void end(const char *how) {
    if (strcmp(how, "wait") == 0) pause();
    else if (strcmp(how, "return") == 0) return;
    else if (strcmp(how, "exit") == 0) exit(3);
    else if (strcmp(how, "_exit") == 0) _exit(3);
    else if (strcmp(how, "quick_exit") == 0) quick_exit(3);
    else if (strcmp(how, "exit_group") == 0) syscall(SYS_exit_group, 3);
    else if (strcmp(how, "thread_exit") == 0) pthread_exit(NULL);
    else if (strcmp(how, "abort") == 0) abort();
    else if (strcmp(how, "trap") == 0) __builtin_trap();
    else if (strcmp(how, "segfault") == 0) *(volatile int *)8 = 1;
    else if (strcmp(how, "overflow") == 0) deeper(0);
    else if (strcmp(how, "stopped") == 0) raise(SIGSTOP), pause();
    else if (strcmp(how, "abort-in-thread") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, abort_here, NULL);
        pthread_join(thread, NULL);
    } else {
        damage(how);
    }
}

int main(int count, char **arguments) {
    pthread_t threads[THREADS];
    if (count != 3) return 98;
    rounds = atol(arguments[2]);
    signal(SIGUSR2, end_rounds);
    say(getpid(), -1);
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, NULL);
    work(NULL);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    end(arguments[1]);
    return 0;
}
