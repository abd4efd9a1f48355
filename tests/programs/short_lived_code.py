"""Functions that are compiled, called and thrown away, each with a name, a file and lines of its own. Their code
objects end up at addresses that others had before."""
import gc

from truth import witnessed

addresses = set()
for number in range(400):
    lines = "\n" * (number % 50)
    source = f"{lines}def function_{number}():\n    witnessed()\n\nfunction_{number}()\n"
    space = {"witnessed": witnessed}
    code = compile(source, f"/generated/file_{number % 7}.py", "exec")
    exec(code, space)
    addresses.add(id(space[f"function_{number}"].__code__))
    del code, space
    gc.collect(0)
# Otherwise this program shows nothing.
assert len(addresses) < 200, len(addresses)
