"""Each function of the C library once or a few times, with sizes that distinguish them."""
import truth
from truth import MIB, PAGE


def heap():
    blocks = [
        truth.malloc(700_001),  #= heap malloc total 1/700001
        truth.calloc(3, 100_001),  #= heap calloc total 1/300003
        truth.posix_memalign(64, 50_021),  #= heap posix_memalign total 1/50021
        truth.aligned_alloc(256, 25_600),  #= heap aligned_alloc total 1/25600
        truth.memalign(32, 1_033),  #= heap memalign total 1/1033
        truth.valloc(5),  #= heap valloc total 1/5
        truth.pvalloc(4_097),  #= heap pvalloc total 1/4097
        truth.realloc(None, 90_001),  #= heap realloc total 1/90001
        truth.reallocarray(None, 7, 10_001),  #= heap realloc total 1/70007
    ]
    for block in blocks:
        assert block
        truth.free(block)


def kept():
    for _ in range(10):
        truth.memalign(16, 1_001)  #= kept memalign total 10/10010 peak 10/10010 leaks 10/10010
    first = truth.valloc(2_003)  #= kept valloc total 1/2003
    truth.valloc(2_003)  #= kept valloc total 1/2003 peak 1/2003 leaks 1/2003
    truth.free(first)
    truth.free(None)


def resized():
    # 64 MiB lie in a mapping of their own: within its last page a block grows and shrinks in place.
    block = truth.malloc(64 * MIB)  #= resized malloc total 1/67108864
    same = truth.realloc(block, 64 * MIB + 99)  #= resized realloc total 1/67108963
    assert same == block
    same = truth.realloc(block, 64 * MIB - 7)  #= resized realloc total 1/67108857
    assert same == block
    truth.free(same)

    small = truth.malloc(70_003)  #= resized malloc total 1/70003
    barrier = truth.memalign(16, 70_003)  #= resized memalign total 1/70003
    large = truth.realloc(small, 900_001)  #= resized realloc total 1/900001
    shrunk = truth.realloc(large, 800_003)  #= resized realloc total 1/800003 peak 1/800003 leaks 1/800003
    assert large != small and shrunk and barrier
    truth.free(barrier)


def emptied():
    # The C library frees the block and returns nothing: no allocation, and no leak.
    block = truth.malloc(11_000_003)  #= emptied malloc total 1/11000003
    assert truth.realloc(block, 0) is None


def failed():
    # Nothing is allocated, and the old block stays.
    block = truth.malloc(600_011)  #= failed malloc total 1/600011 peak 1/600011 leaks 1/600011
    assert truth.malloc(1 << 62) is None
    assert truth.calloc(1 << 40, 1 << 40) is None
    assert truth.realloc(block, 1 << 62) is None
    assert truth.posix_memalign(3, 100) is None
    assert truth.mmap(0) is None


def mapped():
    # As asked for, not rounded to pages.
    first = truth.mmap(2_048)  #= mapped mmap total 1/2048
    second = truth.mmap64(10_001)  #= mapped mmap total 1/10001
    truth.munmap(first, 2_048)
    truth.munmap(second, 10_001)
    grown = truth.mmap(PAGE)  #= mapped mmap total 1/4096
    grown = truth.mremap(grown, PAGE, 64 * MIB)  #= mapped mremap total 1/67108864
    grown = truth.mremap(grown, 64 * MIB, 3 * PAGE)  #= mapped mremap total 1/12288 peak 1/12288 leaks 1/12288


def peak():
    block = truth.malloc(256 * MIB)  #= peak malloc total 1/268435456 peak 1/268435456
    truth.free(block)


heap()
kept()
resized()
emptied()
failed()
mapped()
peak()
truth.memalign(16, 77)  #= <module> memalign total 1/77 leaks 1/77
