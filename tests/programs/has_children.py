"""Children of every kind. They allocate by pvalloc, which the process itself never does."""
import os
import subprocess
import sys
import threading

import truth

ALLOCATE = "import truth; print('child', [truth.pvalloc(999) is not None for _ in range(100)].count(True))"


def report(text):
    print(text, flush=True)


def forked(code):
    child = os.fork()
    if child == 0:
        try:
            for _ in range(1000):
                truth.free(truth.pvalloc(2222))
            kept = [bytearray(10_000) for _ in range(100)]
            os._exit(code + len(kept) - 100)
        finally:
            os._exit(99)
    return os.waitpid(child, 0)[1] >> 8


own = [truth.valloc(1111) for _ in range(5)]
report([forked(code) for code in range(5)])
environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
python = [sys.executable, "-c", ALLOCATE]
report(subprocess.run(python, env=environment, capture_output=True, text=True))
report(subprocess.run(["sh", "-c", "echo $0; exit 3", "a shell"], capture_output=True, text=True, close_fds=False))
child = os.posix_spawn(sys.executable, python, environment)
report(os.waitpid(child, 0)[1])
report(os.system("echo from a shell; exit 2"))
# A thread that forks while others allocate, and that need not wait for them long.
sys.setswitchinterval(1e-5)
stop = False


def churn():
    while not stop:
        bytes(1000)


churners = [threading.Thread(target=churn) for _ in range(3)]
for thread in churners:
    thread.start()
report([forked(code) for code in range(20)])
stop = True
for thread in churners:
    thread.join()
own += [truth.valloc(1111) for _ in range(5)]
