"""Allocates in interpreters within the interpreter, one after the other and in threads, and says how often."""
import os
import sys
import threading

try:
    import _interpreters  # 3.13
except ImportError:
    import _xxsubinterpreters as _interpreters

CODE = """
import sys
sys.path[:0] = [%r]
import truth
for _ in range(25):
    truth.free(truth.valloc(30_000))
kept = truth.pvalloc(5000)
""" % os.path.dirname(os.path.abspath(__file__))
# Modules of the older kind do not go into interpreters that keep the GIL to themselves.
legacy = ("legacy",) if sys.version_info >= (3, 13) else ()


def run():
    interpreter = _interpreters.create(*legacy) if legacy else _interpreters.create(isolated=False) if (
        sys.version_info >= (3, 10)) else _interpreters.create()
    failed = _interpreters.run_string(interpreter, CODE)
    _interpreters.destroy(interpreter)
    if failed is not None:
        print(failed)


for _ in range(3):
    run()
threads = [threading.Thread(target=run) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done")
