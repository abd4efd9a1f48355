/* Prints how the allocators behave at their edges. A recorded run prints the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHOW(format, ...) (printf("line %d: " format "\n", __LINE__, __VA_ARGS__), fflush(stdout))

static void errno_of_success(void) {
    errno = 42;
    void *block = malloc(10);
    block = realloc(block, 100000);
    free(block);
    block = calloc(2, 3);
    free(block);
    free(memalign(64, 10));
    munmap(mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1);
    SHOW("errno stays %d", errno);
}

static void errno_of_failure(void) {
    volatile size_t huge = SIZE_MAX / 2;
    void *out = &out;
    errno = 0; SHOW("malloc %p %d", malloc(huge), errno);
    errno = 0; SHOW("calloc %p %d", calloc(huge, 4), errno);
    errno = 0; SHOW("realloc %p %d", realloc(NULL, huge), errno);
    errno = 0; SHOW("reallocarray %p %d", reallocarray(NULL, huge, 4), errno);
    errno = 0; SHOW("memalign %p %d", memalign(64, huge), errno);
    errno = 0; SHOW("aligned_alloc %p %d", aligned_alloc(64, huge), errno);
    errno = 0; SHOW("valloc %p %d", valloc(huge), errno);
    errno = 0; SHOW("pvalloc %p %d", pvalloc(huge), errno);
    errno = 0; SHOW("posix_memalign %d %d %d", posix_memalign(&out, 3, 8), errno, out == &out);
    errno = 0; SHOW("posix_memalign %d %d %d", posix_memalign(&out, 64, huge), errno, out == &out);
    errno = 0; SHOW("mmap %d %d", mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED, errno);
    errno = 0; SHOW("mmap %d %d", mmap(NULL, 1, PROT_READ, MAP_SHARED, 99, 0) == MAP_FAILED, errno);
    errno = 0; SHOW("munmap %d %d", munmap((void *)1, 1), errno);
    errno = 0; SHOW("mremap %d %d", mremap((void *)4096, 4096, 8192, 0) == MAP_FAILED, errno);
}

static void blocks(void) {
    void *block = malloc(0);
    SHOW("malloc(0) %d", block != NULL);
    free(block);
    for (size_t size = 1; size < 5000; size = size * 3 + 1) {
        char *at = malloc(size);
        SHOW("%zu: usable %zu, aligned %d", size, malloc_usable_size(at), (uintptr_t)at % 16 == 0);
        memset(at, 'x', malloc_usable_size(at));
        at = realloc(at, size * 100);
        SHOW("%zu: kept %d", size, at[0] == 'x' && at[size - 1] == 'x');
        free(at);
    }
    char *aligned = aligned_alloc(4096, 8192);
    SHOW("aligned_alloc %d, valloc %d", (uintptr_t)aligned % 4096 == 0, (uintptr_t)valloc(1) % 4096 == 0);
    int zeros = 1, *cleared = calloc(1000, sizeof *cleared);
    for (int i = 0; i < 1000; i++) zeros &= cleared[i] == 0;
    SHOW("calloc %d, realloc(p, 0) %p", zeros, realloc(cleared, 0));
}

/* Destructors of a thread run after most of it is gone, and may allocate: four rounds of them. */
static pthread_key_t key;
static int rounds;
static void destructor(void *value) {
    free(value);
    if (++rounds < 10) pthread_setspecific(key, malloc(500));
}
static void *with_destructor(void *unused) {
    pthread_setspecific(key, malloc(400));
    return unused;
}
static void thread_ends(void) {
    pthread_key_create(&key, destructor);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        rounds = 0;
        pthread_create(&thread, NULL, with_destructor, NULL);
        pthread_join(thread, NULL);
        SHOW("destructors %d", rounds);
    }
}

/* A child is forked while other threads allocate. */
static volatile int stop;
static void *busy(void *unused) {
    while (!stop) free(malloc(100));
    return unused;
}
static void children(void) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, busy, NULL);
    int good = 0;
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int n = 0; n < 100; n++) free(realloc(malloc(50), 5000));
            _exit(7);
        }
        int status;
        waitpid(child, &status, 0);
        good += WIFEXITED(status) && WEXITSTATUS(status) == 7;
    }
    pid_t child = vfork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "exit 9", (char *)NULL);
        _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    stop = 1;
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    SHOW("children %d, vfork %d, system %d", good, WEXITSTATUS(status), system("exit 5") >> 8);
}

/* A handler on a small stack of its own interrupts the program between any two instructions. It allocates only while
   the program is not allocating, as it must. */
static volatile sig_atomic_t idle, handled;
static void handler(int unused) {
    (void)unused;
    if (idle) free(malloc(300));
    handled++;
}
static void signals(void) {
    stack_t stack = {.ss_sp = malloc(MINSIGSTKSZ * 4), .ss_size = MINSIGSTKSZ * 4};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK | SA_RESTART};
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 1000; i++) {
        idle = 1;
        raise(SIGUSR1);
        idle = 0;
        free(malloc(i));
    }
    SHOW("handled %d", (int)handled);
}

static void at_exit(void) {
    free(malloc(1000));
    SHOW("at exit %d", 1);
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    atexit(at_exit);
    errno_of_success();
    errno_of_failure();
    blocks();
    thread_ends();
    children();
    signals();
    return 6;
}
