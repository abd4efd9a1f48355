/* A program that starts a Python interpreter, ends it, and does so once more; it allocates with Python, without it, and
   after its end. The comment at a line says what its call counts as. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

static void at_exit(void) {
    if (memalign(16, 1001) == NULL) abort(); //#= at_exit memalign total 1/1001 leaks 1/1001
}

static PyObject *from_python(PyObject *self, PyObject *unused) {
    (void)self, (void)unused;
    free(memalign(16, 1002)); /* @from-python */
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"allocate", from_python, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "embedding", NULL, -1, methods, NULL, NULL, NULL, NULL};
static PyObject *start_module(void) { return PyModule_Create(&definition); }

/* Runs when the interpreter has nearly gone. */
static void at_python_exit(void) {
    if (memalign(16, 1003) == NULL) abort(); //#= at_python_exit memalign total 2/2006 peak 2/2006 leaks 2/2006
}

/* A thread of the program's own runs Python for a while, and ends long after that. */
static pthread_key_t key;

static void key_destructor(void *unused) {
    (void)unused;
    if (memalign(16, 1009) == NULL) abort(); //#= key_destructor memalign total 2/2018 peak 2/2018 leaks 2/2018
}

static void *visit(void *unused) {
    pthread_setspecific(key, &key);
    free(memalign(16, 1010)); //#= visit memalign total 2/2020
    PyGILState_STATE state = PyGILState_Ensure();
    if (PyRun_SimpleString("inner()\n") != 0) abort();
    PyGILState_Release(state);
    free(memalign(16, 1011)); //#= visit memalign total 2/2022
    return unused;
}

static void life(void) {
    Py_InitializeEx(0);
    if (Py_AtExit(at_python_exit) != 0) abort();
    const char *code = "import embedding\ndef inner():\n    embedding.allocate()\nfor _ in range(10): inner()\n";
    if (PyRun_SimpleString(code) != 0) abort();
    pthread_t visitor;
    Py_BEGIN_ALLOW_THREADS
    if (pthread_create(&visitor, NULL, visit, NULL) != 0 || pthread_join(visitor, NULL) != 0) abort();
    Py_END_ALLOW_THREADS
    free(memalign(16, 1004)); //#= life memalign total 2/2008
    if (Py_FinalizeEx() != 0) abort();
    if (memalign(16, 1005) == NULL) abort(); //#= life memalign total 2/2010 peak 2/2010 leaks 2/2010
}

static void *work(void *unused) {
    free(memalign(16, 1006)); //#= work memalign total 3/3018
    return unused;
}

static void in_a_thread(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, NULL) != 0 || pthread_join(thread, NULL) != 0) abort();
}

int main(void) {
    atexit(at_exit);
    if (pthread_key_create(&key, key_destructor) != 0) abort();
    free(memalign(16, 1007)); //#= main memalign total 1/1007
    if (PyImport_AppendInittab("embedding", start_module) != 0) abort();
    in_a_thread();
    life();
    in_a_thread();
    life();
    in_a_thread();
    if (memalign(16, 1008) == NULL) abort(); //#= main memalign total 1/1008 peak 1/1008 leaks 1/1008
    free(memalign(16, 1 << 28)); //#= main memalign total 1/268435456 peak 1/268435456
    return 0;
}
