"""Processes of every kind, each with blocks of its own size that it keeps. Each says who it is in a file of its name."""
import os
import signal
import subprocess
import sys
import time

import truth

FOLDER = os.environ["TEST_FOLDER"]


def report(name):
    with open(os.path.join(FOLDER, name), "w") as file:
        file.write(f"{os.getpid()} {os.getppid()}")


def keep(count, size):
    return [truth.valloc(size) for _ in range(count)]


def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def forked():
    report("forked")
    blocks = keep(5, 2222)
    child(grandchild)
    # Inherited: not this process's to account for.
    truth.free(own[0])
    truth.free(blocks.pop())


def grandchild():
    report("grandchild")
    keep(6, 3333)


def killed():
    report("killed")
    keep(4, 5555)
    os.kill(os.getpid(), signal.SIGKILL)


def becomes():
    report("becomes")
    keep(2, 6666)
    os.execv(sys.executable, [sys.executable, __file__, "became"])


def daemon():
    """As daemons do: on its own, with no descriptor left, when its parent has ended."""
    os.setsid()
    if os.fork():
        os._exit(0)
    os.closerange(0, 4096)
    while os.getppid() == int(os.environ["DAEMON_PARENT"]):
        time.sleep(0.01)
    time.sleep(0.1)
    keep(7, 7777)
    report("daemon")
    os._exit(0)


if sys.argv[1:] == ["spawned"]:
    report("spawned")
    keep(8, 4444)
    os._exit(0)
elif sys.argv[1:] == ["became"]:
    report("became")
    # On another line than those of the program that it was.
    blocks = [truth.valloc(1234) for _ in range(9)]
    os._exit(0)

report("program")
own = keep(3, 1111)
print(child(forked))
print(subprocess.call([sys.executable, __file__, "spawned"]))
print(child(killed))
print(child(becomes))
os.environ["DAEMON_PARENT"] = str(os.getpid())
if os.fork() == 0:
    daemon()
os.wait()
print("end", flush=True)
os._exit(3)
