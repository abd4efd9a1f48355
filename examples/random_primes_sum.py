"""Draws a million random numbers, sorts them, and counts the primes among the whole parts of sqrt(x) + log(x).

Most of its memory are the two lists and the floats in them:

    memprof run -o primes.bin examples/random_primes_sum.py
    memprof flamegraph primes.bin
"""
import math
import random
import sys


def is_prime(number):
    if number < 2:
        return False
    for divisor in range(2, math.isqrt(number) + 1):
        if number % divisor == 0:
            return False
    return True


def draw(count):
    return [random.uniform(1, 10000) for _ in range(count)]


def transform(values):
    return [math.sqrt(value) + math.log(value) for value in values]


def main(count):
    random.seed(7)  # The same numbers each time, so that two runs can be compared.
    values = sorted(draw(count))
    transformed = transform(values)
    primes = sum(1 for value in transformed if is_prime(int(value)))
    print(f"{primes} primes; the sum of all values is {sum(transformed):.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
