"""Python that calls C that calls Python, in every way. Comments say what the stacks are;
tests/support/native_expectations.rs explains."""
import ctypes
import functools
import threading

import crossing


def leaf(size):
    crossing.inner(size)  # @leaf


def middle(size):
    crossing.outer(leaf, size)  # @middle


def top(size):
    crossing.outer(middle, size)  # @top


def plain(size):
    leaf(size)  # @plain


def nested():
    leaf(1000001)  # @nested-leaf
    middle(1000002)  # @nested-middle
    top(1000003)  # @nested-top
    crossing.outer(plain, 1000004)  # @nested-plain
    crossing.inner(1000005)  # @nested-inner


nested()  # @nested
#stack 1000001: <module>@nested / nested@nested-leaf / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000002: <module>@nested / nested@nested-middle / middle@middle / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000003: <module>@nested / nested@nested-top / top@top / outer@c-outer / calls@c-calls / middle@middle / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000004: <module>@nested / nested@nested-plain / outer@c-outer / calls@c-calls / plain@plain / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000005: <module>@nested / nested@nested-inner / inner@c-inner / allocates@c-allocates


# Functions of the interpreter that call back, and are folded.
def builtins():
    sorted([1000006], key=leaf)  # @sorted
    list(map(leaf, [1000007]))  # @map
    functools.reduce(lambda _, size: middle(size), [0, 1000008])  # @reduce
    functools.partial(leaf, 1000009)()  # @partial
    max([1000011], key=lambda size: crossing.outer(leaf, size) or size)  # @max


builtins()  # @builtins
#stack 1000006: <module>@builtins / builtins@sorted / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000007: <module>@builtins / builtins@map / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000008: <module>@builtins / builtins@reduce / ~ / <lambda>@reduce / middle@middle / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000009: <module>@builtins / builtins@partial / ~ / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000011: <module>@builtins / builtins@max / <lambda>@max / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates


# Generators: begun and resumed by Python and by C.
def generator(size):
    leaf(size)  # @generator-first
    yield 1
    middle(size + 1)  # @generator-second
    yield 2
    leaf(size + 2)  # @generator-third


def delegates(size):
    yield from generator(size)  # @delegates


def generators():
    one = generator(1000012)
    next(one)  # @generators-next
    crossing.advances(one)  # @generators-advances
    for _ in one: pass  # @generators-for
    other = delegates(1000015)
    crossing.advances(other)  # @generators-delegates
    crossing.outer(next, other)  # @generators-outer
    for _ in other: pass  # @generators-end


generators()  # @generators
#stack 1000012: <module>@generators / generators@generators-next / generator@generator-first / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000013: <module>@generators / generators@generators-advances / advances@c-advances / generator@generator-second / middle@middle / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000014: <module>@generators / generators@generators-for / generator@generator-third / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000015: <module>@generators / generators@generators-delegates / advances@c-advances / delegates@delegates / generator@generator-first / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000016: <module>@generators / generators@generators-outer / outer@c-outer / calls@c-calls / delegates@delegates / generator@generator-second / middle@middle / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000017: <module>@generators / generators@generators-end / delegates@delegates / generator@generator-third / leaf@leaf / inner@c-inner / allocates@c-allocates


# Special methods, called by the interpreter.
class Special:
    def __init__(self, size):
        leaf(size)  # @init

    def __del__(self):
        crossing.outer(leaf, 1000020)  # @del

    @property
    def attribute(self):
        leaf(1000021)  # @property

    def __add__(self, other):
        leaf(other)  # @add


def special():
    special = Special(1000018)  # @special-init
    other = crossing.outer(Special, 1000019)  # @special-outer
    special.attribute  # @special-attribute
    special + 1000022  # @special-add
    crossing.Caller((leaf,)) @ 1000023  # @special-caller
    kept = [special]
    del special
    crossing.clears(kept)  # @special-clears
    del other  # @special-del


special()  # @special
#stack 1000018: <module>@special / special@special-init / __init__@init / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000019: <module>@special / special@special-outer / outer@c-outer / calls@c-calls / __init__@init / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000020: <module>@special / special@special-clears / clears@c-clears / __del__@del / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000020: <module>@special / special@special-del / __del__@del / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000021: <module>@special / special@special-attribute / attribute@property / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000022: <module>@special / special@special-add / __add__@add / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000023: <module>@special / special@special-caller / adds@c-adds / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates


# Exceptions, through C and back.
def raises(size):
    crossing.outer(leaf, size)  # @raises-before
    raise ValueError(size)


def passes_on(size):
    crossing.outer(raises, size)  # @passes-on


def exceptions():
    try:
        crossing.outer(passes_on, 1000024)  # @exceptions-outer
    except ValueError:
        leaf(1000025)  # @exceptions-caught
    crossing.recovers(raises, 1000026)  # @exceptions-recovers
    crossing.recovers(leaf, 1000028)  # @exceptions-none
    leaf(1000030)  # @exceptions-after


exceptions()  # @exceptions
#stack 1000024: <module>@exceptions / exceptions@exceptions-outer / outer@c-outer / calls@c-calls / passes_on@passes-on / outer@c-outer / calls@c-calls / raises@raises-before / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000025: <module>@exceptions / exceptions@exceptions-caught / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000026: <module>@exceptions / exceptions@exceptions-recovers / recovers@c-recovers / calls@c-calls / raises@raises-before / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000027: <module>@exceptions / exceptions@exceptions-recovers / recovers@c-recovered / allocates@c-allocates
#stack 1000028: <module>@exceptions / exceptions@exceptions-none / recovers@c-recovers / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000028: <module>@exceptions / exceptions@exceptions-none / recovers@c-recovered / allocates@c-allocates
#stack 1000030: <module>@exceptions / exceptions@exceptions-after / leaf@leaf / inner@c-inner / allocates@c-allocates


# Callbacks of ctypes.
def callbacks():
    library = ctypes.CDLL(crossing.__file__)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_size_t)
    library.calls_pointer.argtypes = [kind, ctypes.c_size_t]
    library.calls_pointer.restype = None
    library.calls_pointer(kind(leaf), 1000031)  # @callbacks
    library.calls_pointer(kind(middle), 1000032)  # @callbacks-middle


callbacks()  # @module-callbacks
#stack 1000031: <module>@module-callbacks / callbacks@callbacks / ... / calls_pointer@c-pointer / ... / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000032: <module>@module-callbacks / callbacks@callbacks-middle / ... / calls_pointer@c-pointer / ... / middle@middle / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates


# Threads of Python's and of C's.
def threads():
    thread = threading.Thread(target=middle, args=(1000033,))
    thread.start()
    thread.join()
    crossing.in_thread(middle, 1000034)  # @threads
    thread = threading.Thread(target=crossing.in_thread, args=(leaf, 1000035))
    thread.start()
    thread.join()


threads()  # @module-threads
#stack 1000033: ~ / middle@middle / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000034: <module>@module-threads / threads@threads / in_thread@c-creates / | / in_own_thread@c-thread / calls@c-calls / middle@middle / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000035: ~ / in_thread@c-creates / | / in_own_thread@c-thread / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000099: <module>@module-threads / threads@threads / in_thread@c-creates / | / in_own_thread@c-thread-end / allocates@c-allocates
#stack 1000099: ~ / in_thread@c-creates / | / in_own_thread@c-thread-end / allocates@c-allocates


# Code that is evaluated, classes, and recursion through both worlds.
def recursion(depth):
    if depth:
        crossing.outer(recursion, depth - 1)  # @recursion
    else:
        leaf(1000036)  # @recursion-end


def evaluated():
    eval("leaf(1000037)")  # @evaluated
    class Body:  # @class
        crossing.outer(leaf, 1000038)  # @body
    recursion(2)  # @recursion-begin


evaluated()  # @module-evaluated
#stack 1000036: <module>@module-evaluated / evaluated@recursion-begin / recursion@recursion / outer@c-outer / calls@c-calls / recursion@recursion / outer@c-outer / calls@c-calls / recursion@recursion-end / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000037: <module>@module-evaluated / evaluated@evaluated / ~ / leaf@leaf / inner@c-inner / allocates@c-allocates
#stack 1000038: <module>@module-evaluated / evaluated@class / Body@body / outer@c-outer / calls@c-calls / leaf@leaf / inner@c-inner / allocates@c-allocates
