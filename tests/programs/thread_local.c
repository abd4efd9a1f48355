/* A library with a variable of each thread's. */
static __thread int calls;

int count(void) {
    return ++calls;
}
