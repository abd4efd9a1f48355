/* A function without unwind tables, to be compiled apart: what called it is not known. */
#include <stdlib.h>

static void *volatile kept;
__attribute__((noipa)) int has_no_tables(void (*function)(void)) {
    function(); /* @no-tables */
    kept = malloc(1000002); /* @no-tables-own */
    return 0;
}
