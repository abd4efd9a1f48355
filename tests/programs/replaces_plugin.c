/* Loads one plugin, unloads it, loads another one, until they have been at the same address. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void *run(const char *path) {
    void *library = dlopen(path, RTLD_NOW);
    if (library == NULL) exit(9);
    void (*plugin_runs)(void) = (void (*)(void))dlsym(library, "plugin_runs");
    plugin_runs();
    plugin_runs();
    dlclose(library);
    return (void *)plugin_runs;
}

int main(int count, char **arguments) {
    if (count != 3) return 8;
    int rounds = 0, same = 0;
    while (same < 3 && rounds < 1000) {
        void *first = run(arguments[1]), *second = run(arguments[2]);
        same += first == second;
        rounds++;
    }
    printf("%d %d\n", rounds, same);
    return same < 3;
}
