"""One line that reaches several allocators, in several threads: what is added up is what cannot be distinguished."""
import threading

import truth


def allocate(times):
    for function, arguments in [(truth.valloc, (1_001,)), (truth.pvalloc, (2_002,)), (truth.memalign, (64, 3_003))]:
        for _ in range(times):
            function(*arguments)  # @allocate


def in_threads():
    threads = [threading.Thread(target=allocate, args=(times,), name=f"times {times}") for times in (10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


in_threads()
allocate(1)
allocate(2)
