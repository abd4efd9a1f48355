/* A library that allocates while it is loaded, used and unloaded by native_stacks.c. */
#include <stdlib.h>

static void *volatile kept;
__attribute__((noipa)) static void allocates(size_t size) {
    kept = malloc(size); /* @library-allocates */
}
__attribute__((constructor)) static void load(void) {
    allocates(1000041); /* @library-load */
    __asm__ volatile("");
}
__attribute__((destructor)) static void unload(void) {
    allocates(1000042); /* @library-unload */
    __asm__ volatile("");
}
int exported(void) {
    allocates(1000043); /* @library-exported */
    return 0;
}
//stack 1000041: main@main-library / uses_library@uses-library / loads@loads / ... / load@library-load / allocates@library-allocates
//stack 1000042: main@main-library / uses_library@closes-library / ... / unload@library-unload / allocates@library-allocates
//stack 1000043: main@main-library / uses_library@calls-library / exported@library-exported / allocates@library-allocates
