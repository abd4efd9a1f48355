/* What the stress programs share: random numbers that a seed decides, and a thread that interrupts others all the time. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_INTERRUPTED = 64, CALM = 1000 };

static inline unsigned chance(uint64_t *state, unsigned below) {
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(*state >> 33) % below;
}

/* Whether a child came to its end as it should. */
static inline int forks_once(void) {
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 20; i++) free(malloc(200));
        _exit(7);
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) != child) continue;
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

static inline void interruptions(int how) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(how, &set, NULL);
}

/* Forks now and then; the rest of the time it only allocates. */
static inline void interruption(int unused) {
    static unsigned count;
    (void)unused;
    if (__atomic_fetch_add(&count, 1, __ATOMIC_RELAXED) % 16 == 0) forks_once();
    for (int i = 0; i < 5; i++) {
        void *volatile block = malloc(70);
        free(block);
    }
}

static pthread_t interrupted[MOST_INTERRUPTED];
static int interrupted_count, interrupts = 1;
static pthread_t interrupter;

static void *interrupt_all(void *unused) {
    for (unsigned turn = 0; __atomic_load_n(&interrupts, __ATOMIC_ACQUIRE); turn++) {
        int count = __atomic_load_n(&interrupted_count, __ATOMIC_ACQUIRE);
        if (count > 0) pthread_kill(interrupted[turn % count], SIGUSR1);
        usleep(500);
    }
    return unused;
}

/* From now on, the threads that are entered are interrupted. All others have the signal blocked. */
static inline void begin_to_interrupt(void) {
    struct sigaction action = {.sa_handler = interruption, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    interruptions(SIG_BLOCK);
    pthread_create(&interrupter, NULL, interrupt_all, NULL);
}

static inline void end_interruptions(void) {
    __atomic_store_n(&interrupts, 0, __ATOMIC_RELEASE);
    pthread_join(interrupter, NULL);
}

/* What must all be in the capture. */
static inline void allocate_calmly(void) {
    for (int i = 0; i < CALM; i++) {
        void *volatile block = valloc(12345);
        free(block);
    }
}
