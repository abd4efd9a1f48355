"""Daemon threads that allocate in C, without the GIL, while Python ends and their own states are freed.

Arguments: `library` and its path for a C library's loop; `sqlite` for SQLite, which allocates between two rows.
"""
import collections
import ctypes
import sqlite3
import sys
import threading
import time

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

ROWS = ("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
        "SELECT sum(length(hex(randomblob(300)))) FROM c")

if sys.argv[1] == "library":
    allocate = ctypes.CDLL(sys.argv[2]).allocate_slowly
else:
    def allocate():
        sqlite3.connect(":memory:").execute(ROWS).fetchone()


def deep(levels):
    if levels:
        return deep(levels - 1)
    allocate()


class Late:
    """Uses memory of all sizes when the interpreter has nearly gone, and waits for the threads to do their worst."""
    def __del__(self, sleep=time.sleep, malloc=libc.malloc, memset=libc.memset, range=range, bytes=bytes):
        for size in range(200, 1000, 16):
            for _ in range(20):
                memset(malloc(size), 0x41, size)
        kept = [bytes(size) for size in range(100, 1200)]
        sleep(0.1)


sys.late = Late()
collections.late = Late()
for _ in range(2):
    threading.Thread(target=deep, args=(40,), daemon=True).start()
time.sleep(0.05)
print("main has ended", flush=True)
