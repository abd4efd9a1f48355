#!/usr/bin/env python3
"""Runs other people's software bare and recorded, and says in a table whether it noticed.
docs/foreign.md says how."""
import argparse
import dataclasses
import json
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

import software

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(HERE, "programs")
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
# No program takes longer than this, recorded or not, in seconds.
LIMIT = 300
MIB = 1 << 20


def say(text):
    print(text, file=sys.stderr, flush=True)


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a run ended. `cpu` is that of the process and all its children, in seconds; `peak_rss` is that of the largest single
    one, in bytes."""
    status: str
    output: str
    errors: str
    cpu: float
    peak_rss: int

    def same_output(self, other):
        return (self.output, self.errors) == (other.output, other.errors)


def run(command, folder):
    """Runs a command in the folder of the programs, and gives up after the limit."""
    paths = [os.path.join(folder, name) for name in ("output", "errors")]
    with open(paths[0], "wb") as output, open(paths[1], "wb") as errors:
        process = subprocess.Popen(command, cwd=PROGRAMS, stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                                   start_new_session=True)
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
        signal.alarm(LIMIT)
        _, status, usage = os.wait4(process.pid, 0)
        late = signal.alarm(0) == 0
        process.returncode = code = os.waitstatus_to_exitcode(status)
    told = "over the limit" if late else f"signal {-code}" if code < 0 else str(code)
    texts = []
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            texts.append(without_numbers_of_a_run(file.read()))
    return Ended(told, *texts, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def without_numbers_of_a_run(text):
    """The text without what differs from run to run: addresses, and processes and threads by number."""
    text = re.sub(r"0x[0-9a-fA-F]{6,}", "0x…", text)
    return re.sub(r"(?i)\b(pid|tid|process|thread)([ :=#\[(]+)\d+", r"\1\2…", text)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What is to be said of a software: the table's row."""
    name: str
    note: str = ""
    status: str = ""
    output: str = ""
    cpu: str = ""
    rss: str = ""
    allocations: str = ""
    skipped: str = ""
    unmerged: str = ""
    good: bool = False


def try_out(one, memprof, builds, folder):
    """Runs a software twice bare, and once recorded in between."""
    def words(command):
        return [word.replace("PYTHON", builds.python).replace("BUILD", builds.folder) for word in command]

    if one.build:
        subprocess.run(words(one.build), cwd=PROGRAMS, check=True)
    capture = os.path.join(folder, "capture.bin")
    recorded_command = [memprof, "run", "--quiet", "--force", "-o", capture, *one.options, "--", *words(one.command)]
    bare = run(words(one.command), folder)
    recorded = run(recorded_command, folder)
    again = run(words(one.command), folder)
    return judge(one.name, (bare, again), recorded, json.loads(
        subprocess.run([memprof, "stats", "--json", capture], check=True, stdout=subprocess.PIPE).stdout))


def judge(name, bare, recorded, stats):
    """Compares a recorded run with two bare ones."""
    varies = not bare[0].same_output(bare[1])
    same = any(recorded.same_output(one) for one in bare)
    totals, stacks = stats["totals"], stats["native_stacks"]
    cpu = recorded.cpu / min(one.cpu for one in bare)
    bare_rss = max(one.peak_rss for one in bare)
    # The kernel counts what this script had when it became the program: less than that cannot be told.
    sign = "≤ " if bare_rss <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 else ""
    equal = recorded.status in {one.status for one in bare}
    if not same:
        say(f"--- {name}, bare:\n{bare[0].output}{bare[0].errors}--- recorded:\n{recorded.output}{recorded.errors}---")
    return Outcome(
        name,
        status=recorded.status if equal else f"**{recorded.status}**, bare {bare[0].status}",
        output="equal" if same else "varies, bare too" if varies else "**differs**",
        cpu=f"{min(one.cpu for one in bare):.2f} s, × {cpu:.2f}",
        rss=f"{sign}{bare_rss / MIB:.0f}, {recorded.peak_rss / MIB:.0f}",
        allocations=f"{totals['allocations']:,}",
        skipped=str(totals["skipped_events"]),
        unmerged=f"{stacks['unmerged']}, {stacks['cut_short']}",
        good=equal and (same or varies) and totals["skipped_events"] == 0 and stats["metadata"]["complete"])


class Builds:
    """What is kept for the next time: an environment of Python packages, and what was compiled."""

    def __init__(self, folder, base):
        self.folder = os.path.abspath(folder)
        self.base = base
        self.python = os.path.join(self.folder, "environment", "bin", "python")
        os.makedirs(self.folder, exist_ok=True)

    def install(self, packages):
        if not os.path.exists(self.python):
            subprocess.run([self.base, "-m", "venv", os.path.dirname(os.path.dirname(self.python))], check=True)
        subprocess.run([self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True)


def provide(one, builds, may_install):
    """Gets what a software needs. Says what is missing, if something is."""
    missing = [command for command in one.needs if not shutil.which(command)]
    if (missing or "-dev" in one.apt) and may_install and one.apt:
        say(f"installing {one.apt}")
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *one.apt.split()], check=True,
                       stdout=subprocess.DEVNULL, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        missing = [command for command in one.needs if not shutil.which(command)]
    if missing:
        return f"not tried: {', '.join(missing)} is missing (apt-get install {one.apt})"
    if one.pip:
        builds.install(one.pip)
    return ""


def table(outcomes, builds, memprof):
    """The table, in Markdown."""
    version = subprocess.run([memprof, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    python = subprocess.run([builds.base, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    lines = [
        f"{version}, {python}, glibc {platform.libc_ver()[1]}, {os.cpu_count()} processors.\n",
        "| Program | Status | Output | CPU bare, recorded | Peak RSS MiB bare, recorded | Allocations | Skipped events "
        "| Stacks unmerged, cut short |", "|---|---|---|---|---|--:|--:|--:|"]
    for one in outcomes:
        if one.note:
            lines.append(f"| {one.name} | {one.note} | | | | | | |")
        else:
            lines.append(f"| {one.name} | {one.status} | {one.output} | {one.cpu} | {one.rss} | {one.allocations} "
                         f"| {one.skipped} | {one.unmerged} |")
    return "\n".join(lines) + "\n"


def replace_table(path, text):
    """Puts the table into a document, between two comments."""
    begin, end = "<!-- table -->\n", "<!-- end of the table -->\n"
    with open(path, encoding="utf-8") as file:
        before, _, rest = file.read().partition(begin)
        _, _, after = rest.partition(end)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{begin}{text}{end}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only software with one of these words in its name")
    parser.add_argument("--memprof", default=os.path.join(REPOSITORY, "target", "release", "memprof"))
    parser.add_argument("--python", default=sys.executable, help="the interpreter that gets the packages")
    parser.add_argument("--folder", default=os.path.join(REPOSITORY, "target", "foreign"), help="what is kept for the next time")
    parser.add_argument("--install", action="store_true", help="install missing Debian packages (as root)")
    parser.add_argument("--write", metavar="FILE", help="put the table into this document")
    arguments = parser.parse_args()
    builds, outcomes = Builds(arguments.folder, arguments.python), []
    for one in software.named(arguments.names):
        missing = provide(one, builds, arguments.install)
        say(f"{one.name}: {missing or 'runs'}")
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(Outcome(one.name, missing) if missing else try_out(one, arguments.memprof, builds, folder))
    text = table(outcomes, builds, arguments.memprof)
    print(text, end="")
    if arguments.write:
        replace_table(arguments.write, text)
    sys.exit(0 if all(one.good or one.note for one in outcomes) else 1)


if __name__ == "__main__":
    main()
