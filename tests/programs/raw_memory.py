"""Four threads use Python's raw memory without the GIL; the first argument is the library that does it."""
import ctypes
import sys
import threading

THREADS, ROUNDS = 4, 5_000
library = ctypes.CDLL(sys.argv[1])
library.raw_rounds.argtypes = [ctypes.c_uint64, ctypes.c_size_t]
together = threading.Barrier(THREADS)
statuses = []


def work(number):
    together.wait()
    statuses.append(library.raw_rounds(number, ROUNDS))  # @raw


threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library.raw_end()
assert statuses == [0] * THREADS
