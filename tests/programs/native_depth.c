/* Allocates below as many frames as asked for, between a few others. */
#include <stdlib.h>

static void *volatile kept;
__attribute__((noipa)) static void allocates(void) {
    kept = malloc(1000001); /* @allocates */
}
__attribute__((noipa)) static int recursion(int depth) {
    if (depth == 1) {
        allocates(); /* @recursion-end */
        return 1;
    }
    int result = recursion(depth - 1); /* @recursion */
    __asm__ volatile("" ::: "memory");
    return result + 1;
}
__attribute__((noipa)) static void begins(int depth) {
    kept = malloc(1000002); /* @shallow */
    recursion(depth); /* @begins */
    kept = malloc(1000003); /* @shallow-again */
}

int main(int count, char **arguments) {
    begins(count == 2 ? atoi(arguments[1]) : 1); /* @main */
    return 0;
}
//stack 1000002: main@main / begins@shallow
//stack 1000003: main@main / begins@shallow-again
//stack(all) 1000001: main@main / begins@begins / recursion@recursion * 2047 / recursion@recursion-end / allocates@allocates
