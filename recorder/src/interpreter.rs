//! The Python that the user would get.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::path_search::{self, Found};

/// An interpreter, not yet examined: it may be a script that leads to the real one, such as pyenv's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The file to execute.
    pub executable: PathBuf,
    /// What it is called by: what its `sys.orig_argv[0]` shows.
    pub name: OsString,
}

/// Why there is no interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoInterpreter {
    /// `--python` named something that is not there.
    NotFound(OsString),
    /// `--python` named something that cannot be executed.
    NotExecutable(PathBuf),
    /// Neither `python3` nor `python` is on PATH.
    NoneOnPath,
}

impl fmt::Display for NoInterpreter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(name) => {
                write!(out, "there is no interpreter {}: check what --python names", name.display())
            }
            Self::NotExecutable(path) => {
                write!(out, "{} cannot be executed: check what --python names", path.display())
            }
            Self::NoneOnPath => {
                write!(out, "there is no python3 on PATH: install Python or name an interpreter with --python")
            }
        }
    }
}

impl std::error::Error for NoInterpreter {}

/// What decides about the interpreter, besides `--python`.
#[derive(Clone, Debug, Default)]
struct Surroundings {
    /// `$VIRTUAL_ENV`.
    virtual_env: Option<PathBuf>,
    /// The directory of memprof's own executable.
    own_directory: Option<PathBuf>,
}

/// Finds the interpreter: the one asked for; that of the active virtual environment; that of the virtual environment
/// that memprof is installed in; `python3` on PATH; `python` on PATH.
pub fn find(asked_for: Option<&OsStr>) -> Result<Interpreter, NoInterpreter> {
    let surroundings = Surroundings {
        virtual_env: env::var_os("VIRTUAL_ENV").filter(|value| !value.is_empty()).map(PathBuf::from),
        own_directory: env::current_exe().ok().and_then(|file| file.parent().map(Path::to_owned)),
    };
    find_among(asked_for, &surroundings, path_search::find)
}

fn find_among(
    asked_for: Option<&OsStr>,
    surroundings: &Surroundings,
    search: impl Fn(&OsStr) -> Found,
) -> Result<Interpreter, NoInterpreter> {
    if let Some(name) = asked_for {
        return match search(name) {
            Found::Program(executable) => Ok(Interpreter { executable, name: name.to_owned() }),
            Found::NotExecutable(path) => Err(NoInterpreter::NotExecutable(path)),
            Found::Nothing => Err(NoInterpreter::NotFound(name.to_owned())),
        };
    }
    let on_path = |name: &str| match search(OsStr::new(name)) {
        Found::Program(executable) => Some(Interpreter { executable, name: name.into() }),
        Found::NotExecutable(_) | Found::Nothing => None,
    };
    let python3 = on_path("python3");
    let active = surroundings.virtual_env.as_ref().map(|environment| environment.join("bin/python3"));
    let own = surroundings
        .own_directory
        .as_ref()
        .filter(|directory| directory.parent().is_some_and(|above| above.join("pyvenv.cfg").is_file()))
        .map(|directory| directory.join("python3"));
    match [active, own].into_iter().flatten().find(|file| path_search::may_execute(file)) {
        // Activated properly it is also the first on PATH, and users call it by its short name.
        Some(executable) if python3.as_ref().is_none_or(|found| found.executable != executable) => {
            Ok(Interpreter { name: executable.clone().into_os_string(), executable })
        }
        _ => python3.or_else(|| on_path("python")).ok_or(NoInterpreter::NoneOnPath),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn place(file: &Path) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn only(known: &'static str) -> impl Fn(&OsStr) -> Found {
        move |name| {
            if name == known { Found::Program(Path::new("/bin").join(name)) } else { Found::Nothing }
        }
    }

    fn interpreter(executable: &str, name: &str) -> Interpreter {
        Interpreter { executable: executable.into(), name: name.into() }
    }

    #[test]
    fn what_was_asked_for_comes_first() {
        let none = Surroundings::default();
        let asked = find_among(Some(OsStr::new("python3.9")), &none, only("python3.9"));
        assert_eq!(asked, Ok(interpreter("/bin/python3.9", "python3.9")));
        let missing = find_among(Some(OsStr::new("pyton")), &none, only("python3")).unwrap_err();
        assert_eq!(missing.to_string(), "there is no interpreter pyton: check what --python names");
    }

    #[test]
    fn python3_then_python_on_path() {
        let none = Surroundings::default();
        assert_eq!(find_among(None, &none, only("python3")), Ok(interpreter("/bin/python3", "python3")));
        assert_eq!(find_among(None, &none, only("python")), Ok(interpreter("/bin/python", "python")));
        assert_eq!(find_among(None, &none, only("perl")), Err(NoInterpreter::NoneOnPath));
    }

    #[test]
    fn virtual_environments() {
        let directory = tempfile::tempdir().unwrap();
        let (active, own) = (directory.path().join("active"), directory.path().join("own"));
        place(&active.join("bin/python3"));
        place(&own.join("bin/python3"));
        let mut surroundings = Surroundings { virtual_env: Some(active.clone()), own_directory: Some(own.join("bin")) };
        let named_by_path = |file: PathBuf| interpreter(file.to_str().unwrap(), file.to_str().unwrap());
        assert_eq!(find_among(None, &surroundings, only("python3")), Ok(named_by_path(active.join("bin/python3"))));

        let first_on_path = active.join("bin/python3");
        let short = find_among(None, &surroundings, |_| Found::Program(first_on_path.clone())).unwrap();
        assert_eq!(short.name, "python3");

        // Beside memprof, but only in a virtual environment.
        surroundings.virtual_env = Some(directory.path().join("gone"));
        assert_eq!(find_among(None, &surroundings, only("python3")), Ok(interpreter("/bin/python3", "python3")));
        fs::write(own.join("pyvenv.cfg"), "").unwrap();
        assert_eq!(find_among(None, &surroundings, only("python3")), Ok(named_by_path(own.join("bin/python3"))));
    }
}
