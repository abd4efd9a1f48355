/* malloc/free pairs whose native stack is another one each time. Prints the least time of many batches, in ns for a pair.
   usage: fresh_frames [depth] [moved|other|same]
   moved: the same functions, elsewhere in the stack; other: other functions; same: nothing changes */
#include <alloca.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WAYS = 64, DEEPEST = 1024, BATCHES = 300, PAIRS = 2000 };
static unsigned char ways[WAYS][DEEPEST];

typedef uint64_t function(int depth, const unsigned char *way);
static function *const functions[8];

static __attribute__((noinline)) uint64_t leaf(void) {
    void *volatile block = malloc(24);
    free(block);
    return 1;
}
#define FUNCTION(n)                                                                             \
    static __attribute__((noinline)) uint64_t down##n(int depth, const unsigned char *way) {    \
        uint64_t found = depth > 0 ? functions[*way](depth - 1, way + 1) : leaf();              \
        __asm__ volatile("" : "+r"(found)); /* no tail call */                                  \
        return found + n + (uint64_t)depth;                                                     \
    }
FUNCTION(0) FUNCTION(1) FUNCTION(2) FUNCTION(3) FUNCTION(4) FUNCTION(5) FUNCTION(6) FUNCTION(7)
static function *const functions[8] = {down0, down1, down2, down3, down4, down5, down6, down7};

static __attribute__((noinline)) uint64_t begin(int depth, const unsigned char *way, unsigned room) {
    volatile char *taken = alloca(16 * room);
    taken[0] = 1;
    return functions[way[depth]](depth, way);
}

int main(int argc, char **argv) {
    int depth = argc > 1 ? atoi(argv[1]) : 20;
    char mode = argc > 2 ? argv[2][0] : 'm';
    if (depth < 0 || depth >= DEEPEST) return 1;
    uint64_t r = 88172645463325252u, sum = 0, least = UINT64_MAX;
    for (int way = 0; way < WAYS; way++)
        for (int at = 0; at < DEEPEST; at++) {
            r = r * 6364136223846793005u + 1442695040888963407u;
            ways[way][at] = r >> 61;
        }
    for (int batch = 0; batch < BATCHES; batch++) {
        struct timespec from, to;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        for (int i = 0; i < PAIRS; i++) {
            r = r * 6364136223846793005u + 1442695040888963407u;
            sum += begin(depth, ways[mode == 'o' ? r >> 58 : 0], mode == 'm' ? 1 + i % 32 : 1);
        }
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        uint64_t ns = (uint64_t)(to.tv_sec - from.tv_sec) * 1000000000u + (uint64_t)to.tv_nsec - (uint64_t)from.tv_nsec;
        if (ns < least) least = ns;
    }
    printf("%.2f\n", (double)least / PAIRS);
    return sum == 0;
}
