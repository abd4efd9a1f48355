//! Python's import machinery: what is between an `import` statement, or `python -m`, and the module that it runs.

use memprof_capture::file::package_paths::is_python_library;

/// Its modules. What is beside them, like `importlib.metadata`, does work of its own.
const MODULES: [&str; 9] = [
    "importlib",
    "importlib._abc",
    "importlib._bootstrap",
    "importlib._bootstrap_external",
    "importlib.abc",
    "importlib.machinery",
    "importlib.util",
    "runpy",
    "zipimport",
];

/// Whether a Python function of this file belongs to it. Which modules are frozen into the interpreter, and which are
/// files of the standard library, depends on Python's version.
pub(crate) fn has(file: &str) -> bool {
    match file.strip_prefix("<frozen ") {
        Some(frozen) => frozen.strip_suffix('>').is_some_and(|module| MODULES.contains(&module)),
        None => MODULES.iter().any(|module| is_file_of(file, module)),
    }
}

/// Whether a file is that of a module of the standard library: `lib/python3.11/importlib/util.py`.
fn is_file_of(file: &str, module: &str) -> bool {
    let Some(path) = file.strip_suffix(".py") else { return false };
    let mut path = path.strip_suffix("/__init__").unwrap_or(path);
    for name in module.rsplit('.') {
        match path.strip_suffix(name).and_then(|above| above.strip_suffix('/')) {
            Some(above) => path = above,
            None => return false,
        }
    }
    is_standard_library(path)
}

/// Whether a folder is that of a Python's standard library.
fn is_standard_library(folder: &str) -> bool {
    let (above, name) = folder.rsplit_once('/').unwrap_or(("", folder));
    let parent = above.rsplit_once('/').map_or(above, |(_, parent)| parent);
    is_python_library(parent, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_imports_and_starts_modules_is_machinery() {
        for file in [
            "<frozen importlib._bootstrap>",
            "<frozen importlib._bootstrap_external>",
            "<frozen importlib.util>",
            "<frozen runpy>",
            "<frozen zipimport>",
            "/usr/lib/python3.9/runpy.py",
            "/usr/lib/python3.11/importlib/__init__.py",
            "/home/ada/.pyenv/versions/3.13.0/lib/python3.13t/importlib/_bootstrap.py",
            "/usr/lib64/python3.10/importlib/util.py",
            "lib/python3.10/zipimport.py",
        ] {
            assert!(has(file), "{file}");
        }
    }

    #[test]
    fn what_is_beside_it_or_has_a_similar_name_is_not() {
        for file in [
            "<frozen os>",
            "<frozen importlib",
            "<string>",
            "/usr/lib/python3.11/importlib/metadata/__init__.py",
            "/usr/lib/python3.11/importlib/resources/_common.py",
            "/usr/lib/python3.11/site-packages/runpy.py",
            "/usr/lib/python3.11/my_runpy.py",
            "/usr/lib/python3.11/runpy",
            "/usr/lib/python3/runpy.py",
            "/home/ada/importlib/load.py",
            "/home/ada/importlib/__init__.py",
            "/srv/runpy.py",
            "runpy.py",
            "importlib/__init__.py",
            "",
        ] {
            assert!(!has(file), "{file}");
        }
    }
}
