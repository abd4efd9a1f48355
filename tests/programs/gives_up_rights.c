/* Gives up rights, and goes on to allocate, and to map. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* All that its own threads need, and nothing more. */
static struct sock_filter only_little[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(read), ALLOW(write), ALLOW(mmap), ALLOW(munmap), ALLOW(mremap), ALLOW(brk), ALLOW(futex),
    ALLOW(exit), ALLOW(exit_group), ALLOW(madvise), ALLOW(rt_sigprocmask), ALLOW(mprotect), ALLOW(rseq),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};
/* All but asking what a descriptor refers to. */
static struct sock_filter all_but_fstat[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fstat, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
static struct sock_fprog little = {sizeof only_little / sizeof *only_little, only_little};
static struct sock_fprog much = {sizeof all_but_fstat / sizeof *all_but_fstat, all_but_fstat};

static atomic_int begun, confined;

static void *churn(void *sizes) {
    for (long i = 0; i < 2000000; i++) {
        free(malloc(100 + i % 50));
        if (i == 0) begun++;
    }
    return sizes;
}

static int file;

static void map_file(int times) {
    enum { BYTES = 5 * 4096 };
    for (int i = 0; i < times; i++) {
        void *start = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, file, 0);
        if (start == MAP_FAILED || munmap(start, BYTES)) _exit(3);
    }
}

static void *keep_mapping(void *argument) {
    for (map_file(10), begun++; !confined;) map_file(10);
    map_file(1000);
    return argument;
}

/* Puts a filter on itself, by one of three calls; by the last on all threads. */
static int confine(const char *how, struct sock_fprog *filter) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
    if (strstr(how, "by prctl")) return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter);
    if (strstr(how, "by number")) return syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter);
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, filter);
}

static int strict(const char *how) {
    if (strstr(how, "by number")) return syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
    if (strstr(how, "by seccomp")) return syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL);
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
}

static int is(const char *how, const char *what) { return !strncmp(how, what, strlen(what)); }

int main(int count, char **arguments) {
    const char *how = count > 1 ? arguments[1] : "";
    for (int i = 0; i < 1000; i++) free(valloc(777));
    if (is(how, "filter")) {
        pthread_t threads[3];
        /* They exist, and have made an event, before they are confined. */
        for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, churn, NULL);
        while (begun < 3) usleep(1000);
        if (confine(how, &little)) return 1;
        churn(NULL);
        for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    } else if (is(how, "files")) {
        file = open(arguments[0], O_RDONLY);
        map_file(1000);
        if (confine(how, &little)) return 1;
        map_file(1000);
    } else if (is(how, "threads")) {
        /* One is confined by another, wherever it is. */
        file = open(arguments[0], O_RDONLY);
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, keep_mapping, NULL);
        while (begun < 2) usleep(100);
        if (confine(how, &little)) return 1;
        confined = 1;
        for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    } else if (is(how, "child")) {
        /* It has the filter of its parent. */
        file = open(arguments[0], O_RDONLY);
        map_file(1000);
        if (confine(how, &much)) return 1;
        pid_t child = fork();
        if (child == 0) {
            map_file(1000);
            _exit(7);
        }
        int status;
        if (waitpid(child, &status, 0) != child || status != 7 << 8) return 1;
    } else if (is(how, "clock")) {
        int number = strstr(how, "by number") != NULL;
        if (number ? syscall(SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0)
                   : prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0)) return 1;
        churn(NULL);
    } else if (is(how, "strict")) {
        if (strict(how)) return 1;
        /* (malloc itself may ask for memory, which is forbidden: small blocks come from what is there.) */
        for (int i = 0; i < 100000; i++) free(malloc(100));
        write(1, "strict\n", 7);
        syscall(SYS_exit, 5);
    }
    write(1, "ended\n", 6);
    syscall(SYS_exit_group, 5);
}
