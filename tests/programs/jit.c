/* Makes code at run time: with unwind tables and a name, with tables alone, and with neither. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void __register_frame(void *tables);
void __deregister_frame(void *tables);

static void *volatile kept;
typedef void (*callback)(void);
typedef void (*code)(callback);

__attribute__((noipa)) static void named(void) { kept = malloc(1000001); /* @named */ }
__attribute__((noipa)) static void nameless(void) { kept = malloc(1000002); /* @nameless */ }
__attribute__((noipa)) static void unknown(void) { kept = malloc(1000003); /* @unknown */ }
__attribute__((noipa)) static void forgotten(void) { kept = malloc(1000004); /* @forgotten */ }

/* sub $24, %rsp; call *%rdi; add $24, %rsp; ret. No frame pointer, so only tables lead on. */
static const unsigned char INSTRUCTIONS[] = {0x48, 0x83, 0xec, 24, 0xff, 0xd7, 0x48, 0x83, 0xc4, 24, 0xc3};
enum { ROOM = 4096 };

static code make_code(void) {
    void *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) exit(9);
    return (code)memcpy(room, INSTRUCTIONS, sizeof INSTRUCTIONS);
}

/* An .eh_frame of one CIE, one FDE and the end. */
static unsigned char *tables_of(code function) {
    static const unsigned char COMMON[] = {
        1, 0,                /* version 1, no augmentation */
        1, 0x78, 16,         /* code by 1, data by -8, return address in column 16 */
        0x0c, 7, 8,          /* the frame is at rsp + 8 */
        0x90, 1,             /* the return address is at the frame - 8 */
        0, 0                 /* padding */
    };
    static const unsigned char CHANGES[] = {
        0x44, 0x0e, 32,      /* 4 bytes on: the frame is at rsp + 32 */
        0x46, 0x0e, 8,       /* 6 bytes on: at rsp + 8 */
        0, 0                 /* padding */
    };
    unsigned char *tables = calloc(1, 256), *at = tables;
    uint32_t length = 4 + sizeof COMMON, zero = 0;
    at = mempcpy(at, &length, 4);
    at = mempcpy(at, &zero, 4);
    at = mempcpy(at, COMMON, sizeof COMMON);
    length = 4 + 16 + sizeof CHANGES;
    at = mempcpy(at, &length, 4);
    uint32_t back = (uint32_t)(at - tables);
    at = mempcpy(at, &back, 4);
    uint64_t start = (uintptr_t)function, size = sizeof INSTRUCTIONS;
    at = mempcpy(at, &start, 8);
    at = mempcpy(at, &size, 8);
    at = mempcpy(at, CHANGES, sizeof CHANGES);
    memcpy(at, &zero, 4);
    return tables;
}

__attribute__((noipa)) static void runs(code function, callback back) {
    function(back); /* @runs */
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
    return 0;
}
