/* As a LIBRARY: changes the environment before anything else happens, so that this may be the first allocation of all. As a
   program: prints the environment that main has, and the one that libc has. */
#include <stdio.h>
#include <stdlib.h>

#ifdef LIBRARY
__attribute__((constructor)) static void begin(void) {
    setenv("ADDED", "1", 1);
}

void is_needed(void) {}
#else
extern char **environ;
void is_needed(void);

int main(int count, char **arguments, char **given) {
    (void)count, (void)arguments;
    is_needed();
    while (*given) puts(*given++);
    puts("now:");
    for (char **entry = environ; *entry; entry++) puts(*entry);
    return 0;
}
#endif
