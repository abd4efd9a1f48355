"""Code that numba compiles, with threads of its own."""
import numba
import numpy as np


@numba.njit(parallel=True)
def histogram(values, bins):
    counts = np.zeros((numba.get_num_threads(), bins), np.int64)
    for index in numba.prange(len(values)):
        counts[numba.get_thread_id(), int(values[index] * bins)] += 1
    return counts.sum(axis=0)


@numba.njit
def collect(count):
    blocks = [np.full(index + 1, index) for index in range(count)]
    return sum([block.sum() for block in blocks])


print(histogram(np.random.default_rng(7).random(2_000_000), 8).tolist(), collect(2000))
