"""Allocates in several threads and says how far each has come, until somebody ends the process.

Arguments: how it ends itself (`wait` for being killed, `exit`, `_exit`, `abort`, `segfault`, `exception`,
`recursion`), and the rounds of each thread. Prints the process id, and then lines of a thread's id and how often it has allocated."""
import ctypes
import os
import sys
import threading
import time

import truth

ROUND = 20
how, rounds = sys.argv[1], int(sys.argv[2])
os.write(1, b"%d\n" % os.getpid())


def work():
    me = threading.get_native_id()
    for done in range(1, rounds + 1):
        for _ in range(ROUND):
            truth.free(truth.valloc(4000))
            bytes(1000)
        # What was allocated before this line must be in the capture.
        os.write(1, b"%d %d\n" % (me, done * ROUND))


threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
work()
for thread in threads:
    thread.join()
if how == "wait":
    time.sleep(600)
elif how == "exit":
    sys.exit(3)
elif how == "_exit":
    os._exit(3)
elif how == "abort":
    os.abort()
elif how == "segfault":
    ctypes.string_at(0)
elif how == "exception":
    raise ValueError("ends here")
elif how == "recursion":
    # Deeper than the C stack: by way of C each time, which the interpreter does not count as one of its own calls.
    sys.setrecursionlimit(1 << 30)
    recurse = lambda _: sorted([1], key=recurse)
    recurse(0)
