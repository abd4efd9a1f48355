/* Preloaded into a Python that is one program, without a library to embed: it starts `started` instead of Python, which is the
   `main` of a program that embeds it. Other programs start as ever. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

int started(int count, char **arguments);

typedef int starts(int (*)(int, char **), int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

int __libc_start_main(int (*own)(int, char **), int count, char **arguments, void (*init)(void), void (*fini)(void),
                      void (*loader_fini)(void), void *stack_end) {
    starts *real = (starts *)dlsym(RTLD_NEXT, "__libc_start_main");
    if (real == NULL) abort();
    return real(dlsym(RTLD_DEFAULT, "Py_BytesMain") ? started : own, count, arguments, init, fini, loader_fini, stack_end);
}
