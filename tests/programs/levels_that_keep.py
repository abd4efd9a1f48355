"""A recursion of as many levels as the first argument says, each of which keeps a block, in a thread with a large stack."""
import sys
import threading

LEVELS = int(sys.argv[1])
kept = []


def descend(level):
    kept.append(bytearray(600))
    return 1 if level == 1 else 1 + descend(level - 1)


sys.setrecursionlimit(2 * LEVELS)
threading.stack_size(512 << 20)
thread = threading.Thread(target=lambda: print(descend(LEVELS)))
thread.start()
thread.join()
