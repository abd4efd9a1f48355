/* A handler interrupts a thread that allocates, between any two instructions, and allocates itself; another signal's handler
   interrupts that one, and jumps out of whatever it was doing, though not out of it: every second time out of the first block
   if it comes to that, else only when some have been made, so that on a slow machine, too, blocks are made. That takes an
   allocator that allows it: see signal_safe_allocator.c. Prints how many blocks the thread has made outside of handlers, and how
   often it jumped. */
#define _GNU_SOURCE
#include <malloc.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "timers.h"

enum { JUMPS = 200, MOST = 20000000, SOME = 20 };

static sigjmp_buf within;
static volatile sig_atomic_t may_jump;
static volatile int handled;
static volatile long jumps;

static void allocates(int unused) {
    (void)unused;
    if (sigsetjmp(within, 1) == 0) {
        handled = 0;
        may_jump = 1;
        for (; handled < 400; handled++) free(memalign(32, 700));
    }
    may_jump = 0;
}

static void jumps_out(int unused) {
    (void)unused;
    if (!may_jump || (jumps % 2 == 0 && handled < SOME)) return;
    may_jump = 0;
    jumps++;
    siglongjmp(within, 1);
}

int main(void) {
    /* The one that jumps is not interrupted by the other. */
    handle(SIGUSR2, jumps_out, SIGUSR1, 170);
    handle(SIGUSR1, allocates, 0, 430);
    long made = 0;
    for (; jumps < JUMPS && made < MOST; made++) free(aligned_alloc(16, 100));
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGUSR2);
    sigprocmask(SIG_BLOCK, &both, NULL);
    printf("%ld %ld\n", made, jumps);
    return 0;
}
