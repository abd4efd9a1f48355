"""joblib's own pool of processes."""
from math import isqrt

from joblib import Parallel, delayed


def count_primes(first, last):
    return sum(all(number % divisor for divisor in range(2, isqrt(number) + 1)) for number in range(max(first, 2), last))


print(sum(Parallel(n_jobs=2)(delayed(count_primes)(start, start + 2000) for start in range(0, 20_000, 2000))))
