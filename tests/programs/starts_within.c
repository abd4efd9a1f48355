/* Preloaded into a Python that is one program, without a library to embed: instead of Python's own `main` it runs that of a
   program that embeds Python, which is that of the library STARTED. Other programs start as ever. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

typedef int program(int, char **);
typedef int starts(program *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

static int begin(int count, char **arguments) {
    void *library = dlopen(getenv("STARTED"), RTLD_NOW);
    program *started = library == NULL ? NULL : (program *)dlsym(library, "main");
    if (started == NULL) abort();
    return started(count, arguments);
}

int __libc_start_main(program *own, int count, char **arguments, void (*init)(void), void (*fini)(void),
                      void (*loader_fini)(void), void *stack_end) {
    starts *real = (starts *)dlsym(RTLD_NEXT, "__libc_start_main");
    if (real == NULL) abort();
    return real(dlsym(RTLD_DEFAULT, "Py_BytesMain") ? begin : own, count, arguments, init, fini, loader_fini, stack_end);
}
