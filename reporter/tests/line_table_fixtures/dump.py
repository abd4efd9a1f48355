"""Writes what this interpreter itself says about the lines of code objects: python dump.py OUT.json SOURCE.py...

Each entry: the code object's line table, and for every instruction what PyCode_Addr2Line answers (the function behind
tracebacks), as [end offset, line] runs; from 3.11 on also [line, end line, column, end column] of each code unit.
"""
import ctypes
import json
import sys
import types

line_of = ctypes.pythonapi.PyCode_Addr2Line
line_of.argtypes = [ctypes.py_object, ctypes.c_int]
line_of.restype = ctypes.c_int

VERSION = sys.version_info[:2]


def describe(code):
    runs = []
    for offset in range(0, len(code.co_code), 2):
        line = line_of(code, offset)
        line = None if line < 0 else line
        if runs and runs[-1][1] == line:
            runs[-1][0] = offset + 2
        else:
            runs.append([offset + 2, line])
    table = code.co_lnotab if VERSION == (3, 9) else code.co_linetable
    format = {(3, 9): "Lnotab", (3, 10): "Lines"}.get(VERSION, "Locations")
    positions = [list(position) for position in code.co_positions()] if VERSION >= (3, 11) else []
    return dict(name=code.co_name, first_line=code.co_firstlineno, format=format, table=list(table), lines=runs,
                positions=positions)


def walk(code):
    yield describe(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from walk(constant)


entries = []
for path in sys.argv[2:]:
    try:
        with open(path, encoding="utf-8") as file:
            code = compile(file.read(), path, "exec")
    except (SyntaxError, UnicodeDecodeError, RecursionError):
        continue
    entries.extend(walk(code))
with open(sys.argv[1], "w") as out:
    json.dump(entries, out, separators=(",", ":"))
    out.write("\n")
print(sys.version.split()[0], len(entries), "code objects")
