"""Allocates below many calls of one function, Python's own and ones that go through C in between."""
import functools
import sys

import truth


def descend(depth):
    if depth > 1:
        descend(depth - 1)
    else:
        truth.valloc(1_000_001)  # @deepest


def through_c(depth):
    if depth > 1:
        functools.reduce(lambda _, below: through_c(below), [depth - 1], None)  # @through-c
    else:
        truth.valloc(1_000_002)  # @deepest-through-c


sys.setrecursionlimit(10_000)
descend(3_000)
# Python 3.12 allows few of these.
through_c(220)
