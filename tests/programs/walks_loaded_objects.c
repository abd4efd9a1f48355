/* Does what crash reporters and unwinders do: goes through the loaded objects, and allocates on the way, while other
   threads allocate, and load and unload a library. Argument: for how many milliseconds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile int stop;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static int allocate(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)object, (void)size, (void)unused;
    void *volatile block = malloc(40);
    free(block);
    return 0;
}

static void *walks(void *unused) {
    while (!stop) dl_iterate_phdr(allocate, NULL);
    return unused;
}

static void *allocates(void *unused) {
    while (!stop) allocate(NULL, 0, NULL);
    return unused;
}

int main(int count, char **arguments) {
    double end = now() + (count > 1 ? atof(arguments[1]) : 1000) / 1000;
    pthread_t walking, allocating;
    pthread_create(&walking, NULL, walks, NULL);
    pthread_create(&allocating, NULL, allocates, NULL);
    while (now() < end) {
        void *library = dlopen("libm.so.6", RTLD_NOW);
        if (library == NULL) return 1;
        dlclose(library);
    }
    stop = 1;
    pthread_join(walking, NULL);
    pthread_join(allocating, NULL);
    puts("done");
    return 0;
}
