"""Allocations without a pattern: call paths, sizes and lifetimes all differ, and depend on a fixed seed alone.

irregular.py ALLOCATIONS [PATHS] makes about so many allocations, Python's own objects included. Each is made at the end of
one of PATHS (150,000) ways through 400 functions, which are 6 to 34 calls long and have little in common. Most blocks live
shortly, some for long, a few until the end.
"""
import random
import sys

FUNCTIONS = 400
CALLS = 6
SHORTEST, LONGEST = 6, 34
PATHS = 150_000
KEPT = 1_000_000
PER_CALL = 5


def source(number, draw):
    """A function of many lines that call others: the next number of the path says which."""
    lines = [f"def f{number}(path, level):",
             "    if level == len(path):",
             f"        return keep({number % 7})",
             "    step = path[level]"]
    for call in range(CALLS):
        lines += [f"    {'if' if call == 0 else 'elif'} step == {call}:",
                  f"        return f{draw(FUNCTIONS)}(path, level + 1)"]
    return "\n".join(lines)


def main(allocations, path_count):
    chance = random.Random(1).random
    kept = [None] * KEPT

    def draw(below):
        return int(chance() * below)

    def keep(kind):
        # Most are small, few have 60 KiB.
        block = [bytes(int(16 / (chance() + 0.00025)) + kind)]
        # A third goes at once, a third soon, the rest when chance has it.
        fate = chance()
        if fate > 0.67:
            kept[int(chance() * KEPT)] = block
        elif fate > 0.33:
            kept[int(chance() * 256)] = block

    names = {"keep": keep}
    for number in range(FUNCTIONS):
        exec(compile(source(number, draw), f"generated_{number % 40}.py", "exec"), names)
    roots = [names[f"f{number}"] for number in range(0, FUNCTIONS, 8)]
    paths = [bytes(draw(CALLS) for _ in range(SHORTEST + draw(LONGEST - SHORTEST))) for _ in range(path_count)]
    for _ in range(allocations // PER_CALL):
        number = draw(path_count)
        roots[number % len(roots)](paths[number], 0)


main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else PATHS)
