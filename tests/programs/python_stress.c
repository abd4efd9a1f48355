/* Interpreters that begin and end, again and again, with threads in them that allocate in Python, in C without the GIL, and
   on when their interpreter has ended; other threads delete their states. Handlers that allocate and fork interrupt all.

   Arguments: a seed, and how many interpreters. It preloads signal_safe_allocator.c. What it prints depends on its
   arguments only. */
#include "stress.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdio.h>

enum { LASTING = 8, PASSING = 3 };

/* How many threads stay in C, for good, and whether they may end. */
static int staying, calm;
static unsigned long worked, stayed, others;

static void allocate_in_c(unsigned times) {
    for (unsigned i = 0; i < times; i++) {
        void *volatile block = malloc(100 + i);
        free(block);
    }
}

/* Leaves Python for a while. */
static PyObject *visit_c(PyObject *self, PyObject *unused) {
    (void)self, (void)unused;
    Py_BEGIN_ALLOW_THREADS
    allocate_in_c(50);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* Leaves Python for good. */
static PyObject *stay_in_c(PyObject *self, PyObject *unused) {
    (void)self, (void)unused;
    Py_BEGIN_ALLOW_THREADS
    __atomic_fetch_add(&staying, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&calm, __ATOMIC_ACQUIRE)) {
        allocate_in_c(10);
        usleep(300);
    }
    interruptions(SIG_BLOCK);
    allocate_calmly();
    pthread_exit(NULL);
    Py_END_ALLOW_THREADS
    return NULL;
}

static PyMethodDef methods[] = {{"visit", visit_c, METH_NOARGS, NULL},
                                {"stay", stay_in_c, METH_NOARGS, NULL},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "incidental", NULL, -1, methods, NULL, NULL, NULL, NULL};
static PyObject *start_module(void) { return PyModule_Create(&definition); }

static void run(const char *code) {
    if (PyRun_SimpleString(code) != 0) abort();
}

static const char *const WORK = "import incidental\n"
                                "def work(number):\n"
                                "    space = {}\n"
                                "    code = f'def made(): return [bytes(n) for n in range({number})]'\n"
                                "    exec(compile(code, f'<made {number}>', 'exec'), space)\n"
                                "    incidental.visit()\n"
                                "    return len(space['made']())\n"
                                "for number in range(30): work(number)\n";
static const char *const STAY = "import incidental\n"
                                "def deep(levels):\n"
                                "    return deep(levels - 1) if levels else incidental.stay()\n"
                                "deep(30)\n";

static void *works(void *unused) {
    PyGILState_STATE state = PyGILState_Ensure();
    run(WORK);
    PyGILState_Release(state);
    __atomic_fetch_add(&worked, 1, __ATOMIC_RELAXED);
    return unused;
}

/* With a state of its own, or with one that it was given. */
static void *stays(void *state) {
    interruptions(SIG_UNBLOCK);
    if (state == NULL) {
        PyGILState_Ensure();
    } else {
        PyEval_RestoreThread(state);
    }
    run(STAY);
    return NULL;
}

/* One more thread that stays, while there is room for it. Its state may be deleted at once. */
static void add_staying(int deletes) {
    if (stayed == LASTING) return;
    PyThreadState *state = deletes ? PyThreadState_New(PyInterpreterState_Get()) : NULL;
    pthread_t *thread = &interrupted[stayed++];
    Py_BEGIN_ALLOW_THREADS
    if (pthread_create(thread, NULL, stays, state) != 0) abort();
    while ((unsigned long)__atomic_load_n(&staying, __ATOMIC_SEQ_CST) < stayed) usleep(100);
    __atomic_store_n(&interrupted_count, (int)stayed, __ATOMIC_RELEASE);
    Py_END_ALLOW_THREADS
    if (deletes) {
        PyThreadState_Clear(state);
        PyThreadState_Delete(state);
    }
}

static void live(uint64_t *random) {
    Py_InitializeEx(0);
    pthread_t passing[PASSING];
    int threads = chance(random, PASSING + 1);
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&passing[i], NULL, works, NULL) != 0) abort();
    }
    run(WORK);
    Py_BEGIN_ALLOW_THREADS
    for (int i = 0; i < threads; i++) pthread_join(passing[i], NULL);
    Py_END_ALLOW_THREADS
    if (chance(random, 2)) {
        PyThreadState *first = PyThreadState_Get(), *other = Py_NewInterpreter();
        if (other == NULL) abort();
        run("x = [bytes(n) for n in range(1000)]");
        Py_EndInterpreter(other);
        PyThreadState_Swap(first);
        others++;
    }
    if (chance(random, 2)) add_staying(chance(random, 2));
    if (Py_FinalizeEx() != 0) abort();
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    uint64_t random = strtoul(arguments[1], NULL, 10);
    unsigned long lives = strtoul(arguments[2], NULL, 10);
    begin_to_interrupt();
    PyImport_AppendInittab("incidental", start_module);
    for (unsigned long life = 0; life < lives; life++) live(&random);
    end_interruptions();
    __atomic_store_n(&calm, 1, __ATOMIC_RELEASE);
    for (unsigned long i = 0; i < stayed; i++) pthread_join(interrupted[i], NULL);
    printf("%lu worked, %lu stayed, %lu other interpreters\n", worked, stayed, others);
    return 0;
}
