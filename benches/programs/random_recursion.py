"""Builds trees by functions that call each other, as parsers and interpreters do.

random_recursion.py NODES [IRREGULARITY] allocates about so many nodes. IRREGULARITY, from 0 to 100 (100), says how many of a
hundred calls are made from a place that chance chooses, and not always from the same one: with 0 there are some hundred stacks,
with 100 most nodes have a stack of their own. Every run is the same.
"""
import random
import sys

FUNCTIONS = 60
CALLS = 6
DEPTH = 14


def source(number, draw):
    """A function that makes a node and its children, by one of several calls for each."""
    lines = [f"def f{number}(depth):",
             f"    node = [depth, bytes({number % 5} * 100 + 40)]",
             "    if depth == 0:",
             "        return node",
             "    for child in (0, 1):",
             "        place = choose()"]
    for call in range(CALLS):
        lines += [f"        {'if' if call == 0 else 'elif'} place == {call}:",
                  f"            node.append(f{draw(FUNCTIONS)}(depth - 1))"]
    return "\n".join([*lines, "    return node"])


def main(nodes, irregularity):
    chance = random.Random(1).random

    def draw(below):
        return int(chance() * below)

    def choose():
        number = chance() * 100
        return int(number * 997) % CALLS if number < irregularity else 0

    names = {"choose": choose}
    for number in range(FUNCTIONS):
        exec(compile(source(number, draw), f"generated_{number % 10}.py", "exec"), names)
    for turn in range(-(-nodes // (2 << DEPTH))):
        names[f"f{turn % FUNCTIONS}"](DEPTH)


main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100)
