"""Allocations of all kinds on lines of their own, for the comparison of two profilers' records."""
import mmap
import threading


def objects():
    numbers = [bytes(1000 + number) for number in range(500)]
    table = {number: str(number) * 200 for number in range(2000)}
    text = "x" * 1_000_000
    return len(numbers) + len(table) + len(text)


def growing():
    values = []
    for number in range(20_000):
        values.append(number)
    array = bytearray()
    for _ in range(1000):
        array += b"some more bytes"
    return len(values) + len(array)


def mappings():
    for pages in range(1, 50):
        with mmap.mmap(-1, pages * 4096) as mapping:
            mapping[0] = 1


def recursive(depth):
    block = bytes(5000 + depth)
    return len(block) + (recursive(depth - 1) if depth else 0)


def in_thread():
    for size in range(600, 5000, 3):
        bytes(size)


objects()
growing()
mappings()
recursive(300)
threads = [threading.Thread(target=in_thread) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
