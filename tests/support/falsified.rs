//! Interpreters that are not what they say: copies in whose files something was changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::executables::write_executable;
use super::pythons::Python;
use super::recording::Recording;

/// The file of an interpreter: a program or a library.
pub struct Interpreter {
    path: PathBuf,
    data: Vec<u8>,
}

impl Interpreter {
    /// That of a Python.
    pub fn of(python: &Python) -> Self {
        // There may be a library for other programs, and the interpreter in its own as well.
        let library = python.library().filter(|library| has_mapped(python, library));
        let path = library.unwrap_or_else(|| python.path.clone());
        let data = fs::read(&path).expect("the interpreter can be read");
        Self { path, data }
    }

    /// What is in it.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Puts a copy into a folder in which this is at one place.
    pub fn with(&self, python: &Python, at: usize, bytes: &[u8]) -> Falsified {
        let mut data = self.data.clone();
        data[at..at + bytes.len()].copy_from_slice(bytes);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join(self.path.file_name().expect("it has a name"));
        write_executable(&path, &data);
        let is_library = self.path != python.path;
        let copy = Python { path: if is_library { python.path.clone() } else { path }, ..python.clone() };
        Falsified { python: copy, home: python.home(), folder }
    }
}

/// Whether a Python runs what is in this file.
fn has_mapped(python: &Python, file: &Path) -> bool {
    let question = ["-c", "print(open('/proc/self/maps').read())"];
    let output = Command::new(&python.path).args(question).output().expect("Python runs");
    let file = fs::canonicalize(file).expect("it is there").display().to_string();
    String::from_utf8_lossy(&output.stdout).lines().any(|mapping| mapping.ends_with(&file))
}

/// A falsified interpreter.
pub struct Falsified {
    /// What to run, in [`Self::place`].
    pub python: Python,
    home: String,
    folder: TempDir,
}

impl Falsified {
    /// A copy that says that it is 3.7 or 3.77. Nothing if it cannot be found where it says what it is.
    pub fn of_another_version(python: &Python) -> Option<Self> {
        let interpreter = Interpreter::of(python);
        let said = format!("3.{}.", python.minor);
        let mut places = (0..interpreter.data.len()).filter(|&at| {
            let rest = interpreter.data[at..].strip_prefix(said.as_bytes()).unwrap_or_default();
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (1..3).contains(&digits) && rest.get(digits) == Some(&0)
        });
        // What `Py_GetVersion` begins with; it may be the end of another text as well.
        let at = places.next().filter(|_| places.next().is_none())?;
        let other = &"77"[..python.minor.to_string().len()];
        let falsified = interpreter.with(python, at + 2, other.as_bytes());
        let mut question = Command::new(&falsified.python.path);
        question.args(["-c", "import sys; print(sys.version)"]).envs(falsified.variables());
        let answer = question.output().ok()?.stdout;
        answer.starts_with(format!("3.{other}.").as_bytes()).then_some(falsified)
    }

    /// What a program finds by its own place.
    fn variables(&self) -> [(&'static str, String); 2] {
        let libraries = format!("{}:{}/lib", self.folder.path().display(), self.home);
        [("PYTHONHOME", self.home.clone()), ("LD_LIBRARY_PATH", libraries)]
    }

    /// Gives a recording of it what it would find by its own place.
    pub fn place(&self, recording: Recording) -> Recording {
        self.variables().into_iter().fold(recording, |recording, (name, value)| recording.variable(name, value))
    }
}
