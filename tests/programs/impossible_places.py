"""Reads the output of `memprof table --json` and prints each row that names a line of a file on which the function has
no code, as Python itself compiles that file. Prints the number of rows that were checked at the end."""
import dis
import functools
import importlib
import json
import sys
import types


def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def path_of(file):
    """Where a file's source is; of the import system, which is built into the interpreter, too."""
    if file.startswith("<frozen importlib._bootstrap"):
        return importlib.__path__[0] + file[len("<frozen importlib"):-1].replace(".", "/") + ".py"
    return file


@functools.lru_cache(None)
def places(file):
    """All pairs of a function's name and a line on which it has code. Nothing for files that cannot be read."""
    try:
        with open(path_of(file), "rb") as source:
            module = compile(source.read(), file, "exec", dont_inherit=True)
    except OSError:
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
