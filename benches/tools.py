"""The tools under test: builds memprof, installs memray and what the programs need into an environment of its own."""
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(HERE)
PROGRAMS = os.path.join(HERE, "programs")
MEMRAY = "memray==1.20.0"
LIBRARIES = ["numpy", "pandas"]
# Debian has it; nothing is installed for it here.
HEAPTRACK = shutil.which("heaptrack")


def say(text):
    print(text, file=sys.stderr, flush=True)


def target_folder():
    """Where cargo puts what it builds."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    metadata = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(metadata)["target_directory"]


def memprof():
    """Builds memprof as it is released, and returns the executable."""
    say("building memprof...")
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=REPOSITORY, check=True)
    return os.path.join(target_folder(), "release", "memprof")


def environment(base, name="python", packages=(MEMRAY,)):
    """An environment with these packages in it, made with the interpreter `base`; returns its interpreter. It is kept for
    the next time, under this name."""
    version = subprocess.run([base, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout.strip()
    folder = os.path.join(target_folder(), "benches", f"{name}{version}")
    python = os.path.join(folder, "bin", "python")
    finished = os.path.join(folder, "installed")
    if os.path.exists(finished):
        with open(finished) as file:
            if set(packages) <= set(file.read().split()):
                return python
    say(f"installing {', '.join(packages)} into {folder}...")
    subprocess.run([base, "-m", "venv", "--clear", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True)
    with open(finished, "w") as file:
        file.write("\n".join(packages))
    return python


def under_memprof(memprof, options, capture, command, is_python=True):
    """A command under memprof. That of a Python program begins with the interpreter."""
    return [memprof, "run", "-q", "-f", *options, "-o", capture, "--python" if is_python else "--", *command]


def under_memray(options, capture, command):
    """A command under memray. It begins with the interpreter of an environment that has memray."""
    python, *script = command
    return [python, "-m", "memray", "run", "-q", "-f", *options, "-o", capture, *script]


def c_program(name):
    """Compiles one of the programs, and returns the executable."""
    folder = os.path.join(target_folder(), "benches")
    os.makedirs(folder, exist_ok=True)
    result = os.path.join(folder, name)
    # Each function keeps its frame: the program is about deep stacks.
    subprocess.run(["cc", "-O2", "-g", "-pthread", "-fno-optimize-sibling-calls", "-o", result,
                    os.path.join(PROGRAMS, name + ".c")], check=True)
    return result


def interpreter(name):
    """The executable of an interpreter itself: shims and wrappers would count as start-up time."""
    found = shutil.which(name)
    if found is None:
        sys.exit(f"there is no {name} on PATH")
    question = "import os, sys; print(os.path.realpath(sys.executable))"
    return subprocess.run([found, "-c", question], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
