"""Allocates by one function of the C library at a time, on the line that calls it and without noise of its own."""
import ctypes
import json
import os
import sys

_library = ctypes.CDLL(os.environ["TRUTH_LIBRARY"], use_errno=True)
PAGE = 4096
MIB = 1 << 20


def _function(name, arguments, result=ctypes.c_void_p):
    function = getattr(_library, "truth_" + name)
    function.argtypes, function.restype = arguments, result
    return function


_size, _pointer = ctypes.c_size_t, ctypes.c_void_p
malloc = _function("malloc", [_size])
calloc = _function("calloc", [_size, _size])
realloc = _function("realloc", [_pointer, _size])
reallocarray = _function("reallocarray", [_pointer, _size, _size])
posix_memalign = _function("posix_memalign", [_size, _size])
aligned_alloc = _function("aligned_alloc", [_size, _size])
memalign = _function("memalign", [_size, _size])
valloc = _function("valloc", [_size])
pvalloc = _function("pvalloc", [_size])
free = _function("free", [_pointer], None)
mmap = _function("mmap", [_size])
mmap64 = _function("mmap64", [_size])
mmap_fixed = _function("mmap_fixed", [_pointer, _size])
munmap = _function("munmap", [_pointer, _size], ctypes.c_int)
mremap = _function("mremap", [_pointer, _size, _size])
mremap_fixed = _function("mremap_fixed", [_pointer, _size, _size, _pointer])
adjacent_mappings = _function("adjacent_mappings", [_size, _size])
thread = _function("thread", [_size, _size], ctypes.c_int)
crowd = _function("crowd", [_size, _size], ctypes.c_int)

# The interpreter maps memory for small objects where it happens to run out of it. Now it has enough.
_room = [bytes(size) for size in range(1, 480, 16) for _ in range(800)]
_room = _room[::100]


def _stack(frame):
    frames = []
    while frame is not None:
        code = frame.f_code
        frames.append((code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    return frames[::-1]


def _witness(size):
    # At once, since what is kept would take the places of the objects that the program throws away.
    print(json.dumps({"bytes": size, "stack": _stack(sys._getframe(1))}))


_Witness = ctypes.CFUNCTYPE(None, _size)


def set_witness(function):
    """Has `witnessed` call a function, with the size that it allocated."""
    global _kept
    _kept = _Witness(function)
    _function("set_witness", [_Witness], None)(_kept)


set_witness(_witness)
# Allocates a size of its own each time; meanwhile the witness prints the stack that called it, root first.
witnessed = _function("witnessed", [], None)
