/* A program that ends Python and begins again, as often as its argument says. Each time Python makes the same objects. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>

int main(int count, char **arguments) {
    if (count != 2) return 2;
    for (int life = atoi(arguments[1]); life > 0; life--) {
        Py_InitializeEx(0);
        if (PyRun_SimpleString("made = [bytes(size) for size in range(20000)]") != 0) return 1;
        if (Py_FinalizeEx() != 0) return 1;
    }
    return 0;
}
