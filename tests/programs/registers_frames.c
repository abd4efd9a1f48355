/* Runs code that it has made, and registers and deregisters tables for more all the time, as a just-in-time compiler does.
   A timer interrupts it wherever it is, and its handler allocates.

   Arguments: for how many milliseconds; `empty` for tables without entries, for which libgcc allocates nothing, so that
   the handler never interrupts malloc; `whole` for others. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#include "made_code.h"

static volatile unsigned long handled;
static double seconds;
static void *others;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void handler(int unused) {
    (void)unused;
    void *volatile block = malloc(70);
    free(block);
    handled++;
}

__attribute__((noipa)) static void body(void) {
    double end = now() + seconds;
    while (now() < end) {
        for (int i = 0; i < 100; i++) {
            __register_frame(others);
            __deregister_frame(others);
        }
    }
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    static uint32_t empty;
    seconds = atof(arguments[1]) / 1000;
    code made = make_code(), other = make_code();
    unsigned char *tables = tables_of(made);
    others = strcmp(arguments[2], "empty") ? (void *)tables_of(other) : &empty;
    __register_frame(tables);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    made(body);
    setitimer(ITIMER_REAL, &never, NULL);
    printf("handled %lu\n", handled);
    return 0;
}
