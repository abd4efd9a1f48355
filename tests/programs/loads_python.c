/* A program that finds Python while it runs, as plugins in other languages do. Arguments: the library, and `global` or
   `local` for who else may see its symbols. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int scope = strcmp(arguments[2], "global") ? RTLD_LOCAL : RTLD_GLOBAL;
    void *library = dlopen(arguments[1], RTLD_NOW | scope);
    if (library == NULL) {
        puts(dlerror());
        return 1;
    }
    void (*initialize)(int) = (void (*)(int))dlsym(library, "Py_InitializeEx");
    int (*run)(const char *) = (int (*)(const char *))dlsym(library, "PyRun_SimpleString");
    int (*finalize)(void) = (int (*)(void))dlsym(library, "Py_FinalizeEx");
    initialize(0);
    int failed = run("def f():\n    return bytearray(10_000_000)\nx = f()\nprint(len(x), flush=True)\n");
    return failed || finalize();
}
