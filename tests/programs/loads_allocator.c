/* Loads libraries that have an allocator linked in, and unloads them, again and again and in several threads at once. */
#include <assert.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#define TIMES 100

static void *use(void *library) {
    for (int i = 0; i < TIMES; i++) {
        void *handle = dlopen(library, RTLD_NOW);
        assert(handle);
        void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(handle, "allocate");
        void (*release)(void *) = (void (*)(void *))dlsym(handle, "release");
        for (int j = 0; j < 10; j++)
            release(allocate(50002));
        assert(!dlclose(handle));
    }
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t threads[8];
    assert(count <= 8);
    for (int i = 1; i < count; i++)
        assert(!pthread_create(&threads[i], NULL, use, arguments[i]));
    for (int i = 1; i < count; i++)
        assert(!pthread_join(threads[i], NULL));
    return 0;
}
