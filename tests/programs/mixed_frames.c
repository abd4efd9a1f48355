/* Functions of several libraries call each other in any order, and allocate: each library is compiled with or without frame
   pointers, and some functions of each do as they like.
   usage: mixed_frames <library>...
   With -DLIBRARY it is one of the libraries. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <alloca.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct way {
    const unsigned char *next;
    long (**functions)(struct way *);
};
typedef long function(struct way *);

#ifdef LIBRARY

enum { ALLOCATES = 255 };

static __attribute__((noinline)) long allocates(struct way *way) {
    void *volatile block = malloc(1000);
    free(block);
    return way->next[0];
}

/* No tail call. */
#define GO(way, result)                                                       \
    do {                                                                      \
        unsigned char kind = *(way)->next++;                                  \
        result = kind == ALLOCATES ? allocates(way) : (way)->functions[kind](way); \
        __asm__ volatile("" : "+r"(result));                                  \
    } while (0)

static long small(struct way *way) {
    long result;
    GO(way, result);
    return result + 1;
}

/* It needs all registers. */
static long busy(struct way *way) {
    long a = way->next[0], b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13, result;
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    GO(way, result);
    return result + a + b + c + d + e + f;
}

/* How large its frame is, turns out when it runs. */
static long sized(struct way *way) {
    long result;
    volatile char *room = alloca(16 + 16 * (way->next[0] & 7));
    room[0] = 1;
    GO(way, result);
    return result + room[0];
}

static long aligned(struct way *way) {
    _Alignas(64) volatile char room[128];
    long result;
    room[0] = 1;
    GO(way, result);
    return result + room[0];
}

static __attribute__((optimize("omit-frame-pointer"))) long omits(struct way *way) {
    volatile char room[72];
    long result;
    room[0] = 1;
    GO(way, result);
    return result + room[0];
}

static __attribute__((optimize("no-omit-frame-pointer"))) long keeps(struct way *way) {
    volatile char room[40];
    long result;
    room[0] = 1;
    GO(way, result);
    return result + room[0];
}

/* The C library calls it, and this one only once. */
static struct way *compared;
static int compares(const void *one, const void *other) {
    struct way *way = compared;
    compared = NULL;
    if (way != NULL) {
        long result;
        GO(way, result);
        return (int)(result & 1);
    }
    return one < other ? -1 : one > other;
}
static long sorts(struct way *way) {
    int numbers[2] = {2, 1};
    compared = way;
    qsort(numbers, 2, sizeof *numbers, compares);
    return numbers[0];
}

/* It uses the frame pointer register for something else: a number, or what looks like a frame and is none. */
long counts(struct way *way);
long misleads(struct way *way);
__asm__(".type counts, @function\n"
        "counts: .cfi_startproc\n"
        "push %rbp\n .cfi_def_cfa_offset 16\n .cfi_offset %rbp, -16\n"
        "mov $3, %ebp\n"
        "call goes_on\n"
        "pop %rbp\n .cfi_def_cfa_offset 8\n .cfi_restore %rbp\n"
        "ret\n .cfi_endproc\n .size counts, . - counts\n"
        ".type misleads, @function\n"
        "misleads: .cfi_startproc\n"
        "push %rbp\n .cfi_def_cfa_offset 16\n .cfi_offset %rbp, -16\n"
        "sub $32, %rsp\n .cfi_def_cfa_offset 48\n"
        "lea misleads(%rip), %rbp\n mov %rbp, 8(%rsp)\n mov %rsp, (%rsp)\n mov %rsp, %rbp\n"
        "call goes_on\n"
        "add $32, %rsp\n .cfi_def_cfa_offset 16\n"
        "pop %rbp\n .cfi_def_cfa_offset 8\n .cfi_restore %rbp\n"
        "ret\n .cfi_endproc\n .size misleads, . - misleads\n");
__attribute__((noinline, visibility("hidden"))) long goes_on(struct way *way) {
    long result;
    GO(way, result);
    return result + 2;
}

function *functions[] = {small, busy, sized, aligned, omits, keeps, sorts, counts, misleads, NULL};

#else

enum { ALLOCATES = 255, ROUNDS = 20000, LONGEST = 48 };

static uint64_t random_number(void) {
    static uint64_t state = 88172645463325252u;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
}

int main(int argc, char **argv) {
    static function *all[128];
    static unsigned char kinds[LONGEST + 2];
    size_t count = 0, length = 0;
    for (int i = 1; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        function **found = library == NULL ? NULL : dlsym(library, "functions");
        if (found == NULL) return 1;
        while (*found != NULL) all[count++] = *found++;
    }
    long sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        /* Some functions stay where they are. */
        length -= random_number() % (length / 2 + 1);
        for (size_t more = random_number() % 8; more > 0 && length < LONGEST; more--) kinds[length++] = random_number() % count;
        kinds[length] = ALLOCATES;
        struct way way = {kinds, all};
        sum += all[random_number() % count](&way);
    }
    fprintf(stderr, "%ld\n", sum);
    printf("%d\n", ROUNDS);
}

#endif
