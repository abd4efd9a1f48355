/* Gives up rights, and goes on to allocate. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static atomic_int begun;

static void *churn(void *sizes) {
    for (long i = 0; i < 2000000; i++) {
        free(malloc(100 + i % 50));
        if (i == 0) begun++;
    }
    return sizes;
}

int main(int count, char **arguments) {
    const char *how = count > 1 ? arguments[1] : "";
    for (int i = 0; i < 1000; i++) free(valloc(777));
    if (!strcmp(how, "filter")) {
        /* All that its own threads need, and nothing more. */
        struct sock_filter filter[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            ALLOW(read), ALLOW(write), ALLOW(mmap), ALLOW(munmap), ALLOW(mremap), ALLOW(brk), ALLOW(futex),
            ALLOW(exit), ALLOW(exit_group), ALLOW(madvise), ALLOW(rt_sigprocmask), ALLOW(mprotect), ALLOW(rseq),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        };
        struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
        pthread_t threads[3];
        /* They exist, and have made an event, before they are confined. */
        for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, churn, NULL);
        while (begun < 3) usleep(1000);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return 1;
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program)) return 1;
        churn(NULL);
        for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    } else if (!strcmp(how, "clock")) {
        if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0)) return 1;
        churn(NULL);
    } else if (!strcmp(how, "strict")) {
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0)) return 1;
        /* (malloc itself may ask for memory, which is forbidden: small blocks come from what is there.) */
        for (int i = 0; i < 100000; i++) free(malloc(100));
        write(1, "strict\n", 7);
        syscall(SYS_exit, 5);
    }
    write(1, "ended\n", 6);
    syscall(SYS_exit_group, 5);
}
