/* Makes code at run time: with unwind tables and a name, with tables alone, and with neither; code that does nothing but call
   and return; and code that is entered as Python's just-in-time compiler does it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "made_code.h"

static void *volatile kept;
__attribute__((noipa)) static void named(void) { kept = malloc(1000001); /* @named */ }
__attribute__((noipa)) static void nameless(void) { kept = malloc(1000002); /* @nameless */ }
__attribute__((noipa)) static void unknown(void) { kept = malloc(1000003); /* @unknown */ }
__attribute__((noipa)) static void forgotten(void) { kept = malloc(1000004); /* @forgotten */ }
__attribute__((noipa)) static void led(void) { kept = malloc(1000005); /* @led */ }
__attribute__((noipa)) static void entered(void) { kept = malloc(1000006); /* @entered */ }
__attribute__((noipa)) static void framed(void) { kept = malloc(1000007); /* @framed */ }

/* push %rbp; sub $16, %rsp; call *%rdi; add $16, %rsp; pop %rbp; ret. */
static const unsigned char TRAMPOLINE[] = {0x55, 0x48, 0x83, 0xec, 16, 0xff, 0xd7, 0x48, 0x83, 0xc4, 16, 0x5d, 0xc3};

/* push %r13; push %r12; push %rbx; mov %rdi, %r12; call what follows; pop %rbx; pop %r12; pop %r13; ret. Then, which looks like
   no return: push %rbp; mov $7, %ebp; call *%rdi; test %ebp, %ebp; pop %rbp; jmp to the next instruction; ret. */
static const unsigned char ENTERED[] = {0x41, 0x55, 0x41, 0x54, 0x53, 0x49, 0x89, 0xfc, 0xe8, 6, 0, 0, 0,
                                        0x5b, 0x41, 0x5c, 0x41, 0x5d, 0xc3,
                                        0x55, 0xbd, 7, 0, 0, 0, 0xff, 0xd7, 0x85, 0xed, 0x5d, 0xeb, 0, 0xc3};

__attribute__((noipa)) static void runs(code function, callback back) {
    function(back); /* @runs */
    __asm__ volatile("");
}

/* With a frame pointer, which the code uses for something else. */
__attribute__((noipa)) static void runs_framed(code function, callback back) {
    kept = __builtin_frame_address(0);
    function(back); /* @runs-framed */
    __asm__ volatile("");
}

int main(void) {
    code with_name = make_code(), with_tables = make_code(), bare = make_code();
    unsigned char *tables = tables_of(with_name), *others = tables_of(with_tables);
    __register_frame(tables);
    __register_frame(others);
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    FILE *map = fopen(path, "w");
    if (map == NULL) return 8;
    fprintf(map, "%lx %zx a function: made at run time\n", (unsigned long)with_name, sizeof INSTRUCTIONS);
    fclose(map);
    printf("%s %lx\n", path, (unsigned long)with_tables);
    runs(with_name, named); /* @main-named */
    runs(with_tables, nameless); /* @main-nameless */
    runs(bare, unknown); /* @main-unknown */
    /* What is not registered any more must not be read: it is gone. */
    __deregister_frame(others);
    memset(others, 0xff, 256);
    free(others);
    runs(with_tables, forgotten); /* @main-forgotten */
    runs(make(TRAMPOLINE, sizeof TRAMPOLINE), led); /* @main-led */
    code entry = make(ENTERED, sizeof ENTERED);
    runs(entry, entered); /* @main-entered */
    runs_framed(entry, framed); /* @main-framed */
    return 0;
}
