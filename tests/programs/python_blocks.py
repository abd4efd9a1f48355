"""Blocks of Python's own allocators, by each of their functions, of sizes that nothing else has; then many objects."""
import ctypes
import os


def function(name, *arguments):
    result = getattr(ctypes.pythonapi, name)
    result.argtypes, result.restype = arguments, ctypes.c_void_p
    return result


def blocks(domain):
    malloc = function(domain + "Malloc", ctypes.c_size_t)
    calloc = function(domain + "Calloc", ctypes.c_size_t, ctypes.c_size_t)
    realloc = function(domain + "Realloc", ctypes.c_void_p, ctypes.c_size_t)
    free = function(domain + "Free", ctypes.c_void_p)
    free(malloc(98_431))
    free(calloc(7, 14_061))
    free(realloc(malloc(98_433), 198_429))
    free(realloc(None, 98_437))
    # Small ones: from an arena, where Python has arenas. Python itself may have one of the size.
    for _ in range(1000):
        free(realloc(malloc(507), 509))
    free(None)
    # Never freed.
    malloc(98_439)


def floats():
    return [number + 0.5 for number in range(10_000)]


for domain in "PyMem_Raw", "PyMem_", "PyObject_":
    blocks(domain)
kept = floats()
# Nothing is cleaned up.
os._exit(0)
