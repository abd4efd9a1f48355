/* Calls a function that has no unwind tables, and is called back. */
#include <stdlib.h>

static void *volatile kept;
int has_no_tables(void (*function)(void));
__attribute__((noipa)) static void called_back(void) {
    kept = malloc(1000001); /* @called-back */
}
__attribute__((noipa)) static int calls(void) {
    kept = malloc(1000003); /* @before */
    return has_no_tables(called_back) + 1; /* @calls */
}

int main(void) {
    return calls() != 1; /* @main */
}
//stack 1000001: has_no_tables@no-tables / called_back@called-back
//stack 1000002: has_no_tables@no-tables-own
//stack 1000003: main@main / calls@before
