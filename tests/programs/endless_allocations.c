/* A library whose calls allocate until the process ends, or until they are to stop. ctypes calls them without the
   GIL. */
#include <stdlib.h>
#include <unistd.h>

static volatile int stopped;

static void allocate(void) {
    void *volatile block = malloc(100);
    free(block);
}

void allocate_for_ever(void) {
    while (!stopped) allocate();
}

/* Leaves the processor to others. */
void allocate_slowly(void) {
    while (!stopped) {
        allocate();
        usleep(20);
    }
}

void stop(void) { stopped = 1; }
