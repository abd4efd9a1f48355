/* Says whether anything leads to memprof in its environment. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    puts(getenv("LD_PRELOAD") || getenv("MEMPROF_CHANNEL") ? "led to memprof" : "alone");
    return 0;
}
