/* Code that is made at run time, and the tables that say how to unwind it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void __register_frame(void *tables);
void __deregister_frame(void *tables);

typedef void (*callback)(void);
typedef void (*code)(callback);

/* sub $24, %rsp; call *%rdi; nop; add $24, %rsp; ret. No frame pointer, and something is done before it returns, so only tables
   lead on. */
static const unsigned char INSTRUCTIONS[] = {0x48, 0x83, 0xec, 24, 0xff, 0xd7, 0x90, 0x48, 0x83, 0xc4, 24, 0xc3};
enum { ROOM = 4096 };

static code make(const unsigned char *instructions, size_t bytes) {
    void *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) exit(9);
    return (code)memcpy(room, instructions, bytes);
}

static code make_code(void) {
    return make(INSTRUCTIONS, sizeof INSTRUCTIONS);
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
        0x47, 0x0e, 8,       /* 7 bytes on: at rsp + 8 */
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
