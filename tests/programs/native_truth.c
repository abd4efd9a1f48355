/* Allocates a known amount, and says so by plain system calls: the C library's stdio would allocate too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *name, unsigned long long value) {
    char line[100];
    int length = snprintf(line, sizeof line, "%s %llu\n", name, value);
    if (write(1, line, (size_t)length) != length) _exit(1);
}

int main(void) {
    unsigned long long bytes = 0;
    void *blocks[1000];
    for (size_t i = 0; i < 1000; i++) {
        blocks[i] = malloc(i + 1);
        bytes += i + 1;
    }
    void *peak = malloc(1000000); /* 500,500 + 1,000,000 are live */
    bytes += 1000000;
    unsigned long long peak_bytes = bytes;
    free(peak);
    for (size_t i = 0; i < 1000; i += 2) free(blocks[i]); /* the odd sizes: 250,000 bytes */
    void *late = malloc(1000); /* never as much as at the peak */
    bytes += 1000;
    late = realloc(late, 2000);
    bytes += 2000;
    free(late);
    void *zero = malloc(0); /* an allocation of no bytes is one */
    say("allocations", 1000 + 1 + 1 + 1 + 1);
    say("frees", 1 + 500 + 1 + 1);
    say("bytes_allocated", bytes);
    say("peak_bytes", peak_bytes);
    say("leaked_bytes", 250500);
    say("leaked_allocations", 500 + 1);
    say("skipped_events", 0);
    say("unknown_frees", 0);
    return zero == NULL;
}
