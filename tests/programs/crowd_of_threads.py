"""Six hundred threads that are all alive at the same time, and each allocates a little."""
import threading

import truth

threading.stack_size(256 * 1024)
all_alive = threading.Barrier(601)
finish = threading.Event()


def work():
    blocks = [truth.valloc(5000) for _ in range(7)]
    all_alive.wait()
    finish.wait()
    for block in blocks:
        truth.free(block)


threads = [threading.Thread(target=work) for _ in range(600)]
for thread in threads:
    thread.start()
all_alive.wait()
with open("/proc/self/status") as status:
    print([line.split() for line in status if line.startswith("Threads:")])
finish.set()
for thread in threads:
    thread.join()
