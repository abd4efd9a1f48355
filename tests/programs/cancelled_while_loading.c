/* A thread that somebody has cancelled loads a library: dlopen is no point of cancellation. Arguments: two libraries. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static char **libraries;
static volatile int is_cancelled, loaded;

static void *load(void *unused) {
    while (!is_cancelled) continue;
    loaded = dlopen(libraries[1], RTLD_NOW) != NULL;
    pthread_testcancel();
    return unused;
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    libraries = arguments;
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, load, NULL);
    pthread_cancel(thread);
    is_cancelled = 1;
    pthread_join(thread, &result);
    int other = dlopen(libraries[2], RTLD_NOW) != NULL;
    printf("loaded %d, cancelled %d, loaded another %d\n", loaded, result == PTHREAD_CANCELED, other);
    return 0;
}
