"""Threads that run at the same time, where Python has no global lock. The first argument says what they do.

`own`: each runs a function of its own.
`same`: all run the same functions, and generators that another one has begun.
`new`: each makes functions, calls them once and drops them.

They make blocks by C's malloc, for which they detach, and bytes objects, which Python's own allocators make. From the size of
a block follows which function must have made it.
"""
import ctypes
import gc
import sys
import threading

THREADS = int(sys.argv[2])
ROUNDS = int(sys.argv[3])
# Larger than what Python makes for itself in these functions.
LEAST = 100_000

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
free = libc.free
malloc = libc.malloc
together = threading.Barrier(THREADS)
failed = []


def run(work):
    def guarded(number):
        together.wait()
        try:
            work(number)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def own():
    code = """\
def own_%(number)d():
    for _ in range(ROUNDS):
        free(malloc(LEAST + 10 * %(number)d))
        bytes(LEAST + 10 * %(number)d + 1000)
"""
    names = {"free": free, "malloc": malloc, "LEAST": LEAST, "ROUNDS": ROUNDS}
    for number in range(THREADS):
        exec(compile(code % {"number": number}, "own.py", "exec"), names)
    run(lambda number: names[f"own_{number}"]())


def begun(number):
    while True:
        yield bytes(LEAST + 30_000)


def same():
    generators = [begun(number) for number in range(THREADS)]
    for generator in generators:
        next(generator)

    def same_function(number):
        for _ in range(ROUNDS):
            free(malloc(LEAST + 10_000))
            bytes(LEAST + 20_000)
            next(generators[number])
            free(
                malloc(
                    LEAST + 40_000
                )
            )

    run(same_function)


def new():
    code = """\
def new_%(number)d_%(turn)d():
    free(malloc(LEAST + %(number)d * 10_000 + %(turn)d))
    return bytes(LEAST + %(number)d * 10_000 + %(turn)d + 5_000)
"""

    def make(number):
        for turn in range(ROUNDS):
            names = {"free": free, "malloc": malloc, "LEAST": LEAST}
            exec(compile(code % {"number": number, "turn": turn}, f"new_{number}.py", "exec"), names)
            names[f"new_{number}_{turn}"]()
            del names
            if turn % 10 == number:
                gc.collect()

    run(make)


assert sys.version_info < (3, 13) or sys._is_gil_enabled() == ("free-threading" not in sys.version)
{"own": own, "same": same, "new": new}[sys.argv[1]]()
