"""Runs a command and says what it used: processor time, wall time, memory, all with its child processes."""
import dataclasses
import math
import os
import statistics
import time


class Failed(Exception):
    """A command that should have succeeded did not."""


@dataclasses.dataclass(frozen=True)
class Usage:
    """What one run used. `cpu` is user and system time of the process and of all its children, so that a profiler's
    helper process counts; `peak_rss` is that of the largest single process, in bytes."""
    wall: float
    cpu: float
    peak_rss: int


def run(command, cpu=None, environment=None, log=os.devnull):
    """Runs a command, on processor number `cpu` if one is given. Its output goes to the file `log`."""
    begin = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})
            nothing = os.open(os.devnull, os.O_RDONLY)
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(nothing, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.execve(command[0], command, {**os.environ, **(environment or {})})
        finally:
            os._exit(127)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - begin
    if status != 0:
        raise Failed(f"exit status {os.waitstatus_to_exitcode(status)} from {' '.join(command)}")
    return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def median(usages, what):
    """The median of one figure of several runs."""
    return statistics.median(getattr(usage, what) for usage in usages)


def median_ratio(usages, others, what):
    """The median of one figure's ratio, turn by turn: what disturbs one turn disturbs both of its runs."""
    return statistics.median(getattr(one, what) / getattr(other, what) for one, other in zip(usages, others))


def geometric_mean(ratios):
    return math.exp(statistics.fmean(math.log(ratio) for ratio in ratios))


def percentile(values, percent):
    """The smallest of the values that so many percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def interleaved(commands, runs, before_each=lambda name: None, **how):
    """Runs each of the named commands `runs` times, taking turns, so that whatever else the machine does meets all of
    them alike. The first turn is not counted: it fills the caches."""
    usages = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            before_each(name)
            usage = run(command, **how)
            if turn > 0:
                usages[name].append(usage)
    return usages
