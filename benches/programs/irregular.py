"""Allocations without a pattern: call paths, sizes and lifetimes all differ, and depend on the seed alone.

irregular.py ALLOCATIONS [DEPTH] makes about so many allocations, Python's own objects included. With the usual depth of 9,
every fifth has a stack of its own; with 3, there are some ten thousand stacks however many allocations. Most live shortly,
some for long, a few until the end.
"""
import sys

FUNCTIONS = 400
CALLS = 6
DEPTH = 9
SEED = 1
KEPT = 300_000


def source(number, draw):
    """A function of as many lines that call others. Its argument is the state of a generator of random numbers."""
    lines = [f"def f{number}(depth, state):",
             "    state = state * 6364136223846793005 + 1442695040888963407 & 0xFFFFFFFFFFFFFFFF",
             "    choice = state >> 33",
             "    if depth == 0 or choice % 5 == 0:",
             f"        return keep(state, bytes(size(choice >> 3, {number % 7})))"]
    for call in range(CALLS):
        condition = "if" if call == 0 else "elif"
        lines += [f"    {condition} choice % {CALLS} == {call}:",
                  f"        return f{draw(FUNCTIONS)}(depth - 1, state)"]
    return "\n".join(lines)


def generator(seed):
    state = seed

    def draw(below):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (state >> 33) % below
    return draw


def main(allocations, depth):
    draw = generator(SEED)
    kept = [None] * KEPT

    def size(number, kind):
        """Most are small; one in some thousand is of a megabyte."""
        if number % 4096 == 0:
            return 1 << 20
        return (number % 61 + 1 << number % 7) + kind

    def keep(state, block):
        # A third goes at once, a third soon, the rest when chance has it.
        if state % 3 == 0:
            return
        place = state >> 40
        kept[place % 64 if state % 3 == 1 else place % KEPT] = block

    names = {"size": size, "keep": keep}
    for number in range(FUNCTIONS):
        exec(compile(source(number, draw), f"generated_{number % 40}.py", "exec"), names)
    roots = [names[f"f{number}"] for number in range(0, FUNCTIONS, 8)]
    # A call is about so many allocations: integers on each level, and what it keeps.
    for turn in range(allocations // (21 + depth * 13 // 8)):
        state = draw(1 << 31)
        roots[turn % len(roots)](depth, state << 20 | turn)


main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else DEPTH)
