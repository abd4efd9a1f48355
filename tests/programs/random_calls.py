"""Functions of random shape that call each other at random.

Arguments: a seed, if not the usual one, and how many allocations to make. With a seed every run is the same.
"""
import random
import sys

from truth import witnessed

chance = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 20240229)
FUNCTIONS = 60
ALLOCATIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 600


def blank_lines():
    return "\n" * chance.choice([0, 0, 1, 2, 40, 130, 300])


def call(number):
    """Some way to call the function, over one line or several."""
    return chance.choice([
        "    f{0}(depth)\n",
        "    [f{0}(depth)\n     for _ in (1,)]\n",
        "    (lambda:\n        f{0}(depth))()\n",
        "    list(f{0}(depth) for _ in (1,))\n",
        "    print(end='',\n          file=\n          f{0}(\n              depth))\n",
        "    for _ in g{0}(depth):\n        pass\n",
        "    try:\n        f{0}(depth)\n    finally:\n        f{0}(depth)\n",
        "    max(map(f{0}, [depth]), key=\n        lambda _: 0)\n",
    ]).format(number)


def function(number):
    body = f"def f{number}(depth):\n    depth -= 1\n"
    for _ in range(chance.randrange(1, 4)):
        body += blank_lines()
        body += chance.choice(["    witness()\n", "    (1,\n     witness())\n", "    [\n        witness()]\n"])
        body += f"    if depth > 0:\n    {call(chance.randrange(FUNCTIONS)).replace(chr(10) + ' ', chr(10) + '     ')}"
    return body + f"{blank_lines()}\n\ndef g{number}(depth):\n    yield f{number}(depth)\n    yield witness()\n\n"


calls = 0


class Enough(Exception):
    pass


def source():
    return "".join(function(number) for number in range(FUNCTIONS))


text = source().replace("witness()", "(witnessed() if allowed() else None)")


def allowed():
    global calls
    calls += 1
    return calls <= ALLOCATIONS


space = {"witnessed": witnessed, "allowed": allowed}
exec(compile(text, "/generated/random.py", "exec"), space)
while calls < ALLOCATIONS:
    space[f"f{chance.randrange(FUNCTIONS)}"](9)
