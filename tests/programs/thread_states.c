/* A program that runs Python and takes the state away from under a thread that allocates in C, without the GIL, deep in
   Python functions.

   Arguments: what takes it away, and how often.
   `deleted`: another thread deletes the state.
   `interpreters`: other interpreters begin and end.
   `restarts`: the interpreter ends, and begins again.

   At the end, when all is calm, each thread makes CALM blocks of 12345 bytes. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 3, CALM = 1000 };

/* How many threads allocate, and whether they may go on. */
static volatile int allocating, calm;

/* Never returns to Python: when it may, its state has gone. */
static PyObject *allocate(PyObject *self, PyObject *unused) {
    (void)self, (void)unused;
    Py_BEGIN_ALLOW_THREADS
    __atomic_fetch_add(&allocating, 1, __ATOMIC_SEQ_CST);
    while (!calm) {
        for (int i = 0; i < 10; i++) {
            void *volatile block = malloc(100);
            free(block);
        }
        usleep(200);
    }
    for (int i = 0; i < CALM; i++) {
        void *volatile block = valloc(12345);
        free(block);
    }
    pthread_exit(NULL);
    Py_END_ALLOW_THREADS
    return NULL;
}

static PyMethodDef methods[] = {{"allocate", allocate, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "endless", NULL, -1, methods, NULL, NULL, NULL, NULL};
static PyObject *start_module(void) { return PyModule_Create(&definition); }

static void run_deep(void) {
    const char *code = "import endless\n"
                       "def deep(levels):\n"
                       "    return deep(levels - 1) if levels else endless.allocate()\n"
                       "deep(40)\n";
    if (PyRun_SimpleString(code) != 0) abort();
}

static void *with_own_state(void *unused) {
    (void)unused;
    PyGILState_Ensure();
    run_deep();
    return NULL;
}

static void *with_given_state(void *state) {
    PyEval_RestoreThread(state);
    run_deep();
    return NULL;
}

/* What was a thread's state is somebody else's memory. */
static void use_freed_memory(void) {
    for (size_t size = 200; size < 1000; size += 16) {
        for (int i = 0; i < 20; i++) {
            void *block = malloc(size);
            if (block == NULL) abort();
            memset(block, 0x41, size);
        }
    }
    usleep(10 * 1000);
}

static void start(pthread_t *thread, void *(*work)(void *), void *argument) {
    if (pthread_create(thread, NULL, work, argument) != 0) abort();
}

static void wait_until_they_allocate(int threads) {
    while (allocating < threads) usleep(100);
}

static int deleted(int times, pthread_t *threads) {
    for (int i = 0; i < times; i++) {
        PyThreadState *state = PyThreadState_New(PyInterpreterState_Get());
        start(&threads[i], with_given_state, state);
        Py_BEGIN_ALLOW_THREADS
        wait_until_they_allocate(i + 1);
        Py_END_ALLOW_THREADS
        PyThreadState_Clear(state);
        PyThreadState_Delete(state);
        use_freed_memory();
    }
    return times;
}

static int interpreters(int times, pthread_t *threads) {
    for (int i = 0; i < THREADS; i++) start(&threads[i], with_own_state, NULL);
    Py_BEGIN_ALLOW_THREADS
    wait_until_they_allocate(THREADS);
    Py_END_ALLOW_THREADS
    PyThreadState *first = PyThreadState_Get();
    for (int i = 0; i < times; i++) {
        PyThreadState *other = Py_NewInterpreter();
        if (other == NULL || PyRun_SimpleString("x = [bytes(n) for n in range(1000)]") != 0) abort();
        Py_EndInterpreter(other);
        PyThreadState_Swap(first);
        use_freed_memory();
    }
    return THREADS;
}

static int restarts(int times, pthread_t *threads) {
    for (int i = 0; i < times; i++) {
        start(&threads[i], with_own_state, NULL);
        Py_BEGIN_ALLOW_THREADS
        wait_until_they_allocate(i + 1);
        Py_END_ALLOW_THREADS
        Py_FinalizeEx();
        use_freed_memory();
        Py_InitializeEx(0);
    }
    return times;
}

int main(int count, char **arguments) {
    if (count < 3) return 2;
    int times = atoi(arguments[2]);
    pthread_t *threads = calloc(times + THREADS, sizeof *threads);
    PyImport_AppendInittab("endless", start_module);
    Py_InitializeEx(0);
    int started = !strcmp(arguments[1], "deleted") ? deleted(times, threads)
                  : !strcmp(arguments[1], "restarts") ? restarts(times, threads)
                                                      : interpreters(times, threads);
    calm = 1;
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    printf("%d threads\n", started);
    return 0;
}
