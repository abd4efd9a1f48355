"""Ways to an allocator that profilers which rewrite call tables miss, and frames that tracing profilers lose."""
import _ctypes
import cProfile
import ctypes
import sys

import truth
from truth import MIB



def with_types(library):
    library.malloc.restype = library.memalign.restype = ctypes.c_void_p
    library.malloc.argtypes, library.memalign.argtypes = [ctypes.c_size_t], [ctypes.c_size_t] * 2
    library.free.argtypes, library.free.restype = [ctypes.c_void_p], None
    return library


libc = with_types(ctypes.CDLL(None))
libc_alone = with_types(ctypes.CDLL("libc.so.6"))


def looked_up():
    # Through a pointer that dlsym returned.
    block = libc.malloc(77_000_003)  #= looked_up malloc total 1/77000003
    libc.free(block)
    libc.memalign(16, 1_003)  #= looked_up memalign total 1/1003 peak 1/1003 leaks 1/1003


def looked_up_in_one_library():
    # What the search order of all libraries says plays no part.
    block = libc_alone.malloc(78_000_003)  #= looked_up_in_one_library malloc total 1/78000003
    libc.free(block)
    block = libc.malloc(79_000_003)  #= looked_up_in_one_library malloc total 1/79000003
    libc_alone.free(block)
    libc_alone.memalign(16, 1_007)  #= looked_up_in_one_library memalign total 1/1007 peak 1/1007 leaks 1/1007


def constructor():
    handle = _ctypes.dlopen(sys.argv[1], 0)  #= constructor memalign total 1/50000003
    _ctypes.dlclose(handle)


def while_profiled():
    profiler = cProfile.Profile()
    profiler.enable()
    truth.valloc(1_000_003)  #= while_profiled valloc total 1/1000003 peak 1/1000003 leaks 1/1000003
    profiler.disable()
    truth.valloc(2_000_003)  #= while_profiled valloc total 1/2000003 peak 1/2000003 leaks 1/2000003


def while_traced():
    sys.setprofile(lambda *_: None)
    truth.valloc(3_000_003)  #= while_traced valloc total 1/3000003 peak 1/3000003 leaks 1/3000003
    sys.setprofile(None)
    sys.settrace(lambda *_: None)
    truth.valloc(4_000_003)  #= while_traced valloc total 1/4000003 peak 1/4000003 leaks 1/4000003
    sys.settrace(None)


looked_up()
looked_up_in_one_library()
constructor()
while_profiled()
while_traced()
truth.free(truth.pvalloc(512 * MIB))  #= <module> pvalloc total 1/536870912 peak 1/536870912
