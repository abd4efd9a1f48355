"""A thread ends the process while others allocate in C, without the GIL. Argument: the library to allocate with."""
import ctypes
import os
import sys
import threading
import time

library = ctypes.CDLL(sys.argv[1])


def end():
    time.sleep(0.1)
    print("ends", flush=True)
    os._exit(5)


for _ in range(3):
    threading.Thread(target=library.allocate_for_ever).start()
threading.Thread(target=end).start()
