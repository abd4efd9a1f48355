#!/usr/bin/env python3
"""Measures the memory of a recording whose every stack is new, in the program and in the recorder, while it goes on.

Prints a Markdown table on standard output: the largest memory of each process in each quarter of the run, in MiB. A recording that
is bounded has the same in the second quarter and in the last. Needs cargo and Python 3.
"""
import argparse
import os
import subprocess
import tempfile
import time

import tools

RECORDINGS = {
    "run": [],
    "run, no native stacks": ["--no-native"],
    "run --aggregate": ["--aggregate"],
    "run --aggregate, no native stacks": ["--aggregate", "--no-native"],
}
QUARTERS = 4
INTERVAL = 0.05


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=4_000_000, help="what the program makes: a million takes some seconds")
    parser.add_argument("--python", default="python3", help="the interpreter (default: python3 on PATH)")
    return parser.parse_args()


def own_memory(pid):
    """Bytes of a process that are its own: not files, and not the channel, which both sides share. One that has ended has none."""
    with open(f"/proc/{pid}/status") as status:
        return next((int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:")), 0)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def samples(command):
    """The memory of the process and the sum of its children's, time and again until it ends."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    taken = []
    while process.poll() is None:
        try:
            taken.append((own_memory(process.pid), sum(own_memory(child) for child in children(process.pid))))
        except OSError:
            pass  # one of them has just ended
        time.sleep(INTERVAL)
    if process.returncode != 0:
        raise SystemExit(f"exit status {process.returncode} from {' '.join(command)}")
    return taken


def quarters(values):
    """The largest of the values in each quarter."""
    size = -(-len(values) // QUARTERS)
    return [max(values[start:start + size], default=0) for start in range(0, len(values), size)]


def row(name, values):
    cells = [f"{value / (1 << 20):.1f}" for value in quarters(values)]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main():
    options = arguments()
    memprof, python = tools.memprof(), tools.interpreter(options.python)
    program = [python, os.path.join(tools.PROGRAMS, "random_recursion.py"), str(options.nodes)]
    print("| | 1st quarter | 2nd | 3rd | 4th |\n|---|---|---|---|---|")
    row("program, bare", [memory for memory, _ in samples(program)])
    with tempfile.TemporaryDirectory() as folder:
        for name, flags in RECORDINGS.items():
            flags = ["--trace-python-allocators", *flags]
            taken = samples(tools.under_memprof(memprof, flags, os.path.join(folder, "capture.bin"), program))
            row(f"{name}: program", [memory for _, memory in taken])
            row(f"{name}: recorder", [memory for memory, _ in taken])


if __name__ == "__main__":
    main()
