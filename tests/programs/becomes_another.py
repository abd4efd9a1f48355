"""Replaces itself by another program in the same process, with a Python in between that is not the end either."""
import os
import sys

import truth

if len(sys.argv) == 1:
    blocks = [truth.valloc(64 * truth.MIB) for _ in range(3)]
    print("first", flush=True)
    # By way of a shell, as start scripts do.
    os.execv("/bin/sh", ["sh", "-c", 'exec "$0" "$@"', sys.executable, __file__, "second"])
else:
    blocks = [truth.pvalloc(1234) for _ in range(2)]
    print(sys.argv[1], all(blocks))
    sys.exit(4)
