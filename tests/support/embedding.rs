//! C programs that run a Python interpreter as a part of themselves, with every Python.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::c_programs::{Build, compile};
use super::pythons::{self, Python};

/// Such a program with a Python.
pub struct Embedding {
    pub python: &'static Python,
    /// What to execute: of a Python that comes without a library to embed, that Python itself.
    pub program: PathBuf,
    /// What it runs then, instead of Python's own `main`.
    library: Option<PathBuf>,
}

impl Embedding {
    /// A program of this source with all Pythons.
    pub fn with_all(source: &str, name: &str) -> Vec<Self> {
        let flags = ["-g", "-O0"];
        let with = |python: &'static Python| match Build::embedding(source, name, python) {
            Some(build) => Self { python, program: build.flags(&flags).path(), library: None },
            None => {
                let build = Build::extension(source, name, python).flags(&flags);
                Self { python, program: python.path.clone(), library: Some(build.path()) }
            }
        };
        pythons::all().iter().map(with).collect()
    }

    /// The variables that it needs, and that preload this as well.
    pub fn variables(&self, preloaded: Option<&OsStr>) -> Vec<(&'static str, OsString)> {
        let mut all: Vec<OsString> = preloaded.into_iter().map(OsStr::to_owned).collect();
        let mut variables = Vec::new();
        if let Some(library) = &self.library {
            all.push(compile("starts_within.c", "starts_within.so", &["-shared", "-fPIC"]).into());
            variables.push(("STARTED", library.clone().into()));
            // A program that is no Python does not look for the library beside itself.
            variables.push(("PYTHONHOME", self.python.home().into()));
        }
        if !all.is_empty() {
            variables.push(("LD_PRELOAD", all.join(OsStr::new(":"))));
        }
        variables
    }
}
