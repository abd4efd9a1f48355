"""A recursion in whose every level objects are made, in a thread with a large stack."""

import sys
import threading

LEVELS = 4000


def descend(level):
    block = bytearray(600)  # @block
    return len(block) // 600 if level == 0 else 1 + descend(level - 1)


sys.setrecursionlimit(2 * LEVELS)
threading.stack_size(256 << 20)
thread = threading.Thread(target=lambda: print(descend(LEVELS - 1)))
thread.start()
thread.join()
