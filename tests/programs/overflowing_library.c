/* A library that lets a thread's stack overflow in malloc, at a place of the caller's choice, and survives that. */
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

static __thread sigjmp_buf before;
static __thread int expected;
static __thread char *lowest;

static void leave(int unused) {
    (void)unused;
    if (!expected) {
        signal(SIGSEGV, SIG_DFL);
        return;
    }
    expected = 0;
    siglongjmp(before, 1);
}

/* To be called by each thread that dives. */
void prepare(void) {
    enum { ROOM = 64 * 1024 };
    pthread_attr_t attributes;
    size_t size;
    void *start;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &start, &size);
    pthread_attr_destroy(&attributes);
    lowest = start;
    stack_t stack = {.ss_sp = malloc(ROOM), .ss_size = ROOM};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = leave, .sa_flags = SA_ONSTACK | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
}

__attribute__((noinline)) static void allocate(void) {
    void *volatile block = malloc(10);
    free(block);
}

/* Allocates where so many bytes of the stack are left. Whether they were too few. */
int dive(size_t left) {
    if (sigsetjmp(before, 1)) return 1;
    expected = 1;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    volatile char *room = alloca(here - (uintptr_t)lowest - left);
    room[0] = 1;
    allocate();
    expected = 0;
    return 0;
}
