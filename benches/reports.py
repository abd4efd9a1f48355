#!/usr/bin/env python3
"""Measures reports: memprof's and memray's of the same program, recorded by each, with Python's allocators traced.

Prints Markdown tables on standard output and progress on standard error. benches/README.md says how to read them.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tools
from measuring import Failed, interleaved, median, run

MIB = 1 << 20
# Report, memprof's arguments, memray's; the most that memprof may take: CPU seconds, MiB of memory, MiB of the page.
REPORTS = [
    ("flame graph", ["flamegraph", "-f", "-o"], ["flamegraph", "-f", "-o"], (2, 300, None)),
    ("statistics", ["stats"], ["stats"], (2, 300, None)),
    ("temporary allocations", ["flamegraph", "--temporary-allocations", "-f", "-o"],
     ["flamegraph", "--temporary-allocations", "-f", "-o"], (3, 400, 10)),
    ("any time range", ["flamegraph", "--temporal", "-f", "-o"], ["flamegraph", "--temporal", "-f", "-o"], (6, 600, 20)),
    ("everything at once", ["report", "-f", "-o"], None, (8, 800, None)),
]
# Allocations of the recordings that memory must not grow with.
LENGTHS = [10_000_000, 50_000_000, 200_000_000]
# The program goes so many ways then, however long it runs.
FEW_WAYS = "3000"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--runs", type=int, default=3, help="runs of each report and tool (default 3)")
    parser.add_argument("-a", "--allocations", type=int, default=10_000_000, help="of the program (default 10,000,000)")
    parser.add_argument("--parts", default="reports,lengths", help="which tables (default: all)")
    parser.add_argument("--python", default="python3", help="the interpreter (default: python3 on PATH)")
    parser.add_argument("--memray", default="flame graph,statistics,temporary allocations,any time range",
                        help="memray's reports to measure; the last one may need 11 GB of memory (default: all)")
    return parser.parse_args()


def recorded(memprof, python, folder, allocations, ways=(), tool="memprof"):
    """A capture of the program."""
    program = [os.path.join(tools.PROGRAMS, "irregular.py"), str(allocations), *ways]
    path = os.path.join(folder, f"{tool}-{allocations}.bin")
    tools.say(f"recording {allocations:,} allocations with {tool}...")
    if tool == "memprof":
        run(tools.under_memprof(memprof, ["--trace-python-allocators", "--no-native"], path, [python, *program]))
    else:
        run(tools.under_memray(["--trace-python-allocators"], path, [python, *program]))
    return path


def shown(usages, what, unit=1.0, digits=2):
    return f"{median(usages, what) / unit:.{digits}f}" if usages else "-"


def verdict(within):
    return "pass" if within else "MISS"


def measure_reports(options, memprof, python, folder):
    captures = {"memprof": recorded(memprof, python, folder, options.allocations)}
    if options.memray:
        captures["memray"] = recorded(memprof, python, folder, options.allocations, tool="memray")
    print(f"| report, {options.allocations:,} allocations | memprof: CPU s | at most | MiB | at most | page MiB | at most | "
          "| memray: CPU s | MiB | page MiB |")
    print("|---" * 11 + "|", flush=True)
    for name, ours, theirs, (cpu, memory, page) in REPORTS:
        tools.say(f"{name}...")
        pages = {tool: os.path.join(folder, tool + ".html") for tool in captures}
        commands = {"memprof": [memprof, *ours]}
        if theirs and name in options.memray.split(","):
            commands["memray"] = [python, "-m", "memray", *theirs]
        for tool, command in commands.items():
            command += ([pages[tool]] if command[-1] == "-o" else []) + [captures[tool]]

        def remove(tool):
            if os.path.exists(pages[tool]):
                os.remove(pages[tool])

        try:
            usages = interleaved(commands, options.runs, remove)
        except Failed as failure:
            tools.say(f"{name}: {failure}")
            continue
        sizes = {tool: os.path.getsize(path) / MIB for tool, path in pages.items() if os.path.exists(path)}
        size = lambda tool: f"{sizes[tool]:.1f}" if tool in sizes else "-"
        within = (median(usages["memprof"], "cpu") <= cpu and median(usages["memprof"], "peak_rss") <= memory * MIB
                  and (page is None or sizes["memprof"] <= page))
        others = usages.get("memray")
        print(f"| {name} | {shown(usages['memprof'], 'cpu')} | {cpu} | {shown(usages['memprof'], 'peak_rss', MIB, 0)} | {memory} "
              f"| {size('memprof')} | {page or '-'} | {verdict(within)} | {shown(others, 'cpu')} "
              f"| {shown(others, 'peak_rss', MIB, 0)} | {size('memray')} |", flush=True)
    print()


def measure_lengths(memprof, python, folder):
    """Memory by the length of the recording: it should follow live blocks and distinct stacks."""
    print("| allocations | capture MiB | stats: CPU s | MiB | flame graph: CPU s | MiB | report: CPU s | MiB |")
    print("|---" * 8 + "|", flush=True)
    for allocations in LENGTHS:
        capture = recorded(memprof, python, folder, allocations, [FEW_WAYS])
        text = subprocess.run([memprof, "stats", capture], check=True, stdout=subprocess.PIPE, text=True).stdout
        exact = re.search(r"Allocated in total .* in ([\d,]+) allocation", text)
        page = os.path.join(folder, "page.html")
        usages = [run([memprof, *command, capture])
                  for command in (["stats"], ["flamegraph", "-f", "-o", page], ["report", "-f", "-o", page])]
        print(f"| {exact.group(1)} | {os.path.getsize(capture) / MIB:.0f} | "
              + " | ".join(f"{usage.cpu:.2f} | {usage.peak_rss / MIB:.0f}" for usage in usages) + " |", flush=True)
        os.remove(capture)
    print()


def main():
    options = arguments()
    memprof = tools.memprof()
    python = tools.environment(tools.interpreter(options.python))
    folder = tempfile.mkdtemp(prefix="memprof-reports-")
    try:
        if "reports" in options.parts:
            measure_reports(options, memprof, python, folder)
        if "lengths" in options.parts:
            measure_lengths(memprof, python, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
