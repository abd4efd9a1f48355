#!/usr/bin/env python3
"""Measures what memprof costs on the pyperformance suite, beside memray: each benchmark bare and under each profiler, in turns.

Prints a Markdown table on standard output and progress on standard error. Needs cargo, Python 3.11 or newer and PyPI.
benches/README.md says how to read the table.
"""
import argparse
import json
import os
import subprocess
import tempfile

import tools
from measuring import Failed, geometric_mean, interleaved, median_ratio, median, percentile, run

PYPERFORMANCE = "pyperformance==1.14.0"
TOOLS = {
    "memprof": [],
    "memprof traced": ["--trace-python-allocators", "--no-native"],
    "memray": [],
    "memray traced": ["--trace-python-allocators"],
}
# What is measured there are other processes than the one that is recorded.
OTHER_PROCESSES = {"2to3", "concurrent_imap", "python_startup", "python_startup_no_site"}
# A run is to take so much processor time at least: what a profiler costs at start and at the end is not all there is.
LEAST_CPU = 0.5
MOST_LOOPS = 1 << 14
# Printed by an interpreter that has pyperformance: all that suit its version.
LIST = """
import json, platform
from pyperformance import _manifest
version = platform.python_version()
print(json.dumps([
    {"name": benchmark.name, "script": benchmark.runscript, "options": list(benchmark.extra_opts),
     "requirements": benchmark.requirements_lockfile}
    for benchmark in sorted(_manifest.load_manifest(None).resolve_group("default"))
    if benchmark.python.contains(version)
]))
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--runs", type=int, default=3, help="runs of each benchmark and tool (default 3)")
    parser.add_argument("-b", "--benchmarks", help="only these, comma-separated")
    parser.add_argument("--python", default="python3", help="the interpreter (default: python3 on PATH)")
    return parser.parse_args()


class Suite:
    def __init__(self, options, folder):
        self.options = options
        self.memprof = tools.memprof()
        self.python = tools.environment(tools.interpreter(options.python), "suite", [tools.MEMRAY, PYPERFORMANCE])
        self.capture = os.path.join(folder, "capture.bin")

    def benchmarks(self):
        listed = subprocess.run([self.python, "-c", LIST], check=True, stdout=subprocess.PIPE, text=True).stdout
        wanted = self.options.benchmarks.split(",") if self.options.benchmarks else None
        return [benchmark for benchmark in json.loads(listed) if benchmark["name"] not in OTHER_PROCESSES
                and (wanted is None or benchmark["name"] in wanted)]

    def command(self, benchmark, loops):
        """A benchmark in one process, with so many loops and nothing before them."""
        return [self.python, benchmark["script"], *benchmark["options"],
                "--worker", f"--loops={loops}", "--warmups=0", "--values=1"]

    def under(self, tool, command):
        if tool.startswith("memprof"):
            return tools.under_memprof(self.memprof, TOOLS[tool], self.capture, command)
        return tools.under_memray(TOOLS[tool], self.capture, command)

    def loops(self, benchmark):
        """So many that a bare run takes long enough."""
        loops = 1
        while loops < MOST_LOOPS:
            cpu = run(self.command(benchmark, loops)).cpu
            if cpu >= LEAST_CPU:
                break
            # Most of a short run is its start.
            loops *= 2 if cpu > LEAST_CPU / 4 else 4
        return loops

    def install(self, benchmark):
        requirements = benchmark["requirements"]
        if requirements and os.path.exists(requirements):
            subprocess.run([self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                            "-r", requirements], check=True)

    def remove_capture(self, _tool):
        if os.path.exists(self.capture):
            os.remove(self.capture)

    def measure(self, benchmark):
        """Usages of the bare program and of each tool."""
        self.install(benchmark)
        command = self.command(benchmark, self.loops(benchmark))
        commands = {"bare": command, **{tool: self.under(tool, command) for tool in TOOLS}}
        return interleaved(commands, self.options.runs, self.remove_capture)


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="memprof-suite-") as folder:
        measure(Suite(options, folder))


def measure(suite):
    ratios = {(tool, what): [] for tool in TOOLS for what in ("cpu", "peak_rss")}
    print("| benchmark | CPU s, bare |" + "".join(f" {tool} |" for tool in TOOLS)
          + " RSS MiB, bare |" + "".join(f" {tool} |" for tool in TOOLS))
    print("|---" * (3 + 2 * len(TOOLS)) + "|", flush=True)
    for benchmark in suite.benchmarks():
        tools.say(f"{benchmark['name']}...")
        try:
            usages = suite.measure(benchmark)
        except (Failed, subprocess.CalledProcessError) as error:
            tools.say(f"{benchmark['name']} is left out: {error}")
            continue
        cells = [benchmark["name"]]
        for what, unit in (("cpu", 1), ("peak_rss", 1 << 20)):
            cells.append(f"{median(usages['bare'], what) / unit:.1f}")
            for tool in TOOLS:
                ratio = median_ratio(usages[tool], usages["bare"], what)
                ratios[tool, what].append((ratio, benchmark["name"]))
                cells.append(f"{ratio:.2f}")
        print("| " + " | ".join(cells) + " |", flush=True)
    print("\n| | benchmarks | geometric mean | 90th percentile | worst |\n|---|---|---|---|---|")
    for (tool, what), values in ratios.items():
        if values:
            numbers = [ratio for ratio, _ in values]
            worst, name = max(values)
            print(f"| {tool}, {'CPU' if what == 'cpu' else 'RSS'} | {len(values)} | {geometric_mean(numbers):.2f} "
                  f"| {percentile(numbers, 90):.2f} | {worst:.2f} ({name}) |")


if __name__ == "__main__":
    main()
