"""Where the peak is, and what it consists of."""
import truth
from truth import MIB


def before():
    # Gone before the peak.
    block = truth.valloc(200 * MIB)  #= before valloc total 1/209715200
    truth.free(block)


def at_the_peak():
    return [
        truth.memalign(16, 64 * MIB),  #= at_the_peak memalign total 1/67108864 peak 1/67108864
        truth.memalign(16, 64 * MIB),  #= at_the_peak memalign total 1/67108864 peak 1/67108864
        truth.valloc(256 * MIB),  #= at_the_peak valloc total 1/268435456 peak 1/268435456
    ]


def spiky(depth):
    # Rises and falls at each level: live at the peak are the blocks of all levels but the released ones.
    kept = truth.aligned_alloc(16, 16 * MIB)  #= spiky aligned_alloc total 5/83886080 peak 5/83886080
    gone = truth.posix_memalign(16, 8 * MIB)  #= spiky posix_memalign total 5/41943040
    truth.free(gone)
    if depth > 1:
        spiky(depth - 1)
    else:
        blocks = at_the_peak()
        for block in blocks:
            truth.free(block)
    truth.free(kept)


def again():
    # As much as before, but never more than at the peak.
    block = truth.valloc(256 * MIB)  #= again valloc total 1/268435456
    truth.free(block)


before()
early = truth.pvalloc(1_000_003)  #= <module> pvalloc total 1/1000003 peak 1/1000003
late = truth.pvalloc(2_000_003)  #= <module> pvalloc total 1/2000003 peak 1/2000003 leaks 1/2000003
spiky(5)
truth.free(early)
again()
truth.pvalloc(3_000_017)  #= <module> pvalloc total 1/3000017 leaks 1/3000017
