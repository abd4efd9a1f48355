#!/usr/bin/env python3
"""Runs a program under memprof and under memray, and compares what both recorded of the program's own lines.

Own lines are those of files in the program's folder. Compared is what was allocated in total, by file, line and
function and by allocator: how often, and how many bytes. Prints every difference; benches/README.md says which are
known and why. The exit status is 1 if there are others.
"""
import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile

import tools

PROGRAMS = [("agreement.py", []), ("../../examples/random_primes_sum.py", ["200000"]), ("strings.py", ["2"]),
            ("deeptree.py", ["20", "600"]), ("jsonbig.py", ["5000"]), ("threads.py", ["20"])]

# Prints what memray recorded, by place and allocator, and how much of it was left out. An allocation without a Python
# stack has no place.
READ_MEMRAY = """
import collections, functools, json, sys
from memray import AllocatorType, FileReader
RELEASES = {AllocatorType.FREE, AllocatorType.MUNMAP, AllocatorType.PYMALLOC_FREE}
counts, sizes, left_out = collections.Counter(), collections.Counter(), 0
by_tracing = {}
for record in FileReader(sys.argv[1]).get_allocation_records():
    if record.allocator in RELEASES:
        continue
    native = record.native_stack_id
    if native not in by_tracing:
        by_tracing[native] = any(name == "_PyCode_CreateLineArray" for name, _, _ in record.native_stack_trace())
    if by_tracing[native]:
        left_out += 1
        continue
    stack = record.stack_trace(max_stacks=1)
    if stack:
        function, file, line = stack[0]
        key = json.dumps([file, line, function, AllocatorType(record.allocator).name.lower()])
        counts[key] += 1
        sizes[key] += record.size
print(json.dumps({"left out": left_out, "rows": [[json.loads(key), n, sizes[key]] for key, n in counts.items()]}))
"""

# Python 3.11 keeps a table of all arenas of small objects, which it doubles: entries of 48 bytes, 16 at first.
ARENA_TABLE = 48 * 16


def by_place(rows, folder):
    """Sums of rows ((file, line, function, allocator), allocations, bytes) of files in the folder."""
    sums = collections.defaultdict(lambda: [0, 0])
    for key, allocations, size in rows:
        if key[0].startswith(folder + os.sep):
            sums[tuple(key)][0] += allocations
            sums[tuple(key)][1] += size
    return {key: tuple(value) for key, value in sums.items()}


def of_memprof(memprof, python, command, capture):
    run = tools.under_memprof(memprof, [], capture, [python, *command])
    subprocess.run(run, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    output = subprocess.run([memprof, "table", "--json", "--total", capture], check=True, stdout=subprocess.PIPE).stdout
    return [((row["file"], row["line"], row["function"], row["allocator"]), row["allocations"], row["bytes"])
            for row in json.loads(output)["rows"]]


def of_memray(python, command, capture):
    # Native stacks tell which allocations are memray's own doing.
    run = tools.under_memray(["--native"], capture, [python, *command])
    subprocess.run(run, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    output = subprocess.run([python, "-c", READ_MEMRAY, capture], check=True, stdout=subprocess.PIPE).stdout
    found = json.loads(output)
    return found["rows"], found["left out"]


def known_reason(key, ours, theirs):
    """Why two tools may disagree about a place, if that is known. Both are (allocations, bytes)."""
    allocator = key[3]
    if allocator == "mremap" and theirs is None:
        return "memray does not record mremap"
    ours, theirs = ours or (0, 0), theirs or (0, 0)
    count, size = abs(ours[0] - theirs[0]), abs(ours[1] - theirs[1])
    if allocator == "mmap" and size in (count * 256 << 10, count * 1 << 20):
        return "arenas, which the interpreter maps where the last one is full"
    if allocator == "realloc" and count <= 1 and size and size % ARENA_TABLE == 0:
        return "the interpreter's table of arenas"
    return None


def compare(name, ours, theirs):
    """Prints the differences of two results; returns how many of them have no known reason."""
    unknown = equal = 0
    for key in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(key), theirs.get(key)
        if mine == other:
            equal += 1
            continue
        reason = known_reason(key, mine, other)
        unknown += reason is None
        file, line, function, allocator = key
        print(f"  {os.path.basename(file)}:{line} {function} {allocator}: memprof {mine}, memray {other}"
              f" - {reason or 'UNKNOWN REASON'}")
    print(f"{name}: {equal} places agree, {unknown} differ for no known reason", flush=True)
    return unknown


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="python3", help="the interpreter (default: python3 on PATH)")
    parser.add_argument("program", nargs="*", help="a script and its arguments (default: the benchmark programs)")
    options = parser.parse_args()
    memprof = tools.memprof()
    python = tools.environment(tools.interpreter(options.python))
    # Both tools run the very same interpreter with the same hashes, so that its tables grow at the same places.
    os.environ["PYTHONHASHSEED"] = "0"
    folder = tempfile.mkdtemp(prefix="memprof-agreement-")
    unknown = 0
    programs = [(options.program[0], options.program[1:])] if options.program else PROGRAMS
    try:
        for script, values in programs:
            script = os.path.realpath(script if options.program else os.path.join(tools.PROGRAMS, script))
            own = os.path.dirname(script)
            command = [script, *values]
            ours = by_place(of_memprof(memprof, python, command, os.path.join(folder, "memprof.bin")), own)
            rows, left_out = of_memray(python, command, os.path.join(folder, "memray.bin"))
            theirs = by_place(rows, own)
            print(f"{os.path.basename(script)}: {left_out} allocations of memray's tracing are left out")
            unknown += compare(os.path.basename(script), ours, theirs)
    finally:
        shutil.rmtree(folder)
    sys.exit(1 if unknown else 0)


if __name__ == "__main__":
    main()
