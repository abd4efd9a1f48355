//! Which native functions run a program rather than being part of it: CPython's own, and those that start a process or
//! a thread. The hybrid view folds them: what they do is said by the Python frames that they run.

use memprof_capture::file::Module;

/// How functions of the C library begin that start a process or a thread. `_start` is the program's own.
const STARTERS: [&str; 7] =
    ["__libc_start_main", "__libc_start_call_main", "start_thread", "clone", "clone3", "__clone", "thread_start"];

/// How names of CPython's functions begin: the public API, what is private to it, and the `static` functions of its
/// files for running programs (`pymain_run_python`, `pyrun_file`, `pycore_init_...`).
const PREFIXES: [&str; 10] =
    ["Py", "_Py", "PY_", "_PY_", "pymain_", "pyrun_", "pyinit_", "pycore_", "pystate_", "pythread_"];

/// Further `static` functions of CPython that lie on the way from one Python function to the next, and whose names no
/// application is likely to have. Most of CPython's `static` functions have names that an application might have as
/// well (`type_call`, `run_mod`): those are shown, as too much is better than too little.
const ON_THE_WAY: [&str; 13] = [
    "builtin___import__",
    "builtin_exec",
    "builtin_eval",
    "cfunction_call",
    "cfunction_vectorcall",
    "function_code_fastcall",
    "import_find_and_load",
    "method_vectorcall",
    "object_vacall",
    "run_eval_code_obj",
    "slot_tp_",
    "thread_PyThread_",
    "vectorcall_method",
];

/// What a module has to do with running programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is CPython: all its functions are CPython's own.
    Interpreter,
    /// An application that CPython was linked into: its functions are recognized by their names.
    Embedding,
    /// The C library or the dynamic loader.
    CLibrary,
    /// There is no module: code that was made at run time.
    MadeCode,
    /// None of this.
    Other,
}

impl Role {
    /// The role of a module.
    pub(crate) fn of(module: &Module) -> Self {
        let name = file_name(&module.path);
        // The launcher of a Python in a shared library holds no more than `main`.
        let launcher = is_python(name, "python");
        if launcher || (module.is_interpreter && is_python(name, "libpython")) {
            Self::Interpreter
        } else if module.is_interpreter {
            Self::Embedding
        } else if ["libc.so", "libc-2", "libpthread", "ld-linux", "ld-2", "ld-musl", "libc.musl"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            Self::CLibrary
        } else {
            Self::Other
        }
    }

    /// Whether a function starts a process or a thread.
    pub(crate) fn starts(self, function: &str) -> bool {
        function == "_start" || (self == Self::CLibrary && starts_programs(function))
    }

    /// Whether a function runs the program; `None` where its name is not known.
    pub(crate) fn is_runtime(self, function: Option<&str>) -> bool {
        match (self, function) {
            (Self::Interpreter, _) | (_, Some("_start")) => true,
            (Self::Embedding, Some(name)) => is_named_like_cpython(name),
            (Self::CLibrary, Some(name)) => starts_programs(name),
            // With `-X perf`, CPython makes a trampoline for each function, and names it so: it calls the function's
            // frame, which is shown anyway.
            (Self::MadeCode, Some(name)) => name.starts_with("py::"),
            (_, None) | (Self::Other, _) => false,
        }
    }
}

/// The last part of a path.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a file is called `python`, `python3`, `python3.12d` and the like, but not `python_worker`.
fn is_python(name: &str, stem: &str) -> bool {
    let Some(rest) = name.strip_prefix(stem) else { return false };
    rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
}

fn is_named_like_cpython(name: &str) -> bool {
    // CPython is written in C; `pybind11::...` and `PyThing::run` are the application's. Modules that the application
    // brings along are its own as well.
    !name.contains("::")
        && !name.starts_with("PyInit_")
        && PREFIXES.iter().chain(&ON_THE_WAY).any(|start| name.starts_with(start))
}

/// Versions and variants have endings: `__libc_start_main@@GLIBC_2.34`, `__libc_start_main_impl`, `__clone3`.
fn starts_programs(name: &str) -> bool {
    let name = name.split('@').next().unwrap_or(name);
    STARTERS.iter().any(|&starter| match starter {
        "__libc_start_main" | "__clone" => name.starts_with(starter),
        _ => name == starter,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(path: &str, is_interpreter: bool) -> Role {
        let (path, build_id) = (path.to_owned(), Vec::new());
        Role::of(&Module { path, build_id, bias: 0, start: 0, end: 0, is_interpreter })
    }

    #[test]
    fn python_s_trampolines_run_what_they_are_named_after() {
        assert!(Role::MadeCode.is_runtime(Some("py::inner:/x/program.py")));
        assert!(!Role::MadeCode.is_runtime(Some("Interpreter:~inner")) && !Role::MadeCode.is_runtime(None));
        assert!(!Role::Other.is_runtime(Some("py::module_::def")));
    }

    #[test]
    fn the_file_says_whether_all_of_it_is_cpython() {
        assert_eq!(role("/usr/bin/python3.11", true), Role::Interpreter);
        assert_eq!(role("/opt/python/bin/python", true), Role::Interpreter);
        assert_eq!(role("/usr/lib/libpython3.12.so.1.0", true), Role::Interpreter);
        assert_eq!(role("/usr/bin/python3", false), Role::Interpreter, "the launcher of a shared one");
        assert_eq!(role("/opt/app/python_worker", true), Role::Embedding);
        assert_eq!(role("/usr/bin/blender", true), Role::Embedding);
        assert_eq!(role("/usr/lib/python3/dist-packages/libpython_helper.so", false), Role::Other);
        assert_eq!(role("/lib/x86_64-linux-gnu/libc.so.6", false), Role::CLibrary);
        assert_eq!(role("/usr/lib/libcrypto.so.3", false), Role::Other);
    }

    #[test]
    fn an_application_keeps_its_own_functions() {
        for name in ["PyObject_Call", "_PyEval_Vector", "pymain_run_python", "function_code_fastcall"] {
            assert!(Role::Embedding.is_runtime(Some(name)), "{name}");
        }
        for name in ["main", "pybind11::cpp_function::dispatcher", "PyThing::run()", "PyInit_bpy", "pyramid_build"] {
            assert!(!Role::Embedding.is_runtime(Some(name)), "{name}");
        }
        assert!(!Role::Embedding.is_runtime(None));
        assert!(Role::Interpreter.is_runtime(None));
    }

    #[test]
    fn starting_is_no_part_of_the_program() {
        for name in ["__libc_start_main@@GLIBC_2.34", "__libc_start_main_impl", "start_thread", "clone", "__clone3"] {
            assert!(Role::CLibrary.is_runtime(Some(name)), "{name}");
        }
        assert!(!Role::CLibrary.is_runtime(Some("clone_settings")));
        assert!(!Role::CLibrary.is_runtime(Some("qsort_r")));
        assert!(!Role::Other.is_runtime(Some("clone")), "a program may have a function of that name");
        assert!(Role::Other.is_runtime(Some("_start")));
    }
}
