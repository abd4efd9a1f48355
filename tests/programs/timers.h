/* A signal that comes again and again. */
#include <signal.h>
#include <time.h>

/* Has `handler` called every so many microseconds. Meanwhile `masked` waits, if it is not 0. */
static timer_t handle(int signal, void (*handler)(int), int masked, long microseconds) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    if (masked) sigaddset(&action.sa_mask, masked);
    sigaction(signal, &action, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal};
    struct itimerspec every = {{0, microseconds * 1000}, {0, microseconds * 1000}};
    timer_t timer;
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &every, NULL);
    return timer;
}
