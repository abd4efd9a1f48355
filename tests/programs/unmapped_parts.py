"""Mappings that are unmapped in parts, together, or by mapping something else over them. The peak comes at the end:
it counts what is left of all of them."""
import truth
from truth import MIB, PAGE


def head():
    at = truth.mmap(2 * PAGE)  #= head mmap total 1/8192 peak 1/4096 leaks 1/4096
    truth.munmap(at, PAGE)


def tail_within_a_page():
    # The system unmaps whole pages; of the last one only the bytes that were asked for had counted.
    at = truth.mmap(2 * PAGE + 100)  #= tail_within_a_page mmap total 1/8292 peak 1/8192 leaks 1/8192
    truth.munmap(at + 2 * PAGE, 1)


def head_and_tail():
    at = truth.mmap(14 * PAGE)  #= head_and_tail mmap total 1/57344 peak 1/49152 leaks 1/49152
    truth.munmap(at, PAGE)
    truth.munmap(at + 13 * PAGE, PAGE)


def middle():
    at = truth.mmap(20 * PAGE)  #= middle mmap total 1/81920 peak 1/69632 leaks 1/69632
    truth.munmap(at + 8 * PAGE, 3 * PAGE)


def two_middles():
    at = truth.mmap(19 * PAGE)  #= two_middles mmap total 1/77824 peak 1/53248 leaks 1/53248
    truth.munmap(at + 2 * PAGE, 3 * PAGE)
    truth.munmap(at + 9 * PAGE, 3 * PAGE)


def piece_by_piece():
    at = truth.mmap(5 * PAGE)  #= piece_by_piece mmap total 1/20480
    for page in (3, 0, 4, 1, 2):
        truth.munmap(at + page * PAGE, PAGE)


def one_for_several():
    # The room of eight pages, eight mappings of a page over it: what is mapped over is gone.
    at = truth.adjacent_mappings(8, 1)  #= one_for_several mmap total 9/65536 peak 4/16384 leaks 4/16384
    truth.munmap(at + 2 * PAGE, 4 * PAGE)


def several_for_several():
    at = truth.adjacent_mappings(4, 3)  #= several_for_several mmap total 5/98304 peak 3/24576 leaks 3/24576
    truth.munmap(at + 2 * PAGE, 2 * PAGE)
    truth.munmap(at + 8 * PAGE, 4 * PAGE)


def mapped_over():
    at = truth.mmap(16 * PAGE)  #= mapped_over mmap total 1/65536
    truth.mmap_fixed(at, 16 * PAGE)  #= mapped_over mmap total 1/65536 peak 1/65536 leaks 1/65536


def mapped_over_the_middle():
    at = truth.mmap(16 * PAGE)  #= mapped_over_the_middle mmap total 1/65536 peak 1/53248 leaks 1/53248
    truth.mmap_fixed(at + 4 * PAGE, 3 * PAGE)  #= mapped_over_the_middle mmap total 1/12288 peak 1/12288 leaks 1/12288


def moved_over():
    at = truth.mmap(4 * PAGE)  #= moved_over mmap total 1/16384
    over = truth.mmap(8 * PAGE)  #= moved_over mmap total 1/32768 peak 1/24576 leaks 1/24576
    truth.mremap_fixed(at, 4 * PAGE, 2 * PAGE, over)  #= moved_over mremap total 1/8192 peak 1/8192 leaks 1/8192


def twice():
    # The second unmapping finds nothing.
    at = truth.mmap(3 * PAGE)  #= twice mmap total 1/12288
    truth.munmap(at, 3 * PAGE)
    truth.munmap(at, 3 * PAGE)


for case in (head, tail_within_a_page, head_and_tail, middle, two_middles, piece_by_piece, one_for_several,
             several_for_several, mapped_over, mapped_over_the_middle, moved_over, twice):
    case()
truth.free(truth.memalign(64, 64 * MIB))  #= <module> memalign total 1/67108864 peak 1/67108864
