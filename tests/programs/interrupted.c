/* Computes, and is interrupted at any instruction by a timer, whose handler allocates: in the middle of what sets up and
   takes down frames, too. mmap may be called by handlers, unlike malloc. Prints how often that happened. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>

enum { SIZE = 3 * 4096, ENOUGH = 400 };
static volatile sig_atomic_t interruptions;

__attribute__((noipa)) static void on_timer(int signal) {
    (void)signal;
    if (interruptions == ENOUGH) return;
    void *page = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* @on-timer */
    if (page == MAP_FAILED) return;
    munmap(page, SIZE);
    interruptions++;
}

/* Functions with frames of several forms, which do little but begin and end. */
__attribute__((noipa)) static uint64_t leaf(uint64_t number) { return number * 3 + 1; }
__attribute__((noipa)) static uint64_t saves(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) {
    uint64_t sum = leaf(a) + leaf(b);
    sum += leaf(c) * a;
    sum += leaf(d) * b * a;
    return sum + leaf(e) * c + d + e;
}
__attribute__((noipa)) static uint64_t has_room(uint64_t size) {
    volatile char room[size % 50 + 1];
    room[0] = 1;
    return leaf(size) + (uint64_t)room[0];
}
__attribute__((noipa)) static uint64_t step(uint64_t depth) {
    uint64_t sum = saves(depth, 2, 3, 4, 5) + has_room(depth);
    if (depth > 0) sum += step(depth - 1);
    return sum + leaf(sum);
}
__attribute__((noipa)) static uint64_t spins(void) {
    uint64_t sum = 0;
    while (interruptions < ENOUGH) sum += step(20);
    return sum;
}

int main(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_timer;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 250}, {0, 250}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    uint64_t sum = spins(); /* @main */
    setitimer(ITIMER_REAL, &never, NULL);
    printf("%d\n", (int)interruptions);
    return sum == 1;
}
