// A daemon that has not allocated when the program ends that has started it: on its own, with no descriptor left. Given
// `exec`, it becomes another program first. Given `storm`, there are many processes instead, which end as soon as they
// have allocated.
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void allocate(int blocks) {
    for (int block = 0; block < blocks; block++) {
        void *volatile kept = valloc(7777);
        (void)kept;
    }
    _exit(0);
}

int main(int count, char **arguments) {
    const char *how = count > 1 ? arguments[1] : "fork";
    if (!strcmp(how, "executed")) {
        allocate(7);
    }
    int processes = strcmp(how, "storm") ? 1 : 100;
    for (int process = 0; process < processes; process++) {
        pid_t child = fork();
        if (child == 0) {
            if (processes > 1) {
                allocate(7);
            }
            setsid();
            // Nothing of the C library's runs in it until it allocates, as in a daemon that the machine has no time for.
            if (syscall(SYS_fork)) {
                _exit(0);
            }
            for (int descriptor = 0; descriptor < 256; descriptor++) {
                close(descriptor);
            }
            usleep(300 * 1000);
            if (!strcmp(how, "exec")) {
                execl("/proc/self/exe", arguments[0], "executed", (char *)0);
            }
            allocate(7);
        }
        waitpid(child, 0, 0);
    }
    _exit(3);
}
