#!/usr/bin/env python3
"""Measures what memprof costs: each program without a profiler, under memprof, memray and heaptrack, in turns.

Prints Markdown tables on standard output and progress on standard error. Needs cargo, cc, and PyPI for memray; heaptrack
takes part where it is installed. benches/README.md says how to read the tables.
"""
import argparse
import os
import shutil
import sys
import tempfile

import tools
from measuring import interleaved, median, median_ratio, run

# Name, program in benches/programs, arguments, and the most that memprof may cost, native stacks included: processor time
# over the bare run's. For C programs, the most that its added time may be over heaptrack's added time.
PROGRAMS = [
    ("random primes (the example)", "../../examples/random_primes_sum.py", ["1000000"], 1.2),
    ("many calls, few allocations", "calls.py", ["60"], 1.1),
    ("deep recursion, large blocks (15 M records)", "deeptree.py", ["15000", "600"], 3.2),
    ("strings and dicts", "strings.py", ["20"], 1.2),
    ("pandas", "frames.py", ["400000"], 1.5),
    ("numpy arrays", "arrays.py", ["60"], 1.25),
    ("four threads", "threads.py", ["1500"], 1.6),
    ("deep recursion, small blocks", "deeptree.py", ["15000", "100"], None),
    ("JSON", "jsonbig.py", ["240000"], None),
    ("trees, every stack new", "random_recursion.py", ["1500000"], 1.9),
    ("C, 10 M pairs, stacks of 20", "churn", ["10000000", "1", "20"], 0.5),
    ("C, the same in 4 threads", "churn", ["10000000", "4", "20"], 0.5),
]
# Likewise with Python's own allocators recorded and native stacks off.
TRACED_PROGRAMS = [
    ("random primes (the example)", "../../examples/random_primes_sum.py", ["1000000"], 2.2),
    ("deep recursion, small blocks", "deeptree.py", ["15000", "100"], 2.8),
    ("many calls, few allocations", "calls.py", ["60"], 3.0),
    ("strings and dicts", "strings.py", ["20"], 2.6),
    ("JSON", "jsonbig.py", ["240000"], 1.5),
    ("pandas", "frames.py", ["400000"], 1.7),
    ("four threads", "threads.py", ["1500"], 1.8),
    ("trees, every stack new", "random_recursion.py", ["1500000"], 3.0),
    ("trees, one call in ten by chance", "random_recursion.py", ["1500000", "10"], None),
]
# Of memray's capture of the same program.
LARGEST_TRACED_CAPTURE = 0.8
RECORDS = "deep recursion, large blocks (15 M records)"
LARGEST_START_UP = 0.060
LARGEST_EXTRA_RSS = 16 << 20
LARGEST_REPORT_RATIO = 0.5
MIB = 1 << 20


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--runs", type=int, default=5, help="runs of each program and tool (default 5)")
    parser.add_argument("-p", "--programs", help="only the programs whose names contain one of these, comma-separated")
    parser.add_argument("--parts", default="programs,traced,start-up,rss,reports", help="which tables (default: all)")
    parser.add_argument("--python", default="python3", help="the interpreter (default: python3 on PATH)")
    parser.add_argument("--cpu", type=int, help="run everything on this processor alone")
    parser.add_argument("--scale", type=float, default=1.0, help="makes every program so many times as long")
    parser.add_argument("--no-others", action="store_true", help="leave memray and heaptrack out")
    parser.add_argument("--before", metavar="PROGRAM", help="another build of memprof, which takes part in the turns")
    return parser.parse_args()


class Benchmark:
    def __init__(self, options):
        self.options = options
        self.memprof = tools.memprof()
        wanted = options.programs.split(",") if options.programs else [""]
        self.programs = [program for program in PROGRAMS if any(name in program[0] for name in wanted)]
        self.traced = [program for program in TRACED_PROGRAMS if any(name in program[0] for name in wanted)]
        self.folder = tempfile.mkdtemp(prefix="memprof-benches-")
        base = tools.interpreter(options.python)
        chosen = [*(self.programs if "programs" in options.parts else []),
                  *(self.traced if "traced" in options.parts else [])]
        libraries = any(program[1] in ("arrays.py", "frames.py") for program in chosen)
        # The environment has memray and numpy; all runs use its interpreter.
        self.python = tools.environment(base, packages=[tools.MEMRAY, *(tools.LIBRARIES if libraries else [])])

    def capture(self, tool):
        return os.path.join(self.folder, tool.replace(" ", "") + ".bin")

    def remove_capture(self, tool):
        for path in (self.capture(tool), self.capture(tool) + ".zst", self.capture(tool) + ".gz"):
            if os.path.exists(path):
                os.remove(path)

    def under(self, tool, command):
        """A command under a tool. Those of Python programs begin with the interpreter."""
        is_python = command[0] == self.python
        if tool == "bare":
            return command
        if tool == "heaptrack":
            return [tools.HEAPTRACK, "-o", self.capture(tool), *command]
        options = tool.split()[1:]
        if is_memprof(tool):
            program = self.options.before if tool.startswith("before") else self.memprof
            return tools.under_memprof(program, options, self.capture(tool), command, is_python)
        return tools.under_memray(options, self.capture(tool), command)

    def commands(self, file, values, wanted):
        """The command under each of the wanted tools that can record it."""
        values = [str(max(1, int(int(values[0]) * self.options.scale))), *values[1:]]
        if file.endswith(".py"):
            command = [self.python, os.path.normpath(os.path.join(tools.PROGRAMS, file)), *values]
        else:
            command = [tools.c_program(file), *values]
        def can(tool):
            if tool.startswith("before"):
                return self.options.before is not None
            if self.options.no_others and tool != "bare" and not is_memprof(tool):
                return False
            # memray records Python programs only.
            return tools.HEAPTRACK is not None if tool == "heaptrack" else "memray" not in tool or file.endswith(".py")
        return {tool: self.under(tool, command) for tool in wanted if can(tool)}

    def turns(self, commands, runs=None):
        return interleaved(commands, runs or self.options.runs, self.remove_capture, cpu=self.options.cpu)

    def measure_programs(self):
        wanted = ["bare", "memprof", "before", "memprof --no-native", "memray", "memray --native", "heaptrack"]
        print("| program | CPU s, bare | memprof | at most | | before | --no-native | memray | memray --native | heaptrack "
              "| wall: memprof | memray --native | heaptrack | file: memprof | memray --native | heaptrack |")
        print("|---" * 16 + "|", flush=True)
        for name, file, values, limit in self.programs:
            tools.say(f"{name}...")
            usages = self.turns(self.commands(file, values, wanted))

            def shown(tool, what):
                return f"{median_ratio(usages[tool], usages['bare'], what):.2f}" if tool in usages else "-"

            def size(tool):
                path = next((path for path in (self.capture(tool), self.capture(tool) + ".zst", self.capture(tool) + ".gz")
                             if os.path.exists(path)), None)
                return f"{os.path.getsize(path) / MIB:.1f} MiB" if tool in usages and path else "-"

            if file.endswith(".py"):
                at_most, passed = limit, verdict(median_ratio(usages["memprof"], usages["bare"], "cpu"), limit)
            else:
                at_most, passed = self.against_heaptrack(usages, limit, values)
            print(f"| {name} | {median(usages['bare'], 'cpu'):.2f} | {shown('memprof', 'cpu')} "
                  f"| {at_most or '-'} | {passed} | "
                  + " | ".join(shown(tool, "cpu") for tool in wanted[2:]) + " | "
                  + " | ".join(shown(tool, "wall") for tool in ("memprof", "memray --native", "heaptrack")) + " | "
                  + " | ".join(size(tool) for tool in ("memprof", "memray --native", "heaptrack")) + " |", flush=True)
        print()

    def measure_traced(self):
        how = "--no-native --trace-python-allocators"
        wanted = ["bare", f"memprof {how}", f"before {how}", "memray --trace-python-allocators"]
        print("| Python's allocators traced | CPU s, bare | memprof | at most | | before | memray | file: memprof | memray "
              "| ratio | at most | |")
        print("|---" * 12 + "|", flush=True)
        for name, file, values, limit in self.traced:
            tools.say(f"{name}, traced...")
            usages = self.turns(self.commands(file, values, wanted))
            ratios = {tool: median_ratio(usages[tool], usages["bare"], "cpu") for tool in usages}
            sizes = {tool: os.path.getsize(self.capture(tool)) for tool in usages if tool != "bare"}
            _, ours, before, theirs = wanted
            share = sizes[ours] / sizes[theirs] if theirs in sizes else None
            print(f"| {name} | {median(usages['bare'], 'cpu'):.2f} | {ratios[ours]:.2f} | {limit or '-'} "
                  f"| {verdict(ratios[ours], limit)} | {shown_ratio(ratios.get(before))} "
                  f"| {shown_ratio(ratios.get(theirs))} | {sizes[ours] / MIB:.1f} MiB "
                  f"| {shown_ratio(sizes[theirs] / MIB if theirs in sizes else None)} MiB | {shown_ratio(share)} "
                  f"| {LARGEST_TRACED_CAPTURE} | {verdict(share, LARGEST_TRACED_CAPTURE) if share else ''} |", flush=True)
        print()

    def against_heaptrack(self, usages, limit, values):
        """What is added to a pair of malloc and free, in terms of what heaptrack adds."""
        if "heaptrack" not in usages:
            return f"{limit} x heaptrack", ""
        bare = median(usages["bare"], "cpu")
        added = {tool: median(usages[tool], "cpu") - bare for tool in ("memprof", "heaptrack")}
        pairs = int(values[0]) * self.options.scale
        note = ", ".join(f"{tool} +{seconds / pairs * 1e9:.0f} ns a pair" for tool, seconds in added.items())
        return f"{limit} x heaptrack's added time ({note})", verdict(added["memprof"] / added["heaptrack"], limit)

    def measure_start_up(self):
        tools.say("start-up...")
        names = ["bare", "memprof"] + ([] if self.options.no_others else ["memray --native"])
        commands = {tool: self.under(tool, [self.python, "-c", "pass"]) for tool in names}
        usages = self.turns(commands, runs=20)
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
                command = self.commands(file, values, ["bare"])["bare"]
                run(self.under(tool, [self.python, wrapper, path, *command[1:]]), cpu=self.options.cpu)
            bare, recorded = (memory_status(path) for path in status.values())
            shared = recorded["RssShmem"] - bare["RssShmem"]
            extra = recorded["VmHWM"] - shared - bare["VmHWM"]
            print(f"| {name} | {bare['VmHWM'] / MIB:.1f} MiB | {recorded['VmHWM'] / MIB:.1f} MiB "
                  f"| {shared / MIB:.1f} MiB | {extra / MIB:.1f} MiB | {LARGEST_EXTRA_RSS // MIB} MiB "
                  f"| {verdict(extra, LARGEST_EXTRA_RSS)} |", flush=True)
        print()

    def measure_reports(self):
        name, file, values, _ = next(program for program in PROGRAMS if program[0] == RECORDS)
        commands = self.commands(file, values, ["memprof", "memray"])
        for tool in commands:
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


def is_memprof(tool):
    """Whether a tool, by its name in the tables, is this build of memprof or the one from before."""
    return tool.startswith(("memprof", "before"))


def memory_status(path):
    """The lines of /proc/PID/status that are sizes, in bytes."""
    with open(path) as file:
        fields = [line.split() for line in file]
    return {field[0].rstrip(":"): int(field[1]) * 1024 for field in fields if field[-1] == "kB"}


def shown_ratio(value):
    return "-" if value is None else f"{value:.2f}"


def verdict(value, limit):
    if limit is None:
        return ""
    return "pass" if value <= limit else "**MISS**"


def main():
    options = arguments()
    benchmark = Benchmark(options)
    parts = {"programs": benchmark.measure_programs, "traced": benchmark.measure_traced,
             "start-up": benchmark.measure_start_up, "rss": benchmark.measure_rss, "reports": benchmark.measure_reports}
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
