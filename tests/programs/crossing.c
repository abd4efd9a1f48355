/* An extension module that Python calls, and that calls Python back. Its allocations have sizes that nothing else has. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <stdlib.h>

#define FRAME __attribute__((noipa))
#define STAY __asm__ volatile("" ::: "memory")

static void *volatile kept;
FRAME static void allocates(size_t size) {
    kept = malloc(size); /* @c-allocates */
}

/* inner(size): allocates. */
FRAME static PyObject *inner(PyObject *module, PyObject *size) {
    (void)module;
    allocates(PyLong_AsSize_t(size)); /* @c-inner */
    Py_RETURN_NONE;
}

/* outer(function, argument): calls it. */
FRAME static PyObject *calls(PyObject *function, PyObject *argument) {
    PyObject *result = PyObject_CallFunctionObjArgs(function, argument, NULL); /* @c-calls */
    STAY;
    return result;
}
FRAME static PyObject *outer(PyObject *module, PyObject *arguments) {
    PyObject *function, *argument;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OO", &function, &argument)) return NULL;
    PyObject *result = calls(function, argument); /* @c-outer */
    STAY;
    return result;
}

/* recovers(function, size): calls it, forgets its exception, and allocates. */
FRAME static PyObject *recovers(PyObject *module, PyObject *arguments) {
    PyObject *function, *size;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OO", &function, &size)) return NULL;
    PyObject *result = calls(function, size); /* @c-recovers */
    if (result == NULL) PyErr_Clear();
    Py_XDECREF(result);
    allocates(PyLong_AsSize_t(size) + (result == NULL)); /* @c-recovered */
    Py_RETURN_NONE;
}

/* advances(iterator): takes one more item. */
FRAME static PyObject *advances(PyObject *module, PyObject *iterator) {
    (void)module;
    PyObject *item = PyIter_Next(iterator); /* @c-advances */
    STAY;
    return item;
}

/* clears(list): drops what is in it. */
FRAME static PyObject *clears(PyObject *module, PyObject *list) {
    (void)module;
    PyList_SetSlice(list, 0, PyList_Size(list), NULL); /* @c-clears */
    Py_RETURN_NONE;
}

/* For ctypes. */
FRAME void calls_pointer(void (*function)(size_t), size_t size) {
    function(size); /* @c-pointer */
    STAY;
}

/* in_thread(function, argument): calls it in a thread that Python knows nothing of. */
FRAME static void *in_own_thread(void *argument) {
    PyObject **both = argument;
    PyGILState_STATE state = PyGILState_Ensure();
    Py_XDECREF(calls(both[0], both[1])); /* @c-thread */
    PyGILState_Release(state);
    allocates(PyThread_get_thread_ident() == 0 ? 0 : 1000099); /* @c-thread-end */
    return NULL;
}
FRAME static PyObject *in_thread(PyObject *module, PyObject *arguments) {
    PyObject *both[2];
    pthread_t thread;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OO", &both[0], &both[1])) return NULL;
    int failed = pthread_create(&thread, NULL, in_own_thread, both); /* @c-creates */
    Py_BEGIN_ALLOW_THREADS
    if (!failed) pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(failed);
}

/* Caller: a type whose slots call Python. */
FRAME static PyObject *adds(PyObject *function, PyObject *argument) {
    PyObject *result = calls(PyTuple_GetItem(function, 0), argument); /* @c-adds */
    STAY;
    return result;
}
static PyType_Slot caller_slots[] = {{Py_nb_matrix_multiply, adds}, {0, NULL}};
static PyType_Spec caller = {"crossing.Caller", 0, 0, Py_TPFLAGS_DEFAULT, caller_slots};

static PyMethodDef methods[] = {
    {"inner", inner, METH_O, NULL},
    {"outer", outer, METH_VARARGS, NULL},
    {"recovers", recovers, METH_VARARGS, NULL},
    {"advances", advances, METH_O, NULL},
    {"clears", clears, METH_O, NULL},
    {"in_thread", in_thread, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "crossing", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_crossing(void) {
    PyObject *module = PyModule_Create(&definition);
    PyObject *bases = Py_BuildValue("(O)", &PyTuple_Type);
    PyModule_AddObject(module, "Caller", PyType_FromSpecWithBases(&caller, bases));
    Py_DECREF(bases);
    return module;
}
