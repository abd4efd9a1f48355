/* Allocates at the end of stacks of every shape. Comments say what the stacks are;
   tests/support/native_expectations.rs explains. */
#define _GNU_SOURCE
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* What is stored in here cannot be optimised away. */
static void *volatile kept;
#define KEEP(size) (kept = malloc(size))
/* A function that the compiler knows nothing about. */
#define FRAME __attribute__((noipa))
/* After a call: it is no tail call then. */
#define STAY __asm__ volatile("" ::: "memory")
#define INLINED static inline __attribute__((always_inline))

static void expect(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        exit(9);
    }
}

/* Plain calls. */
FRAME static void plain_inner(void) {
    KEEP(1000001); /* @plain-inner */
}
FRAME static void plain_middle(int twice) {
    plain_inner(); /* @plain-middle */
    if (twice) {
        KEEP(1000002); /* @plain-again */
    }
}
FRAME static void plain(void) {
    plain_middle(1); /* @plain */
    STAY;
}
//stack 1000001: main@main-plain / plain@plain / plain_middle@plain-middle / plain_inner@plain-inner
//stack 1000002: main@main-plain / plain@plain / plain_middle@plain-again

/* Inlined functions are frames of their own. */
INLINED void inlined_inner(size_t size) {
    KEEP(size); /* @inlined-inner */
}
INLINED void inlined_outer(size_t size) {
    inlined_inner(size); /* @inlined-first */
    inlined_inner(size + 1); /* @inlined-second */
}
FRAME static void inlined(void) {
    inlined_outer(1000003); /* @inlined */
    plain_middle(0); /* @inlined-plain */
    KEEP(1000005); /* @inlined-own */
}
//stack 1000003: main@main-inlined / inlined@inlined / inlined_outer@inlined-first / inlined_inner@inlined-inner
//stack 1000004: main@main-inlined / inlined@inlined / inlined_outer@inlined-second / inlined_inner@inlined-inner
//stack 1000001: main@main-inlined / inlined@inlined-plain / plain_middle@plain-middle / plain_inner@plain-inner
//stack 1000005: main@main-inlined / inlined@inlined-own

/* Also in the middle of a stack. */
FRAME static void calls_back(void (*function)(void)) {
    function(); /* @calls-back */
    STAY;
}
INLINED void inlined_caller(void (*function)(void)) {
    calls_back(function); /* @inlined-caller */
}
FRAME static void from_inlined(void) {
    KEEP(1000006); /* @from-inlined */
}
FRAME static void inlined_in_the_middle(void) {
    inlined_caller(from_inlined); /* @inlined-middle */
    STAY;
}
//stack 1000006: main@main-middle / inlined_in_the_middle@inlined-middle / inlined_caller@inlined-caller / calls_back@calls-back / from_inlined@from-inlined

/* Recursion. */
FRAME static int recursion(int depth) {
    if (depth == 1) {
        KEEP(1000007); /* @recursion-end */
        return 1;
    }
    int result = recursion(depth - 1); /* @recursion */
    STAY;
    return result + 1;
}
//stack 1000007: main@main-recursion / recursion@recursion * 299 / recursion@recursion-end

/* A call at the end of a function that becomes a jump: the function is gone. */
FRAME static void tail_called(void) {
    KEEP(1000008); /* @tail-called */
}
FRAME __attribute__((optimize("O2"))) static void calls_its_tail(void) {
    tail_called();
}
FRAME static void before_tail(void) {
    calls_its_tail(); /* @before-tail */
    STAY;
}
//stack 1000008: main@main-tail / before_tail@before-tail / tail_called@tail-called

/* A call that never returns, as the last instruction of a function: the return address is the next function's. */
static jmp_buf way_out;
static void *returns_to;
FRAME static __attribute__((noreturn)) void never_returns(void) {
    returns_to = __builtin_return_address(0);
    KEEP(1000009); /* @never-returns */
    longjmp(way_out, 1);
}
FRAME static __attribute__((noreturn)) void ends_with_a_call(void) {
    never_returns(); /* @ends-with-a-call */
}
FRAME static void after_the_end(void) {
    KEEP(1000010); /* @after-the-end */
}
FRAME static void noreturn_at_the_end(void) {
    if (setjmp(way_out) == 0) ends_with_a_call(); /* @noreturn */
    expect(returns_to == (void *)after_the_end, "the call is not at the end of the function");
    after_the_end(); /* @noreturn-after */
    STAY;
}
//stack 1000009: main@main-noreturn / noreturn_at_the_end@noreturn / ends_with_a_call@ends-with-a-call / never_returns@never-returns
//stack 1000010: main@main-noreturn / noreturn_at_the_end@noreturn-after / after_the_end@after-the-end

/* A part of a function that the compiler puts elsewhere. */
FRAME static __attribute__((cold)) void rarely_called(void) {
    KEEP(1000011); /* @rarely-called */
}
FRAME static int has_cold_part(int number) {
    if (__builtin_expect(number == 77, 0)) {
        rarely_called(); /* @cold-part */
        KEEP(1000012); /* @cold-part-own */
        return number + 1;
    }
    return number / 3;
}
//stack 1000011: main@main-cold / has_cold_part@cold-part / rarely_called@rarely-called
//stack 1000012: main@main-cold / has_cold_part@cold-part-own

/* Signals: raised by a call, on the normal stack and on one of its own. */
FRAME static void in_handler(size_t size) {
    KEEP(size); /* @in-handler */
}
static void on_raise(int signal) {
    in_handler(signal == SIGUSR1 ? 1000013 : 1000014); /* @on-raise */
    STAY;
}
FRAME static void raises(int signal) {
    raise(signal); /* @raises */
    STAY;
}
//stack 1000013: main@main-raise / raises@raises / ... / on_raise@on-raise / in_handler@in-handler
//stack 1000014: main@main-raise-alternate / raises@raises / ... / on_raise@on-raise / in_handler@in-handler

/* A signal that interrupts a function at its very first instruction. */
static void on_fault(int signal, siginfo_t *information, void *context) {
    ucontext_t *interrupted = context;
    interrupted->uc_mcontext.gregs[REG_RIP] += 2;
    in_handler(signal == SIGILL && information->si_addr ? 1000015 : 1); /* @on-fault */
    STAY;
}
__attribute__((naked, noipa)) static void faults(void) { __asm__("ud2; ret"); } /* @faults */
FRAME static void calls_what_faults(void) {
    faults(); /* @calls-what-faults */
    STAY;
}
//stack 1000015: main@main-fault / calls_what_faults@calls-what-faults / faults@faults / ~ / on_fault@on-fault / in_handler@in-handler

/* One that interrupts another handler, on the alternate stack. */
static void on_second(int signal) {
    in_handler(1000016 + (signal == SIGUSR1)); /* @on-second */
    STAY;
}
static void on_first(int signal) {
    raise(SIGVTALRM + (signal == 0)); /* @on-first */
    STAY;
}
//stack 1000016: main@main-nested / raises@raises / ... / on_first@on-first / ... / on_second@on-second / in_handler@in-handler

static void handle(int signal, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    expect(sigaction(signal, &action, NULL) == 0, "sigaction");
}
static void set_up_signals(void) {
    stack_t alternate = {.ss_sp = calloc(1, 256 * 1024), .ss_size = 256 * 1024};
    expect(sigaltstack(&alternate, NULL) == 0, "sigaltstack");
    handle(SIGUSR1, on_raise, 0);
    handle(SIGUSR2, on_raise, SA_ONSTACK);
    handle(SIGILL, (void (*)(int))(void *)on_fault, SA_SIGINFO | SA_ONSTACK);
    handle(SIGPROF, on_first, SA_ONSTACK);
    handle(SIGVTALRM, on_second, SA_ONSTACK);
}

/* Out of deep frames at once. */
FRAME static int deep(int depth) {
    if (depth == 0) {
        KEEP(1000018); /* @deep-end */
        longjmp(way_out, 1);
    }
    int result = depth < 0 ? 0 : deep(depth - 1); /* @deep */
    STAY;
    return result + 1;
}
FRAME static void after_jump(void) {
    KEEP(1000019); /* @after-jump */
}
FRAME static void jumps(void) {
    if (setjmp(way_out) == 0) {
        deep(100); /* @jumps */
    } else {
        after_jump(); /* @jumped */
        STAY;
    }
}
//stack 1000018: main@main-jumps / jumps@jumps / deep@deep * 100 / deep@deep-end
//stack 1000019: main@main-jumps / jumps@jumped / after_jump@after-jump

/* Coroutines: stacks of their own, without what resumed them. */
static ucontext_t scheduler, coroutines[2];
FRAME static void yields(int number) {
    expect(swapcontext(&coroutines[number], &scheduler) == 0, "swapcontext");
    STAY;
}
FRAME static void in_coroutine(int number, int size) {
    KEEP(size + number); /* @in-coroutine */
    yields(number);
    KEEP(size + 2 + number); /* @in-coroutine-resumed */
}
static void first_coroutine(void) {
    in_coroutine(0, 1000020); /* @first-coroutine */
    STAY;
}
static void second_coroutine(void) {
    in_coroutine(1, 1000020); /* @second-coroutine */
    STAY;
}
FRAME static void resumes(int number) {
    expect(swapcontext(&scheduler, &coroutines[number]) == 0, "swapcontext");
    KEEP(1000024); /* @resumes */
}
FRAME static void runs_coroutines(void) {
    for (int number = 0; number < 2; number++) {
        getcontext(&coroutines[number]);
        coroutines[number].uc_stack.ss_sp = calloc(1, 64 * 1024);
        coroutines[number].uc_stack.ss_size = 64 * 1024;
        coroutines[number].uc_link = &scheduler;
        makecontext(&coroutines[number], number ? second_coroutine : first_coroutine, 0);
    }
    resumes(0); /* @coroutines-start-first */
    resumes(1); /* @coroutines-start-second */
    resumes(0); /* @coroutines-resume-first */
    resumes(1); /* @coroutines-resume-second */
}
//stack 1000024: main@main-coroutines / runs_coroutines@coroutines-start-first / resumes@resumes
//stack 1000024: main@main-coroutines / runs_coroutines@coroutines-start-second / resumes@resumes
//stack 1000024: main@main-coroutines / runs_coroutines@coroutines-resume-first / resumes@resumes
//stack 1000024: main@main-coroutines / runs_coroutines@coroutines-resume-second / resumes@resumes
//stack 1000020: ~ / first_coroutine@first-coroutine / in_coroutine@in-coroutine
//stack 1000021: ~ / second_coroutine@second-coroutine / in_coroutine@in-coroutine
//stack 1000022: ~ / first_coroutine@first-coroutine / in_coroutine@in-coroutine-resumed
//stack 1000023: ~ / second_coroutine@second-coroutine / in_coroutine@in-coroutine-resumed

/* Frames of unknown size, and large ones. */
FRAME static void in_large_frame(size_t size) {
    KEEP(size); /* @in-large-frame */
}
FRAME static void uses(void *room) { *(volatile char *)room = 1; }
FRAME static void has_alloca(size_t room) {
    uses(alloca(room));
    in_large_frame(1000025); /* @alloca */
    STAY;
}
FRAME static void has_variable_array(int length) {
    int numbers[length];
    uses(numbers);
    in_large_frame(1000026); /* @variable-array */
    STAY;
}
FRAME static void has_20_kib(void) {
    char room[20 * 1024];
    uses(room);
    in_large_frame(1000027); /* @has-20-kib */
    STAY;
}
FRAME static void has_3_mib(void) {
    char room[3 << 20];
    uses(room);
    in_large_frame(1000028); /* @has-3-mib */
    STAY;
}
FRAME static void has_alloca_of_2_mib(void) {
    has_alloca(2 << 20); /* @alloca-2-mib */
    STAY;
}
//stack 1000025: main@main-alloca / has_alloca@alloca / in_large_frame@in-large-frame
//stack 1000026: main@main-variable-array / has_variable_array@variable-array / in_large_frame@in-large-frame
//stack 1000027: main@main-20-kib / has_20_kib@has-20-kib / in_large_frame@in-large-frame
//stack 1000028: main@main-3-mib / has_3_mib@has-3-mib / in_large_frame@in-large-frame
//stack 1000025: main@main-alloca-2-mib / has_alloca_of_2_mib@alloca-2-mib / has_alloca@alloca / in_large_frame@in-large-frame

/* Functions that align the stack by themselves: where the frame is stands in the stack. */
FRAME __attribute__((force_align_arg_pointer)) static void realigns(int a, int b) {
    in_large_frame(1000029 + a + b); /* @realigns */
    STAY;
}
FRAME static void has_aligned_locals(size_t room, int a, int b, int c, int d, int e, int f, int on_stack) {
    char aligned[64] __attribute__((aligned(256)));
    uses(aligned);
    uses(alloca(room));
    expect((uintptr_t)aligned % 256 == 0, "alignment");
    in_large_frame(1000030 + a + b + c + d + e + f + on_stack); /* @aligned-locals */
    STAY;
}
//stack 1000029: main@main-realigns / realigns@realigns / in_large_frame@in-large-frame
//stack 1000030: main@main-aligned / has_aligned_locals@aligned-locals / in_large_frame@in-large-frame

/* Through the C library and back. */
static int compares(const void *one, const void *other) {
    static int first = 1;
    if (first) KEEP(1000031); /* @compares */
    first = 0;
    return *(const int *)one - *(const int *)other;
}
FRAME static void sorts(void) {
    int numbers[] = {3, 1, 2};
    qsort(numbers, 3, sizeof *numbers, compares); /* @sorts */
    STAY;
}
//stack 1000031: main@main-sorts / sorts@sorts / ... / compares@compares

/* Threads: the stack that created them, and then their own. */
static pthread_key_t key;
static void at_thread_s_end(void *size) {
    KEEP((size_t)size); /* @at-thread-end */
}
FRAME static void works(size_t size) {
    KEEP(size); /* @works */
}
static void *second_thread(void *argument) {
    works(1000033); /* @second-thread */
    return argument;
}
FRAME static void starts(void *(*function)(void *)) {
    pthread_t thread;
    expect(pthread_create(&thread, NULL, function, NULL) == 0, "pthread_create"); /* @starts */
    expect(pthread_join(thread, NULL) == 0, "pthread_join");
}
static void *first_thread(void *argument) {
    works(1000032); /* @first-thread */
    pthread_setspecific(key, (void *)1000034);
    starts(second_thread); /* @first-thread-starts */
    return argument;
}
//stack 1000032: main@main-threads / starts@starts / | / first_thread@first-thread / works@works
//stack 1000033: main@main-threads / starts@starts / | / first_thread@first-thread-starts / starts@starts / | / second_thread@second-thread / works@works
//stack 1000034: main@main-threads / starts@starts / | / ~ / at_thread_s_end@at-thread-end

/* A thread that has not allocated when its creator is long gone, and then does. */
static pthread_barrier_t barrier;
static void *late_thread(void *argument) {
    pthread_barrier_wait(&barrier);
    works(1000035); /* @late-thread */
    return argument;
}
FRAME static pthread_t starts_late(void) {
    pthread_t thread;
    expect(pthread_create(&thread, NULL, late_thread, NULL) == 0, "pthread_create"); /* @starts-late */
    return thread;
}
FRAME static void has_late_thread(void) {
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_t thread = starts_late(); /* @has-late-thread */
    in_large_frame(1000046); /* @meanwhile */
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
}
//stack 1000046: main@main-late / has_late_thread@meanwhile / in_large_frame@in-large-frame
//stack 1000035: main@main-late / has_late_thread@has-late-thread / starts_late@starts-late / | / late_thread@late-thread / works@works

/* Children. What a forked one allocates is its own; a vforked one lives in its parent's memory and stack. */
FRAME static void forks(void) {
    pid_t child = fork();
    if (child == 0) {
        KEEP(1000036);
        _exit(3);
    }
    int status;
    expect(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3, "fork");
    KEEP(1000037); /* @forks */
    child = vfork();
    if (child == 0) {
        KEEP(1000038); /* @vforked */
        _exit(4);
    }
    expect(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 4, "vfork");
}
//stack 1000037: main@main-forks / forks@forks
//stack 1000038: main@main-forks / forks@vforked

/* What runs at the end, after main. */
static void at_the_end(void) {
    in_large_frame(1000039); /* @at-the-end */
    STAY;
}
//stack 1000039: ~ / at_the_end@at-the-end / in_large_frame@in-large-frame

/* Before main. */
__attribute__((constructor)) static void before_main(void) {
    KEEP(1000040); /* @before-main */
}
//stack 1000040: ~ / before_main@before-main

/* While a library is being loaded: its constructor (the library's source is loaded_library.c). */
FRAME static void *loads(const char *path) {
    void *library = dlopen(path, RTLD_NOW); /* @loads */
    expect(library != NULL, "dlopen");
    return library;
}
FRAME static void uses_library(const char *path) {
    void *library = loads(path); /* @uses-library */
    int (*exported)(void) = (int (*)(void))dlsym(library, "exported");
    exported(); /* @calls-library */
    dlclose(library); /* @closes-library */
    STAY;
}

int main(int count, char **arguments) {
    expect(count == 2, "which library?");
    atexit(at_the_end);
    expect(pthread_key_create(&key, at_thread_s_end) == 0, "pthread_key_create");
    plain(); /* @main-plain */
    inlined(); /* @main-inlined */
    inlined_in_the_middle(); /* @main-middle */
    recursion(300); /* @main-recursion */
    before_tail(); /* @main-tail */
    noreturn_at_the_end(); /* @main-noreturn */
    has_cold_part(77); /* @main-cold */
    set_up_signals();
    raises(SIGUSR1); /* @main-raise */
    raises(SIGUSR2); /* @main-raise-alternate */
    calls_what_faults(); /* @main-fault */
    raises(SIGPROF); /* @main-nested */
    jumps(); /* @main-jumps */
    runs_coroutines(); /* @main-coroutines */
    has_alloca(777); /* @main-alloca */
    has_variable_array(1234); /* @main-variable-array */
    has_20_kib(); /* @main-20-kib */
    has_3_mib(); /* @main-3-mib */
    has_alloca_of_2_mib(); /* @main-alloca-2-mib */
    realigns(1, -1); /* @main-realigns */
    has_aligned_locals(555, 1, 2, 3, -3, -2, -2, 1); /* @main-aligned */
    sorts(); /* @main-sorts */
    starts(first_thread); /* @main-threads */
    has_late_thread(); /* @main-late */
    forks(); /* @main-forks */
    uses_library(arguments[1]); /* @main-library */
    return 0;
}
