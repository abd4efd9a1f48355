# -*- coding: utf-8 -*-
"""Every shape of code that can be around a call. Python itself is asked which stack it was."""
import asyncio
import functools
import itertools
import queue
import sys
import threading

from truth import witnessed


def straight():
    witnessed()
    witnessed()


def over_several_lines(*_, **__):
    over_several = (
        witnessed(),
        [
            witnessed()
            for _ in
            range(2)
        ],
    )
    return len(
        str(
            witnessed(
            )
        )
    ) and over_several


def comprehensions():
    [witnessed() for _ in range(3)]
    {witnessed() for _ in range(2)}
    {n: witnessed() for n in range(2)}
    list(witnessed() for _ in range(2))
    [[witnessed()
      for _ in range(2)]
     for _ in range(2)]


def generators():
    def steps():
        witnessed()
        yield 1
        witnessed()
        try:
            yield 2
        finally:
            witnessed()

    def delegating():
        yield from steps()
        witnessed()

    generator = steps()
    next(generator)
    witnessed()
    next(generator)
    generator.close()
    for _ in delegating():
        witnessed()
    # Suspended under one caller, resumed under another one.
    shared = delegating()
    (lambda: next(shared))()
    list(shared)


def nested():
    def middle():
        def inner():
            witnessed()

        inner()
        witnessed()

    middle()


def decorated():
    def twice(function):
        @functools.wraps(function)
        def wrapper():
            function()
            witnessed()
            function()

        return wrapper

    @twice
    def target():
        witnessed()

    target()


def lambdas():
    (lambda: witnessed())()
    list(map(lambda _: witnessed(), range(2)))
    sorted([3, 1, 2], key=lambda n: witnessed() or n)
    functools.reduce(lambda _, __: witnessed(), range(3))


def classes():
    class Body:
        witnessed()
        here = [witnessed() for _ in range(2)]

        def __init__(self):
            witnessed()

        @property
        def value(self):
            return witnessed()

        @classmethod
        def made(cls):
            witnessed()
            return cls()

        @staticmethod
        def free_standing():
            witnessed()

        def __del__(self):
            witnessed()

        def __eq__(self, other):
            witnessed()
            return True

    body = Body.made()
    body.value
    Body.free_standing()
    [body].index(Body())
    del body


def recursion(depth):
    if depth == 0:
        witnessed()
    else:
        recursion(depth - 1)
    if depth % 500 == 7:
        witnessed()


def evaluated():
    eval("witnessed()")
    eval(compile("[witnessed()\n for _ in range(2)]", "<a formula>", "eval"))
    exec(compile("\n\ndef made():\n    witnessed()\n\nmade()\nwitnessed()\n", "/no/such/folder/generated code.py", "exec"),
         {"witnessed": witnessed})


def exceptions():
    try:
        try:
            raise ValueError(witnessed())
        except ValueError:
            witnessed()
            raise KeyError from None
        finally:
            witnessed()
    except KeyError:
        witnessed()
    with Manager():
        witnessed()


class Manager:
    def __enter__(self):
        witnessed()

    def __exit__(self, *_):
        witnessed()


def größe_αβγ_数():
    witnessed()
    exec(compile("def ünïcödé():\n    witnessed()\nünïcödé()", "/täst/файл 文件 🦀.py", "exec"), {"witnessed": witnessed})


async def asynchronous():
    async def part(number):
        witnessed()
        await asyncio.sleep(0)
        witnessed()
        return number

    async def stream():
        for number in range(2):
            witnessed()
            yield number
            await asyncio.sleep(0)

    await asyncio.gather(part(1), part(2))
    async for _ in stream():
        witnessed()
    [witnessed() async for _ in stream()]


def in_threads():
    tasks = queue.Queue()

    def worker():
        while tasks.get():
            witnessed()

    def starter():
        thread = threading.Thread(target=worker)
        thread.start()
        witnessed()
        tasks.put(True)
        tasks.put(False)
        thread.join()

    starter()


def lines_with_much_between():
    for number in itertools.count():
        if number == 300:
            break
        # Far apart lines need long entries in a line table; so do long expressions.








        number in (1, 2, 3) and witnessed()








































































































































        number in (2, 3, 250) and witnessed()


def ways_on():
    witnessed() if sys.argv else None
    while True:
        witnessed()
        break
    assert not witnessed()
    f"{witnessed()} {witnessed()}"
    first, *_ = witnessed(), 2
    return witnessed()


for shape in (straight, over_several_lines, comprehensions, generators, nested, decorated, lambdas, classes, evaluated,
              exceptions, größe_αβγ_数, in_threads, lines_with_much_between, ways_on):
    shape()
over_several_lines(
    witnessed(),
    over_several_lines(),
    key=
    witnessed(),
)
sys.setrecursionlimit(3000)
recursion(1500)
asyncio.run(asynchronous())
