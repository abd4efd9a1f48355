/* A plugin in two builds: only a name differs. */
#include <stdlib.h>

static void *volatile kept;
__attribute__((noipa)) static void INNER(void) { kept = malloc(SIZE); }
void plugin_runs(void) {
    INNER();
    __asm__ volatile("");
}
