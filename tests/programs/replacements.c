/* Replaces itself by another program in every way that there is, one after the other, and by itself at last.

   Each image keeps as many blocks as its number says, plus one: all of them must be in the capture. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char *program, next[16];
static char *arguments[] = {NULL, next, NULL};

static void *keeps_allocating(void *unused) {
    for (;;) free(malloc(500));
    return unused;
}

static void *replaces(void *unused) {
    execv(program, arguments);
    return unused;
}

static int child_status(pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Nothing shows the child its parent's recording. */
#define UNRECORDED "test -z \"$LD_PRELOAD$MEMPROF_CHANNEL\" && exit 7"

/* Children of all kinds: what they do is not the program's. */
static void children(void) {
    pid_t child;
    char *shell[] = {"sh", "-c", UNRECORDED, NULL};
    int spawned = posix_spawn(&child, "/bin/sh", NULL, NULL, shell, environ);
    printf("posix_spawn %d, %d\n", spawned, child_status(child));
    if ((child = vfork()) == 0) {
        execv("/bin/sh", shell);
        _exit(1);
    }
    printf("vfork %d\n", child_status(child));
    fflush(stdout);
    if ((child = fork()) == 0) {
        for (int i = 0; i < 1000; i++) free(pvalloc(100));
        execv("/bin/sh", shell);
        _exit(1);
    }
    printf("fork %d\n", child_status(child));
    if ((child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL)) == 0) {
        for (int i = 0; i < 1000; i++) free(pvalloc(100));
        _exit(7);
    }
    printf("clone %d\n", child_status(child));
    printf("system %d\n", WEXITSTATUS(system(UNRECORDED)));
    printf("popen %d\n", WEXITSTATUS(pclose(popen(UNRECORDED, "r"))));
    spawned = posix_spawnp(&child, "sh", NULL, NULL, shell, environ);
    printf("posix_spawnp %d, %d\n", spawned, child_status(child));
}

int main(int count, char **given) {
    int image = count > 1 ? atoi(given[1]) : 0;
    program = arguments[0] = given[0];
    sprintf(next, "%d", image + 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i <= image; i++) memset(valloc(3000 + image), 1, 3000 + image);
    printf("image %d\n", image);
    pthread_t thread;
    switch (image) {
    case 0:
        execv(program, arguments);
        break;
    case 1:
        /* (A system call by its number nobody sees.) */
        execveat(AT_FDCWD, program, arguments, environ, 0);
        break;
    case 2:
        fexecve(open(program, O_RDONLY | O_CLOEXEC), arguments, environ);
        break;
    case 3:
        /* A failure first: the image stays, and with it the recording. */
        if (execv("/nonexistent/program", arguments) != -1) return 1;
        free(valloc(3003));
        execv(program, arguments);
        break;
    case 4:
        /* From a thread, while others go on. */
        pthread_create(&thread, NULL, keeps_allocating, NULL);
        pthread_create(&thread, NULL, keeps_allocating, NULL);
        pthread_create(&thread, NULL, replaces, NULL);
        pthread_join(thread, NULL);
        break;
    case 5:
        execlp("sh", "sh", "-c", "exec \"$0\" 6", program, NULL);
        break;
    case 6:
        /* More arguments than there are registers; all but the first are for nobody. */
        execl(program, program, next, "2", "3", "4", "5", "6", "7", "8", NULL);
        break;
    case 7:
        /* With an environment of its own. */
        execle(program, program, next, NULL, (char *[]){"OWN=1", NULL});
        break;
    case 8:
        if (!getenv("OWN") || environ[1]) return 2;
        execvpe(program, arguments, (char *[]){NULL});
        break;
    case 9:
        if (environ[0]) return 3;
        execvp(program, arguments);
        break;
    default:
        children();
        return 5;
    }
    return 1;
}
