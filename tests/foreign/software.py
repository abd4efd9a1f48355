"""The foreign software that is run: one entry each."""
import dataclasses
import sys


@dataclasses.dataclass(frozen=True)
class Software:
    """A program that somebody else's software runs. In `command` and `build`, `PYTHON` stands for an interpreter that has the
    packages `pip`, `BUILD` for a folder that keeps what is built; other words are as they are, in the folder `programs`."""
    name: str
    command: tuple
    pip: tuple = ()
    # A command that is needed, and the Debian package that brings it.
    needs: tuple = ()
    apt: str = ""
    # Run once, before the program.
    build: tuple = ()
    options: tuple = ()


def python(name, script, pip, options=()):
    return Software(name, ("PYTHON", script), pip, options=options)


FOLLOWED = ("--follow-fork",)
CXX = ("c++", "-O2", "-o")

ALL = [
    python("celery, prefork", "celery_tasks.py", ("celery",), FOLLOWED),
    python("gunicorn, uvicorn workers", "gunicorn_uvicorn.py", ("gunicorn", "uvicorn"), FOLLOWED),
    python("gevent, pywsgi", "gevent_server.py", ("gevent",)),
    python("dask, processes", "dask_processes.py", ("dask", "numpy"), FOLLOWED),
    python("joblib, loky", "joblib_loky.py", ("joblib",), FOLLOWED),
    python("jupyter execute", "notebook.py", ("jupyter_client", "nbclient", "nbformat", "ipykernel", "numpy"), FOLLOWED),
    python("numba", "numba_jit.py", ("numba",)),
    python("scikit-learn", "sklearn_fit.py", ("scikit-learn",)),
    python("jax", "jax_jit.py", ("jax",)),
    python("polars", "polars_groups.py", ("polars",)),
    Software("node, workers", ("node", "node_workers.js"), needs=("node",), apt="nodejs"),
    Software("java", ("java", "Blocks.java"), needs=("java",), apt="default-jdk-headless"),
    Software("ruby", ("ruby", "blocks.rb"), needs=("ruby",), apt="ruby"),
    Software("php", ("php", "blocks.php"), needs=("php",), apt="php-cli"),
    Software("go, cgo", ("BUILD/cgo",), needs=("go", "cc"), apt="golang-go gcc libc6-dev",
             build=("go", "build", "-o", "BUILD/cgo", "cgo.go")),
    Software("static tcmalloc", ("BUILD/tcmalloc",), needs=("c++",), apt="g++ libgoogle-perftools-dev",
             build=(*CXX, "BUILD/tcmalloc", "static_allocator.cpp", "-l:libtcmalloc_minimal.a", "-lpthread")),
    Software("static jemalloc", ("BUILD/jemalloc",), needs=("c++",), apt="g++ libjemalloc-dev",
             build=(*CXX, "BUILD/jemalloc", "static_allocator.cpp", "-l:libjemalloc.a", "-lpthread", "-ldl")),
]


def named(names):
    """Those with one of these words in their names; all, if there are no words."""
    chosen = [one for one in ALL if not names or any(name in one.name for name in names)]
    if not chosen:
        sys.exit(f"no software has such a name; there are: {'; '.join(one.name for one in ALL)}")
    return chosen
