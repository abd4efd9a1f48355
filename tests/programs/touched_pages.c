/* Pages are memory from the moment at which they are first touched: a handler lets them be. It runs on a stack of its own, and so does
   that of a timer, which may interrupt it. The stack is just large enough for both, and below it nothing may be touched. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 3000, OWN = 1536 };

static char *pages;
static volatile sig_atomic_t touched, ticks;

static void let_touch(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    char *page = (char *)((size_t)info->si_addr / PAGE * PAGE);
    if (page < pages || page >= pages + PAGES * PAGE || mprotect(page, PAGE, PROT_READ | PROT_WRITE)) _exit(1);
    touched++;
}

/* What it writes on its stack is seen if somebody else's frame is there. */
static void tick(int signal) {
    volatile char own[OWN / 2];
    for (size_t i = 0; i < sizeof own; i++) own[i] = (char)signal;
    ticks++;
}

int main(void) {
    size_t least = 2 * ((size_t)sysconf(_SC_MINSIGSTKSZ) + OWN);
    size_t room = (least + PAGE - 1) / PAGE * PAGE;
    char *below = mmap(NULL, PAGE + room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (below == MAP_FAILED || mprotect(below + PAGE, room, PROT_READ | PROT_WRITE)) return 2;
    stack_t stack = {.ss_sp = below + PAGE, .ss_size = least};
    struct sigaction touch = {.sa_sigaction = let_touch, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction timer = {.sa_handler = tick, .sa_flags = SA_ONSTACK | SA_RESTART};
    if (sigaltstack(&stack, NULL) || sigaction(SIGSEGV, &touch, NULL) || sigaction(SIGALRM, &timer, NULL)) return 2;
    pages = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    if (pages == MAP_FAILED || setitimer(ITIMER_REAL, &often, NULL)) return 2;
    for (int i = 0; i < PAGES; i++) pages[i * PAGE + i % PAGE] = 1;
    while (ticks < 20) pause();
    setitimer(ITIMER_REAL, &never, NULL);
    printf("%d pages\n", (int)touched);
    return 0;
}
