/* Loads a library that has an allocator linked in, again and again, and in a thread. */
#include <assert.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

static const char *library;

static void *use(void *only_once) {
    void *handle = dlopen(library, RTLD_NOW);
    assert(handle);
    void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(handle, "allocate");
    void (*release)(void *) = (void (*)(void *))dlsym(handle, "release");
    for (int i = 0; i < 10; i++)
        release(allocate(50002));
    /* What the allocator does at a thread's end must still be there. */
    if (!only_once)
        dlclose(handle);
    return NULL;
}

int main(int count, char **arguments) {
    assert(count == 2);
    library = arguments[1];
    for (int i = 0; i < 5; i++)
        use(NULL);
    pthread_t thread;
    assert(!pthread_create(&thread, NULL, use, arguments));
    assert(!pthread_join(thread, NULL));
    return 0;
}
