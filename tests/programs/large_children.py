"""Two children use much memory at the same time, and the program little."""

import subprocess
import sys

CHILD = "block = b'x' * (100 << 20); print('ready', flush=True); input()"
children = [
    subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)
]
for child in children:
    assert child.stdout.readline() == b"ready\n"
for child in children:
    child.communicate(b"\n")
