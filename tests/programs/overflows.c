/* Overflows its stack again and again, each time at another place, and survives: the handler leaves by siglongjmp. So it
   leaves malloc and free, too, wherever these were. In between it keeps blocks that count.

   Argument: `thread` for a thread other than the first one. */
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME = 4000, TIMES = 40, KEPT = 10, SIGNAL_STACK = 64 * 1024, STACK = 1 << 20 };

static sigjmp_buf before;
static volatile int step;
static void leave(int unused) {
    (void)unused;
    siglongjmp(before, 1);
}

static int deeper(int depth) {
    volatile char *frame = alloca(step);
    void *volatile block = malloc(depth % 100 + 1);
    frame[0] = 1;
    free(block);
    return deeper(depth + 1) + frame[0];
}

static void *overflow(void *unused) {
    /* Within the stack that it replaces, as it well may be. */
    char place[SIGNAL_STACK];
    stack_t stack = {.ss_sp = place, .ss_size = sizeof place};
    sigaltstack(&stack, NULL);
    for (int i = 0; i < TIMES; i++) {
        step = FRAME + 16 * i;
        if (!sigsetjmp(before, 1)) deeper(0);
        for (int n = 0; n < KEPT; n++) memset(valloc(3000), 1, 3000);
    }
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    return unused;
}

int main(int count, char **arguments) {
    struct sigaction action = {.sa_handler = leave, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    if (count > 1 && strcmp(arguments[1], "thread") == 0) {
        pthread_t thread;
        pthread_attr_t small;
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, STACK);
        pthread_create(&thread, &small, overflow, NULL);
        pthread_join(thread, NULL);
    } else {
        overflow(NULL);
    }
    puts("went on");
    return 4;
}
