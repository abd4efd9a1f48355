/* A small program that is compiled with sanitizers. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    for (int i = 0; i < 50; i++) {
        void *volatile block = malloc(4321);
        free(block);
    }
    puts("hello");
    return 3;
}
