"""interpreter.py WHEEL DEBIAN FOLDER: makes an ordinary interpreter FOLDER/bin/python3.Y[t] of a wheel of freeze_core.

The wheel holds CPython linked into a program, whose `main` starts frozen applications. The program exports Python's whole
interface, and so the place that starts `main` can be made to start `Py_BytesMain` instead. DEBIAN is the folder /usr of the
packages libpython3.Y-minimal, -stdlib and -dev.
"""

import re
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

LOADABLE = 1
FIXED, MOVABLE = 2, 3


def exported(program, name):
    """The address of a function that a program exports."""
    listing = subprocess.run(["nm", "-D", "--defined-only", program], capture_output=True, text=True, check=True).stdout
    return int(re.search(rf"^(\S+) T {name}(@|$)", listing, re.MULTILINE)[1], 16)


def entry_offset(data):
    """Where in the file of an ELF program for x86-64 its first instruction is, and which address that has."""
    entry, headers = struct.unpack_from("<QQ", data, 24)
    for index in range(struct.unpack_from("<H", data, 56)[0]):
        kind, _, offset, start, _, size = struct.unpack_from("<IIQQQQ", data, headers + 56 * index)
        if kind == LOADABLE and start <= entry < start + size:
            return offset + entry - start, entry
    sys.exit("the program's first instruction is in no segment")


def start_with(data, target):
    """Makes `_start` pass another function than `main` to the C library."""
    at, entry = entry_offset(data)
    kind = struct.unpack_from("<H", data, 16)[0]
    begin = bytes(data[at : at + 64])
    if kind == FIXED and (move := begin.find(b"\x48\xc7\xc7")) >= 0:  # mov $main, %rdi
        struct.pack_into("<i", data, at + move + 3, target)
    elif kind == MOVABLE and (load := re.search(rb"\x48[\x8b\x8d]\x3d", begin)):  # mov or lea main(%rip), %rdi
        data[at + load.start() + 1] = 0x8D
        struct.pack_into("<i", data, at + load.start() + 3, target - (entry + load.start() + 7))
    else:
        sys.exit("the program starts in a way that is not known")


def main(wheel, debian, folder):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    package = folder / "freeze_core"
    (console,) = (package / "bases").glob("console-*")
    minor, threaded = re.match(r"console-cpython-3(\d+)(t?)-", console.name).groups()
    version, name = f"python3.{minor}", f"python3.{minor}{threaded}"

    data = bytearray(console.read_bytes())
    start_with(data, exported(console, "Py_BytesMain"))
    program = folder / "bin" / name
    program.parent.mkdir()
    program.write_bytes(data)
    program.chmod(0o755)

    # The library: Debian's Python files, and the wheel's extension modules.
    library = folder / "lib" / name
    unwanted = shutil.ignore_patterns("lib-dynload", "__pycache__", "test", "config-*", "_sysconfigdata*")
    shutil.copytree(debian / "lib" / version, library, symlinks=True, ignore=unwanted)
    modules = library / "lib-dynload"
    shutil.move(package / "lib", modules)
    libraries = folder / "lib" / "freeze_core.libs"
    shutil.move(folder / "freeze_core.libs", libraries)
    for file in libraries.iterdir():
        (folder / "lib" / file.name).symlink_to(file.relative_to(folder / "lib"))
    tag = next(modules.glob("_json.*")).name.split(".")[1]
    variables = {
        "Py_GIL_DISABLED": int(bool(threaded)),
        "SOABI": tag,
        "EXT_SUFFIX": f".{tag}.so",
        "abiflags": threaded,
        # There is no library that other programs could embed.
        "LDVERSION": f"3.{minor}{threaded}",
        "INSTSONAME": f"libpython3.{minor}{threaded}.a",
        "LIBDIR": str(folder / "lib"),
        "LIBS": "",
        "SYSLIBS": "",
    }
    system = tag.split("-", 2)[2]
    (library / f"_sysconfigdata_{threaded}_linux_{system}.py").write_text(f"build_time_vars = {variables!r}\n")

    shutil.rmtree(package)

    # What extension modules are compiled with.
    headers = folder / "include" / name
    shutil.copytree(debian / "include" / version, headers)
    shutil.copy(debian / "include" / system / version / "pyconfig.h", headers)
    if threaded:
        with open(headers / "pyconfig.h", "a", encoding="utf-8") as file:
            file.write("\n#define Py_GIL_DISABLED 1\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
