/* Threads that somebody has cancelled go on until a point where they can be: malloc is none, wherever its caller's stack
   is. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { BLOCKS = 3000, STACK = 256 * 1024 };

static sem_t can_be_cancelled, is_cancelled;
static int made, on_another_stack, cleaned_up;

static void allocate(void) {
    for (int i = 0; i < BLOCKS; i++, made++) free(valloc(100));
}

static void handler(int unused) {
    (void)unused;
    allocate();
    on_another_stack++;
}

static ucontext_t here, there;
static void coroutine(void) {
    allocate();
    on_another_stack++;
}

static void clean_up(void *unused) {
    (void)unused;
    cleaned_up++;
}

static void *work(void *unused) {
    pthread_cleanup_push(clean_up, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    sem_post(&can_be_cancelled);
    sem_wait(&is_cancelled);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    /* From here on, the first point of cancellation is the last. */
    allocate();
    void *place = mmap(NULL, 2 * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = place, .ss_size = STACK};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    getcontext(&there);
    there.uc_stack.ss_sp = (char *)place + STACK;
    there.uc_stack.ss_size = STACK;
    there.uc_link = &here;
    makecontext(&there, coroutine, 0);
    swapcontext(&here, &there);
    pthread_testcancel();
    puts("never reached");
    pthread_cleanup_pop(0);
    return unused;
}

int main(void) {
    pthread_t thread;
    void *result;
    sem_init(&can_be_cancelled, 0, 0);
    sem_init(&is_cancelled, 0, 0);
    pthread_create(&thread, NULL, work, NULL);
    sem_wait(&can_be_cancelled);
    pthread_cancel(thread);
    sem_post(&is_cancelled);
    pthread_join(thread, &result);
    printf("made %d, on another stack %d, cleaned up %d, cancelled %d\n", made, on_another_stack, cleaned_up,
           result == PTHREAD_CANCELED);
    return 0;
}
