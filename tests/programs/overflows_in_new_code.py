"""The stack overflows, a few bytes further each time, where malloc is called by a function that nobody has seen before.

Arguments: overflowing_library.c as a library, and the bytes between two places.
"""
import ctypes
import sys
import threading

library = ctypes.CDLL(sys.argv[1])
MOST = 9000
overflows = 0


def work():
    global overflows
    library.prepare()
    for left in range(0, MOST, int(sys.argv[2])):
        space = {"dive": library.dive}
        exec(compile(f"def function():\n  return dive({left})\n", f"<made {left}>", "exec"), space)
        overflows += space["function"]()


threading.stack_size(512 * 1024)
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("overflowed", overflows > 0)
