#!/usr/bin/env python3
"""Measures what memprof costs: each program without a profiler, under memprof and under memray, in turns.

Prints Markdown tables on standard output and progress on standard error. Needs cargo, cc, and PyPI for memray.
benches/README.md says how to read the tables.
"""
import argparse
import os
import shutil
import sys
import tempfile

import tools
from measuring import interleaved, median, median_ratio, run

# Name, program in benches/programs, arguments, and the most that memprof may cost: processor time over the bare run's.
PROGRAMS = [
    ("random primes (the example)", "../../examples/random_primes_sum.py", ["1000000"], 1.15),
    ("many calls, few allocations", "calls.py", ["60"], 1.10),
    ("deep recursion, large blocks (15 M records)", "deeptree.py", ["15000", "600"], 2.5),
    ("strings and dicts", "strings.py", ["20"], 1.15),
    ("four threads", "threads.py", ["1500"], 1.4),
    ("deep recursion, small blocks", "deeptree.py", ["15000", "100"], None),
    ("numpy arrays", "arrays.py", ["60"], None),
    ("pandas", "frames.py", ["400000"], None),
    ("JSON", "jsonbig.py", ["240000"], None),
    ("C, 10 M pairs, stacks of 20", "churn", ["10000000", "1", "20"], None),
    ("C, the same in 4 threads", "churn", ["10000000", "4", "20"], None),
]
RECORDS = "deep recursion, large blocks (15 M records)"
LARGEST_START_UP = 0.060
LARGEST_EXTRA_RSS = 16 << 20
LARGEST_REPORT_RATIO = 0.5
MIB = 1 << 20


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--runs", type=int, default=5, help="runs of each program and tool (default 5)")
    parser.add_argument("-p", "--programs", help="only the programs whose names contain one of these, comma-separated")
    parser.add_argument("--parts", default="programs,start-up,rss,reports", help="which tables (default: all)")
    parser.add_argument("--python", default="python3", help="the interpreter (default: python3 on PATH)")
    parser.add_argument("--cpu", type=int, help="run everything on this processor alone")
    parser.add_argument("--scale", type=float, default=1.0, help="makes every program so many times as long")
    parser.add_argument("--no-memray", action="store_true", help="leave memray out")
    return parser.parse_args()


class Benchmark:
    def __init__(self, options):
        self.options = options
        self.memprof = tools.memprof()
        wanted = options.programs.split(",") if options.programs else [""]
        self.programs = [program for program in PROGRAMS if any(name in program[0] for name in wanted)]
        self.folder = tempfile.mkdtemp(prefix="memprof-benches-")
        base = tools.interpreter(options.python)
        libraries = "programs" in options.parts and any(p[1] in ("arrays.py", "frames.py") for p in self.programs)
        # The environment has memray and numpy; all runs use its interpreter.
        self.python = tools.environment(base, libraries)

    def capture(self, tool):
        return os.path.join(self.folder, tool + ".bin")

    def remove_capture(self, tool):
        if os.path.exists(self.capture(tool)):
            os.remove(self.capture(tool))

    def under(self, tool, script):
        """The command that runs a Python program under a tool."""
        if tool == "bare":
            return [self.python, *script]
        if tool == "memprof":
            return [self.memprof, "run", "-q", "-f", "-o", self.capture(tool), "--python", self.python, *script]
        return [self.python, "-m", "memray", "run", "-q", "-f", "-o", self.capture(tool), *script]

    def commands(self, file, values):
        values = [str(max(1, int(int(values[0]) * self.options.scale))), *values[1:]]
        if file.endswith(".py"):
            script = [os.path.normpath(os.path.join(tools.PROGRAMS, file)), *values]
            names = ["bare", "memprof"] + ([] if self.options.no_memray else ["memray"])
            return {tool: self.under(tool, script) for tool in names}
        # memray records Python programs only.
        native = [tools.c_program(file), *values]
        return {"bare": native,
                "memprof": [self.memprof, "run", "-q", "-f", "-o", self.capture("memprof"), "--", *native]}

    def turns(self, commands, runs=None):
        return interleaved(commands, runs or self.options.runs, self.remove_capture, cpu=self.options.cpu)

    def measure_programs(self):
        print("| program | CPU s, bare | memprof CPU | at most | | memray CPU | memprof wall | memray wall "
              "| memprof peak RSS | memray peak RSS | memprof file | memray file |")
        print("|---|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
        for name, file, values, limit in self.programs:
            tools.say(f"{name}...")
            usages = self.turns(self.commands(file, values))

            def ratio(tool, what):
                return median_ratio(usages[tool], usages["bare"], what)

            def shown(tool, what):
                return f"{ratio(tool, what):.2f}" if tool in usages else "-"

            def size(tool):
                return f"{os.path.getsize(self.capture(tool)) / MIB:.1f} MiB" if tool in usages else "-"

            print(f"| {name} | {median(usages['bare'], 'cpu'):.2f} | {shown('memprof', 'cpu')} "
                  f"| {limit or '-'} | {verdict(ratio('memprof', 'cpu'), limit)} | {shown('memray', 'cpu')} "
                  f"| {shown('memprof', 'wall')} | {shown('memray', 'wall')} "
                  f"| {shown('memprof', 'peak_rss')} | {shown('memray', 'peak_rss')} "
                  f"| {size('memprof')} | {size('memray')} |", flush=True)
        print()

    def measure_start_up(self):
        tools.say("start-up...")
        names = ["bare", "memprof"] + ([] if self.options.no_memray else ["memray"])
        usages = self.turns({tool: self.under(tool, ["-c", "pass"]) for tool in names}, runs=20)
        print("| start-up, `-c pass` | CPU ms | more than bare | at most | |")
        print("|---|---|---|---|---|")
        bare = median(usages["bare"], "cpu")
        for tool, of_tool in usages.items():
            more = median(of_tool, "cpu") - bare
            limit = LARGEST_START_UP if tool == "memprof" else None
            print(f"| {tool} | {median(of_tool, 'cpu') * 1e3:.1f} | {more * 1e3:.1f} "
                  f"| {limit * 1e3 if limit else '-'} | {verdict(more, limit)} |")
        print(flush=True)

    def measure_rss(self):
        """What the recorded process itself holds more, as the kernel counts it at the end."""
        print("| extra RSS of the recorded process | bare peak | recorded peak | shared with the recorder | extra "
              "| at most | |")
        print("|---|---|---|---|---|---|---|")
        for name, file, values, _ in self.programs:
            if not file.endswith(".py"):
                continue
            tools.say(f"memory of {name}...")
            wrapper = os.path.join(tools.PROGRAMS, "with_memory_status.py")
            status = {tool: os.path.join(self.folder, tool + ".status") for tool in ("bare", "memprof")}
            for tool, path in status.items():
                self.remove_capture(tool)
                run(self.under(tool, [wrapper, path, *self.commands(file, values)["bare"][1:]]), cpu=self.options.cpu)
            bare, recorded = (memory_status(path) for path in status.values())
            shared = recorded["RssShmem"] - bare["RssShmem"]
            extra = recorded["VmHWM"] - shared - bare["VmHWM"]
            print(f"| {name} | {bare['VmHWM'] / MIB:.1f} MiB | {recorded['VmHWM'] / MIB:.1f} MiB "
                  f"| {shared / MIB:.1f} MiB | {extra / MIB:.1f} MiB | {LARGEST_EXTRA_RSS // MIB} MiB "
                  f"| {verdict(extra, LARGEST_EXTRA_RSS)} |", flush=True)
        print()

    def measure_reports(self):
        name, file, values, _ = next(program for program in PROGRAMS if program[0] == RECORDS)
        commands = self.commands(file, values)
        for tool in commands:
            if tool != "bare":
                tools.say(f"recording {name} with {tool}...")
                self.remove_capture(tool)
                run(commands[tool], cpu=self.options.cpu)
        print("| report on 15 M records | memprof CPU s | memray CPU s | ratio | at most | | memprof wall s "
              "| memray wall s | memprof peak RSS | memray peak RSS | ratio | at most | |")
        print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
        page = os.path.join(self.folder, "page.html")
        for report in (["stats"], ["flamegraph", "-f", "-o", page]):
            tools.say(f"{report[0]}...")
            reports = {"memprof": [self.memprof, *report, self.capture("memprof")]}
            if "memray" in commands:
                reports["memray"] = [self.python, "-m", "memray", *report, self.capture("memray")]
            usages = interleaved(reports, max(3, self.options.runs // 2), cpu=self.options.cpu)
            cells = []
            for what, form, divisor in (("cpu", "{:.2f}", 1), ("wall", "{:.2f}", 1), ("peak_rss", "{:.1f} MiB", MIB)):
                cells += [form.format(median(of_tool, what) / divisor) for of_tool in usages.values()]
                if "memray" not in usages:
                    cells.append("-")
                if what != "wall" and "memray" not in usages:
                    cells += ["-", str(LARGEST_REPORT_RATIO), ""]
                elif what != "wall":
                    ratio = median(usages["memprof"], what) / median(usages["memray"], what)
                    cells += [f"{ratio:.2f}", str(LARGEST_REPORT_RATIO), verdict(ratio, LARGEST_REPORT_RATIO)]
            print(f"| {report[0]} | " + " | ".join(cells) + " |", flush=True)
        print()


def memory_status(path):
    """The lines of /proc/PID/status that are sizes, in bytes."""
    with open(path) as file:
        fields = [line.split() for line in file]
    return {field[0].rstrip(":"): int(field[1]) * 1024 for field in fields if field[-1] == "kB"}


def verdict(value, limit):
    if limit is None:
        return ""
    return "pass" if value <= limit else "**MISS**"


def main():
    options = arguments()
    benchmark = Benchmark(options)
    parts = {"programs": benchmark.measure_programs, "start-up": benchmark.measure_start_up,
             "rss": benchmark.measure_rss, "reports": benchmark.measure_reports}
    unknown = set(options.parts.split(",")) - set(parts)
    if unknown:
        sys.exit(f"--parts knows {', '.join(parts)}, not {', '.join(sorted(unknown))}")
    try:
        for part in options.parts.split(","):
            parts[part]()
    finally:
        shutil.rmtree(benchmark.folder)


if __name__ == "__main__":
    main()
