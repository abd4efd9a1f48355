"""Threads that run at the same time, each with sizes of its own; some free what others allocated. Prints for each
thread its id, and how often and how much it allocated."""
import threading

import truth

together = threading.Barrier(4)
blocks = []


def work(number):
    together.wait()
    for _ in range(100 * number):
        blocks.append(truth.valloc(1000 + number))
    together.wait()
    for _ in range(50):
        truth.free(blocks.pop())
    report.append((threading.get_native_id(), 100 * number, 100 * number * (1000 + number)))


report = []
threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
truth.valloc(999)
report.append((threading.get_native_id(), 1, 999))
for line in report:
    print(*line)
