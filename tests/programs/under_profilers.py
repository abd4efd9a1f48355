"""Allocates while other profilers, debuggers and coverage tools watch the program, by all means that the interpreter has
for them, and after they have gone. With an argument, it is run under such a tool as a whole, and starts none itself."""
import cProfile
import profile
import sys
import threading
import trace
import tracemalloc

import truth
from truth import MIB


def allocate():
    truth.free(truth.valloc(1_003))  #= allocate valloc total 240/240720


class Shapes:
    def method(self):
        allocate()
        truth.free(truth.memalign(16, 2_003))  #= method memalign total 80/160240

    def generator(self):
        yield allocate()
        truth.free(truth.memalign(16, 2_005))  #= generator memalign total 80/160400
        yield allocate()


def work():
    shapes = Shapes()
    shapes.method()
    for _ in shapes.generator():
        pass
    truth.free(truth.pvalloc(3_001))  #= work pvalloc total 80/240080


def rounds():
    for _ in range(2):
        work()
    # A tool may watch threads of its own accord, or be told to.
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(4):
        work()


def watched_by_profile_functions():
    sys.setprofile(lambda *_: None)
    threading.setprofile(lambda *_: None)
    rounds()
    threading.setprofile(None)
    sys.setprofile(None)
    rounds()


def watched_by_trace_functions():
    def line_by_line(*_):
        return line_by_line

    sys.settrace(line_by_line)
    threading.settrace(line_by_line)
    rounds()
    threading.settrace(None)
    sys.settrace(None)
    rounds()


def watched_by_profilers():
    profiler = cProfile.Profile()
    profiler.enable()
    rounds()
    profiler.disable()
    profile.Profile().runcall(rounds)
    trace.Trace(count=1, trace=0).runfunc(rounds)
    rounds()


def watched_by_callbacks():
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        rounds()
        return
    events = monitoring.events
    tool = 4
    monitoring.use_tool_id(tool, "test")
    for event in (events.PY_START, events.PY_RETURN, events.LINE, events.CALL):
        monitoring.register_callback(tool, event, lambda *_: None)
    monitoring.set_events(tool, events.PY_START | events.PY_RETURN | events.LINE | events.CALL)
    rounds()
    monitoring.set_events(tool, 0)
    monitoring.free_tool_id(tool)


def watched_by_tracemalloc():
    tracemalloc.start(25)
    rounds()
    tracemalloc.stop()


if sys.argv[1:]:
    for _ in range(10):
        rounds()
else:
    watched_by_profile_functions()
    watched_by_trace_functions()
    watched_by_profilers()
    watched_by_callbacks()
    watched_by_tracemalloc()
truth.valloc(4_001)  #= <module> valloc total 1/4001 peak 1/4001 leaks 1/4001
truth.free(truth.memalign(16, 64 * MIB))  #= <module> memalign total 1/67108864 peak 1/67108864
