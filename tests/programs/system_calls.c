/* Makes system calls by number, and says what came of them: by all arguments, with errno, from a handler, in children that
   share its memory or do not, and by functions that are looked up. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PRESET = 4711 };

static int failures;

static void expect(int right, const char *what) {
    if (right) return;
    printf("wrong: %s, errno %d\n", what, errno);
    failures++;
}

/* Before the program's main function, and maybe before anything has been allocated. */
__attribute__((constructor)) static void early(void) {
    expect(syscall(SYS_getpid) == getpid(), "getpid in a constructor");
    expect(syscall(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0) == 1, "prctl in a constructor");
}

static void arguments_and_errors(void) {
    /* The last of six arguments is an offset, the seventh of `syscall` itself. */
    int file = memfd_create("pages", 0);
    char pages[2 * PAGE];
    memset(pages, 'a', PAGE);
    memset(pages + PAGE, 'b', PAGE);
    expect(write(file, pages, sizeof pages) == sizeof pages, "write");
    errno = PRESET;
    long second = syscall(SYS_mmap, NULL, (size_t)PAGE, PROT_READ, MAP_PRIVATE, file, (off_t)PAGE);
    expect(second != -1 && *(char *)second == 'b' && errno == PRESET, "mmap of the second page");
    expect(syscall(SYS_munmap, second, (size_t)PAGE) == 0 && errno == PRESET, "munmap");
    expect(syscall(SYS_mmap, NULL, (size_t)PAGE, PROT_READ, MAP_PRIVATE, file, (off_t)1) == -1 && errno == EINVAL,
           "mmap at half a page");
    expect(syscall(SYS_close, file) == 0, "close");
    expect(syscall(SYS_close, file) == -1 && errno == EBADF, "close again");
    expect(syscall(-1L) == -1 && errno == ENOSYS, "no such call");

    char name[16] = "", set[16] = "another name";
    errno = PRESET;
    expect(syscall(SYS_prctl, PR_SET_NAME, set, 0, 0, 0) == 0, "prctl to set a name");
    expect(syscall(SYS_prctl, PR_GET_NAME, name, 0, 0, 0) == 0 && !strcmp(name, set) && errno == PRESET,
           "prctl to get it");
    expect(syscall(SYS_prctl, 12345, 0, 0, 0, 0) == -1 && errno == EINVAL, "no such prctl");
    /* What libraries ask to see what the kernel knows, and a kernel that knows it refuses. */
    expect(syscall(SYS_seccomp, 0, 1, NULL) == -1 && errno == EINVAL, "strict mode with a flag");
    expect(syscall(SYS_seccomp, 1, 0, NULL) == -1 && errno == EFAULT, "a filter that is none");
    expect(syscall(SYS_prctl, PR_SET_SECCOMP, 2, NULL, 0, 0) == -1 && errno == EFAULT, "a filter that is none, by prctl");
}

static void looked_up(void) {
    long (*here)(long, ...) = (long (*)(long, ...))dlsym(RTLD_DEFAULT, "syscall");
    void *library = dlopen("libc.so.6", RTLD_NOW);
    long (*there)(long, ...) = (long (*)(long, ...))dlsym(library, "syscall");
    expect(here(SYS_getpid) == getpid() && there(SYS_getpid) == getpid(), "getpid by address");
    expect(here == there && here == syscall, "one address");
}

static int status_of(long child) {
    int status = -1;
    expect(child > 0 && waitpid((pid_t)child, &status, 0) == child && WIFEXITED(status), "a child that ends");
    return WEXITSTATUS(status);
}

static void children(void) {
    for (int i = 0; i < 20; i++) {
        char *volatile block = malloc(100);
        long child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
        if (child == 0) {
            free(malloc(50));
            syscall(SYS_exit_group, syscall(SYS_close, -1) == -1 && errno == EBADF ? 7 : 8);
        }
        expect(status_of(child) == 7, "the end of a clone");
        free(block);
    }
#ifdef __x86_64__
    /* The child shares the stack, where its parent's return address is: it calls nothing. */
    static volatile int seen;
    for (int i = 0; i < 20; i++) {
        seen = 0;
        long child = syscall(SYS_vfork);
        if (child == 0) {
            seen = 1;
            __asm__ volatile("syscall" : : "a"(SYS_exit), "D"(9) : "rcx", "r11", "memory");
        }
        expect(status_of(child) == 9 && seen, "the end of a vfork");
    }
#endif
}

static volatile sig_atomic_t handled, wrong;

static void handle(int signal) {
    (void)signal;
    int before = errno;
    if (syscall(SYS_close, -1) != -1 || errno != EBADF || syscall(SYS_gettid) <= 0) wrong++;
    char name[16];
    if (syscall(SYS_prctl, PR_GET_NAME, name, 0, 0, 0)) wrong++;
    handled++;
    errno = before;
}

static void *call(void *argument) {
    for (int i = 0; i < 100000; i++) {
        errno = PRESET;
        if (syscall(SYS_gettid) <= 0 || errno != PRESET) wrong++;
        if (syscall(SYS_close, -1) != -1 || errno != EBADF) wrong++;
        if (i % 100 == 0) free(malloc(100));
    }
    return argument;
}

/* Threads that make calls while handlers do. */
static void interrupted(void) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &every, NULL);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, call, NULL);
    call(NULL);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    while (!handled) usleep(1000);
    setitimer(ITIMER_REAL, &never, NULL);
    expect(wrong == 0, "calls that are interrupted");
}

int main(void) {
    arguments_and_errors();
    looked_up();
    children();
    interrupted();
    for (int i = 0; i < 1000; i++) free(valloc(777));
    printf("failures %d\n", failures);
    return failures == 0 ? 0 : 1;
}
