/* Threads of Python's that do not hold the GIL use the interpreter's raw memory at the same time, and give each other's
   blocks back. Python is the program that loads this. */
#include <stddef.h>
#include <stdint.h>

extern void *PyMem_RawMalloc(size_t), *PyMem_RawCalloc(size_t, size_t), *PyMem_RawRealloc(void *, size_t);
extern void PyMem_RawFree(void *);

enum { SLOTS = 64 };
static void *slots[SLOTS];

static void pass_on(uint64_t random, void *block) {
    PyMem_RawFree(__atomic_exchange_n(&slots[random >> 58], block, __ATOMIC_ACQ_REL));
}

/* Three allocations in each round, all of which are freed by whoever comes next to the same slot. */
int raw_rounds(uint64_t seed, size_t rounds) {
    uint64_t random = seed;
    for (size_t i = 0; i < rounds; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        char *block = PyMem_RawMalloc(100);
        block = PyMem_RawRealloc(block, 300);
        uint64_t *numbers = PyMem_RawCalloc(5, sizeof *numbers);
        if (block == NULL || numbers == NULL || numbers[4] != 0) return 1;
        pass_on(random, block);
        pass_on(random << 7, numbers);
    }
    return 0;
}

/* Frees what the threads have left. */
void raw_end(void) {
    for (int i = 0; i < SLOTS; i++) PyMem_RawFree(__atomic_exchange_n(&slots[i], NULL, __ATOMIC_ACQ_REL));
}
