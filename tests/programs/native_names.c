/* Functions of every visibility. Without debugging information, only some have names. */
#include <stdlib.h>

static void *volatile kept;
#define FRAME __attribute__((noipa))

FRAME static void hidden_function(void) { kept = malloc(1000001); /* @hidden */ }
FRAME void exported_function(void) {
    hidden_function(); /* @exported */
    kept = malloc(1000002); /* @exported-own */
}
FRAME __attribute__((visibility("hidden"))) void internal_function(void) {
    exported_function(); /* @internal */
    __asm__ volatile("");
}

int main(void) {
    internal_function(); /* @main */
    return 0;
}
//stack(lines) 1000001: ~ / main@main / internal_function@internal / exported_function@exported / hidden_function@hidden
//stack(lines) 1000002: ~ / main@main / internal_function@internal / exported_function@exported-own
