"""Reads the output of `memprof table --json` and prints each row that names a line of a file on which the function has
no code, as Python itself compiles that file. Prints the number of rows that were checked at the end."""
import _imp
import dis
import functools
import json
import sys
import types


def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def compiled(file):
    """The code of a file; of what is built into the interpreter, that which it runs, whatever its source says by now."""
    if file.startswith("<frozen "):
        name = file[len("<frozen "):-1].replace("importlib._bootstrap", "_frozen_importlib")
        return _imp.get_frozen_object(name)
    with open(file, "rb") as source:
        return compile(source.read(), file, "exec", dont_inherit=True)


@functools.lru_cache(None)
def places(file):
    """All pairs of a function's name and a line on which it has code. Nothing for files that cannot be read."""
    try:
        module = compiled(file)
    except (OSError, ImportError):
        return None
    found = set()
    for code in codes(module):
        # A function that has been called, but has not begun, is on its first line.
        found.add((code.co_name, code.co_firstlineno))
        found.update((code.co_name, line) for _, line in dis.findlinestarts(code))
    return found


checked = 0
for row in json.load(sys.stdin)["rows"]:
    known = places(row["file"]) if row["kind"] == "python" else None
    if known is None:
        continue
    checked += 1
    if (row["function"], row["line"]) not in known:
        print("impossible:", row)
print(checked)
