//! C programs that run a Python interpreter as a part of themselves, with every Python.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::c_programs::Build;
use super::pythons::{self, Python};

/// Such a program with a Python.
pub struct Embedding {
    pub python: &'static Python,
    /// What to execute: of a Python that comes without a library to embed, that Python itself.
    pub program: PathBuf,
    /// What is put into it then, to run instead of Python's own `main`.
    library: Option<PathBuf>,
}

impl Embedding {
    /// A program of this source with all Pythons.
    pub fn with_all(source: &str, name: &str) -> Vec<Self> {
        let flags = ["-g", "-O0"];
        let with = |python: &'static Python| match Build::embedding(source, name, python) {
            Some(build) => Self { python, program: build.flags(&flags).path(), library: None },
            None => {
                let build = Build::extension(source, name, python).source("starts_within.c").flags(&flags);
                let library = Some(build.flags(&["-Dmain=started"]).path());
                Self { python, program: python.path.clone(), library }
            }
        };
        pythons::all().iter().map(with).collect()
    }

    /// The variables that it needs, and that preload this as well.
    pub fn variables(&self, preloaded: Option<&OsStr>) -> Vec<(&'static str, OsString)> {
        let own = self.library.as_ref().map(|library| library.as_os_str());
        let all: Vec<&OsStr> = [own, preloaded].into_iter().flatten().collect();
        let mut variables = Vec::new();
        if !all.is_empty() {
            variables.push(("LD_PRELOAD", all.join(OsStr::new(":"))));
        }
        if own.is_some() {
            // A program that is no Python does not look for the library beside itself.
            variables.push(("PYTHONHOME", self.python.home().into()));
        }
        variables
    }
}
