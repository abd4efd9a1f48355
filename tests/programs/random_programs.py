"""Programs of random shape: functions, generators, coroutines and class bodies that call each other in every way that
Python knows, from threads, from evaluated code and from functions of C.

Arguments: a seed, and how many allocations to witness at least. Prints all stacks that allocated, root first, with
how often and how much.
"""
import asyncio
import contextlib
import copy
import ctypes
import functools
import importlib
import importlib.abc
import importlib.util
import json
import pickle
import random
import re
import sys
import threading
import types

import truth

SEED, WANTED = map(int, sys.argv[1:])
chance = random.Random(SEED)
FUNCTIONS = 24
DEPTH = 7
# Of one text, before the next one takes its place and its memory.
ROUNDS = 10

frames, sums, witnessed = {}, {}, 0
lock = threading.Lock()


def witness(size):
    global witnessed
    stack, frame = [], sys._getframe(1)
    with lock:
        while frame is not None:
            code = frame.f_code
            stack.append(frames.setdefault((code.co_filename, frame.f_lineno, code.co_name), len(frames)))
            frame = frame.f_back
        amount = sums.setdefault(tuple(stack), [0, 0])
        amount[0] += 1
        amount[1] += size
        witnessed += 1


truth.set_witness(witness)


# What the generated code calls.

def drive(coroutine):
    """Runs a coroutine to its end, without a loop."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as result:
        return result.value


class Once:
    """Something to wait for that suspends once."""
    def __await__(self):
        yield


class Waits:
    def __init__(self, enter, leave):
        self.enter, self.leave = enter, leave

    async def __aenter__(self):
        await Once()
        return self.enter()

    async def __aexit__(self, *_):
        self.leave()


class Calls:
    """Calls a function by whatever an object may be asked for."""
    def __init__(self, call):
        self.call = call

    def __bool__(self):
        self.call()
        return True

    def __len__(self):
        self.call()
        return 1

    def __hash__(self):
        self.call()
        return 1

    def __eq__(self, _):
        self.call()
        return True

    def __lt__(self, _):
        self.call()
        return True

    def __add__(self, other):
        self.call()
        return other

    def __radd__(self, other):
        self.call()
        return other

    def __getitem__(self, index):
        self.call()
        if index:
            raise IndexError
        return index

    def __contains__(self, _):
        self.call()
        return True

    def __iter__(self):
        self.call()
        return self

    def __next__(self):
        self.call()
        raise StopIteration

    def __index__(self):
        self.call()
        return 1

    def __format__(self, _):
        self.call()
        return ""

    def __str__(self):
        self.call()
        return ""

    def __call__(self, *_, **__):
        self.call()

    def __getattr__(self, name):
        if name != "anything":
            raise AttributeError(name)
        return self.call()

    def __enter__(self):
        self.call()

    def __exit__(self, *_):
        self.call()

    def __reduce__(self):
        self.call()
        return str, ()

    @property
    def value(self):
        return self.call()


class Dies:
    def __init__(self, call):
        self.call = call

    def __del__(self):
        self.call()


class Named:
    """Is told its name when a class has been made."""
    def __init__(self, call):
        self.call = call

    def __set_name__(self, *_):
        self.call()


class Meta(type):
    def __new__(mcs, name, bases, space, call):
        call()
        return super().__new__(mcs, name, bases, space)

    def __init__(cls, name, bases, space, call):
        super().__init__(name, bases, space)

    @classmethod
    def __prepare__(mcs, name, bases, call):
        call()
        return {}


class Modules(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports modules whose text calls what they are made with."""
    calls = {}

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name in self.calls else None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.call = self.calls[spec.name]
        return module

    def get_source(self, name):
        return "\n\ncall()\n"


sys.meta_path.insert(0, Modules())


def imported(call):
    name = f"generated_{threading.get_ident()}_{id(call)}"
    Modules.calls[name] = call
    importlib.import_module(name)
    del sys.modules[name], Modules.calls[name]


def in_thread(*calls):
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_loop(function, depth):
    """In an event loop, of which a thread runs one at a time."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(function(depth))
        finally:
            loop.close()
    else:
        in_thread(lambda: in_loop(function, depth))


@contextlib.contextmanager
def around(call):
    call()
    try:
        yield
    finally:
        call()


_Callback = ctypes.CFUNCTYPE(None)
_Compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_qsort = ctypes.CDLL(None).qsort
_qsort.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, _Compare]


def from_c(call):
    _Callback(call)()


def compared_by_c(call):
    numbers = (ctypes.c_int * 2)(2, 1)
    _qsort(numbers, 2, 4, _Compare(lambda *_: call() or 0))


# How a function calls another one, which `{}` is the number of. `f` is a function, `g` a generator, `c` a coroutine,
# `a` an asynchronous generator.
CALLS = [
    "f{}(depth)",
    "f{}(\n    depth\n)",
    "[f{}(depth)\n for _ in (1,)]",
    "{{f{}(depth) for _ in (1,)}}",
    "{{1: f{}(depth) for _ in (1,)}}",
    "list(f{}(depth)\n     for _ in (1,))",
    "[[f{}(depth) for _ in (1,)]\n for _ in (1,)]",
    "(lambda:\n f{}(depth))()",
    "print(end='',\n      file=\n      f{}(\n          depth))",
    "for _ in g{}(depth):\n    pass",
    "next(g{}(depth))",
    "list(\n    g{}(depth))",
    "first, *_ = *g{}(depth), 1, 2",
    "steps = g{}(depth)\nnext(steps)\nsteps.close()",
    "steps = g{}(depth)\nnext(steps)\nwith contextlib.suppress(KeyError):\n    steps.throw(KeyError())",
    "try:\n    1 / 0\nexcept ZeroDivisionError:\n    f{}(depth)",
    "try:\n    f{}(depth)\nfinally:\n    f{}(depth)",
    "with around(lambda: f{}(depth)):\n    pass",
    "with Calls(lambda: f{}(depth)):\n    pass",
    "drive(c{}(depth))",
    "in_loop(c{}, depth)",
    "in_loop(w{}, depth)",
    "eval('f{}(depth)')",
    "exec('\\n\\ndef made(depth):\\n    f{}(depth)\\n\\nmade(depth)')",
    "exec(compile('[\\n f{}(depth)\\n for depth in (depth,)]', '/generated/formula', 'exec'))",
    "imported(lambda: f{}(depth))",
    "class Body:\n    here = f{}(depth)",
    "class Body:\n    name = Named(lambda: f{}(depth))",
    "class Body(metaclass=Meta, call=lambda: f{}(depth)):\n    pass",
    "@(lambda function: f{}(depth))\ndef decorated():\n    pass",
    "def defaults(_=f{}(depth)):\n    pass",
    "list(map(f{}, [depth]))",
    "list(filter(f{}, [depth]))",
    "max([depth], key=f{})",
    "sorted([2, 1], key=lambda _:\n       f{}(depth) or 0)",
    "functools.reduce(lambda *_: f{}(depth), range(2))",
    "functools.partial(f{},\n                  depth)()",
    "sorted([2, 1], key=functools.cmp_to_key(lambda *_: f{}(depth) or 0))",
    "functools.lru_cache(f{})(depth)",
    "re.sub('x', lambda _: f{}(depth) or '', 'x')",
    "json.dumps({{1, 2}}, default=lambda _: f{}(depth))",
    "pickle.dumps(Calls(lambda: f{}(depth)))",
    "copy.copy(Calls(lambda: f{}(depth)))",
    "list(iter(lambda: f{}(depth), None))",
    "from_c(lambda: f{}(depth))",
    "compared_by_c(lambda: f{}(depth))",
    "Dies(lambda: f{}(depth))",
    "bool(Calls(lambda: f{}(depth)))",
    "if Calls(lambda: f{}(depth)):\n    pass",
    "len(Calls(lambda: f{}(depth)))",
    "{{Calls(lambda: f{}(depth))}}",
    "Calls(lambda: f{}(depth)) == 1",
    "[1].index(Calls(lambda: f{}(depth)))",
    "sorted([Calls(lambda: f{}(depth)), Calls(int)])",
    "Calls(lambda: f{}(depth)) + 1",
    "sum([Calls(lambda: f{}(depth))])",
    "[*Calls(lambda: f{}(depth))]",
    "1 in Calls(lambda: f{}(depth))",
    "for _ in Calls(lambda: f{}(depth)):\n    pass",
    "[1, 2][Calls(lambda: f{}(depth))]",
    "f\"{{Calls(lambda: f{}(depth))}}\"",
    "str(Calls(lambda: f{}(depth)))",
    "Calls(lambda: f{}(depth))()",
    "Calls(lambda: f{}(depth)).anything",
    "getattr(Calls(lambda: f{}(depth)), 'anything')",
    "Calls(lambda: f{}(depth)).value",
    "depth and\\\n    f{}(depth)",
    "(f{}(depth) if depth else\n f{}(depth))",
    "while f{}(depth):\n    pass",
    "assert not f{}(depth)",
]
# What starts threads is called less often: it takes long, and what they call runs side by side.
IN_THREADS = ["in_thread(lambda: f{}(depth))", "in_thread(lambda: f{}(depth), lambda: f{}(depth))"]
IN_GENERATORS = ["yield from g{}(depth)", "yield (\n    f{}(depth))", "yield"]
IN_COROUTINES = [
    "await c{}(depth)", "await Once()", "async for _ in a{}(depth):\n    pass", "[_ async for _ in\n a{}(depth)]",
    "async with Waits(lambda: f{}(depth), lambda: f{}(depth)):\n    f{}(depth)",
]
# For coroutines that are run by a loop.
IN_LOOPS = ["await asyncio.gather(w{}(depth), c{}(depth))", "await asyncio.sleep(0)",
            "await asyncio.wait_for(c{}(depth), 1000)"]
IN_ASYNCHRONOUS_GENERATORS = ["yield", "yield (\n    f{}(depth))", "async for step in a{}(depth):\n    yield step"]
WITNESSES = ["witness()", "(1,\n witness())", "[\n    witness()]", "[witness() for _ in range(2)]",
             "str(\n    witness())"]


def blank_lines():
    return "\n" * chance.choice([0, 0, 0, 1, 2, 40, 130, 300])


def filled(text):
    numbers = [chance.randrange(FUNCTIONS) for _ in range(text.count("{}"))]
    return text.format(*numbers)


def indented(text, by):
    return "".join(f"{' ' * by}{line}\n" for line in text.split("\n"))


def function(head, ways):
    body = "    depth -= 1\n"
    for _ in range(chance.randrange(1, 4)):
        body += blank_lines() + indented(chance.choice(WITNESSES), 4)
        way = chance.choice(IN_THREADS) if chance.random() < 0.01 else chance.choice(ways)
        body += "    if depth > 0:\n" + indented(filled(way), 8)
    return f"{head}(depth):\n{body}"


def generated():
    text = ""
    for number in range(FUNCTIONS):
        text += function(f"def f{number}", CALLS) + blank_lines()
        text += function(f"def g{number}", CALLS + IN_GENERATORS * 8) + "    yield\n" + blank_lines()
        text += function(f"async def c{number}", CALLS + IN_COROUTINES * 8) + "    await Once()\n" + blank_lines()
        text += function(f"async def w{number}", CALLS + IN_LOOPS * 12) + blank_lines()
        text += function(f"async def a{number}", CALLS + IN_ASYNCHRONOUS_GENERATORS * 8) + "    yield\n"
    return text


generation = 0
while witnessed < WANTED:
    space = dict(globals(), witness=truth.witnessed)
    exec(compile(generated(), f"/generated/{generation}.py", "exec"), space)
    for _ in range(ROUNDS):
        if witnessed < WANTED:
            space[f"f{chance.randrange(FUNCTIONS)}"](chance.randrange(1, DEPTH))
    generation += 1

print(json.dumps({"frames": list(frames), "stacks": [[stack, *amount] for stack, amount in sums.items()]}))
