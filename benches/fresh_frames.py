"""What a native frame costs that is not as it was at the thread's last allocation, in ns: with and without frame pointers.

usage: python3 benches/fresh_frames.py [turns] [memprof...]

Without the path of a memprof it builds that of the checkout. Several ones are measured in turns, to be compared.
"""
import os
import statistics
import subprocess
import sys
import tempfile

import tools

BUILDS = {"with frame pointers": ["-fno-omit-frame-pointer"], "without": ["-fomit-frame-pointer"]}
MODES = {"moved": "the same functions elsewhere in the stack", "other": "other functions", "same": "nothing changes"}
DEPTHS = (20, 120)


def compile_program(folder, name, flags):
    result = os.path.join(folder, name.replace(" ", "_"))
    source = os.path.join(tools.PROGRAMS, "fresh_frames.c")
    subprocess.run(["cc", "-O2", *flags, "-o", result, source], check=True)
    return result


def measure(folder, memprof, program, depth, mode):
    """ns for a pair of malloc and free, in the program itself."""
    tool = [memprof, "run", "-q", "-f", "-o", os.path.join(folder, "capture"), "--"] if memprof else []
    finished = subprocess.run([*tool, program, str(depth), mode], check=True, stdout=subprocess.PIPE, text=True)
    return float(finished.stdout)


def main():
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    memprofs = sys.argv[2:] or [tools.memprof()]
    with tempfile.TemporaryDirectory() as folder:
        programs = {name: compile_program(folder, name, flags) for name, flags in BUILDS.items()}
        for name, program in programs.items():
            for mode, meaning in MODES.items():
                found = {}
                for _ in range(turns):
                    for depth in DEPTHS:
                        for memprof in [None, *memprofs]:
                            ns = measure(folder, memprof, program, depth, mode)
                            found.setdefault((memprof, depth), []).append(ns)
                low, high = ({memprof: statistics.median(found[memprof, depth]) for memprof in [None, *memprofs]}
                             for depth in DEPTHS)
                for memprof in memprofs:
                    added = [of[memprof] - of[None] for of in (low, high)]
                    frame = (added[1] - added[0]) / (DEPTHS[1] - DEPTHS[0])
                    print(f"{name}, {meaning}: {frame:.1f} ns a frame, {added[0]:.0f} ns a pair at {DEPTHS[0]} deep"
                          f" ({memprof})", flush=True)


if __name__ == "__main__":
    main()
