/* Loads a library, and deletes it: at once, or when it has been there for a while.

   Arguments: the library, for how many milliseconds it stays, and for how many more the program runs. */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **arguments) {
    if (count != 4) return 2;
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (!library) return 3;
    usleep(1000 * atoi(arguments[2]));
    if (unlink(arguments[1])) return 4;
    int (*exported)(void) = (int (*)(void))dlsym(library, "exported");
    if (!exported) return 5;
    usleep(1000 * atoi(arguments[3]));
    return exported();
}
