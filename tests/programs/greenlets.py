"""Greenlets that call C that calls Python, and switch among each other from below it. greenlet moves parts of the
machine's stack away and back: what is further out than a greenlet's own beginning may be anybody's, and is not shown."""
import json
import sys

import crossing
import greenlet


def leaf(size):
    report(size, sys._getframe())
    crossing.inner(size)  # @leaf


def report(size, frame):
    """Prints the stack as Python itself has it, but for the line of the innermost frame."""
    stack = []
    while frame is not None:
        stack.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    print(json.dumps({"bytes": size, "stack": stack[::-1]}))


def switches(size):
    leaf(size)  # @switches-first
    main.switch()  # @switches-away
    leaf(size + 10)  # @switches-second
    main.switch()
    leaf(size + 20)  # @switches-third


def first(size):
    crossing.outer(switches, size)  # @first


def second(size):
    crossing.outer(first, size)  # @second


def deeper(depth, coroutine):
    if depth:
        crossing.outer(lambda depth: deeper(depth, coroutine), depth - 1)
    else:
        coroutine.switch(1000003)


def run():
    one, other = greenlet.greenlet(first), greenlet.greenlet(second)
    one.switch(1000001)
    other.switch(1000002)
    leaf(1000004)  # @run-between
    one.switch()
    deeper(5, other)
    crossing.outer(lambda _: one.switch(), 0)
    other.switch()
    leaf(1000005)  # @run-after


main = greenlet.getcurrent()
run()  # @module
#stack 1000004: <module>@module / run@run-between / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000005: <module>@module / run@run-after / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000001: first@first / outer@c-outer / calls@c-calls / switches@switches-first / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000011: first@first / outer@c-outer / calls@c-calls / switches@switches-second / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000021: first@first / outer@c-outer / calls@c-calls / switches@switches-third / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000002: second@second / outer@c-outer / calls@c-calls / first@first / outer@c-outer / calls@c-calls / switches@switches-first / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000012: second@second / outer@c-outer / calls@c-calls / first@first / outer@c-outer / calls@c-calls / switches@switches-second / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000022: second@second / outer@c-outer / calls@c-calls / first@first / outer@c-outer / calls@c-calls / switches@switches-third / leaf@leaf / inner@c-inner / allocates@c-allocates
