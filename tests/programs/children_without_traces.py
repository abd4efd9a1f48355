"""Starts children in every way, each of which says what leads to memprof in its environment: nothing."""
import ctypes
import multiprocessing
import os
import subprocess
import sys

SAY = "import os; print([name for name in os.environ if name in ('LD_PRELOAD', 'MEMPROF_CHANNEL')])"
PYTHON = [sys.executable, "-S", "-c", SAY]
SHELL = "env | grep -e ^LD_PRELOAD= -e ^MEMPROF_CHANNEL= || echo nothing"


def say():
    exec(SAY)
    sys.stdout.flush()


def run(*arguments, **options):
    print(subprocess.run(*arguments, capture_output=True, text=True, **options), flush=True)


if __name__ == "__main__":
    say()
    run(PYTHON)
    run(PYTHON, close_fds=False)
    run(PYTHON, env=dict(os.environ), preexec_fn=lambda: None)
    run(SHELL, shell=True)
    os.system(SHELL)
    print(os.popen(SHELL).read(), flush=True)
    ctypes.CDLL(None).system(SHELL.encode())
    os.waitpid(os.posix_spawn(sys.executable, PYTHON, os.environ), 0)
    os.waitpid(os.posix_spawnp("sh", ["sh", "-c", SHELL], os.environ), 0)
    child = os.fork()
    if child == 0:
        os.execvp("sh", ["sh", "-c", SHELL])
    os.waitpid(child, 0)
    for method in "fork", "spawn", "forkserver":
        context = multiprocessing.get_context(method)
        process = context.Process(target=say)
        process.start()
        process.join()
    if os.geteuid() == 0:
        run(["id", "-un"], user="nobody")
        run(["ls", "/"], preexec_fn=lambda: (os.setgroups([]), os.setuid(65534)))
    # What comes in this process's own place is recorded, and sees nothing either.
    os.execv(sys.executable, PYTHON)
