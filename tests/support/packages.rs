//! Pythons with packages that do not come with Python, as far as they can be had.

use std::path::Path;
use std::process::{Command, Stdio};

use super::pythons::Python;
use super::skipping::skipped;

/// A virtual environment with this package. Nothing, and a word about it, where the package index cannot be reached.
pub fn with_package(python: &Python, package: &str) -> Option<Python> {
    with_requirement(python, package, package)
}

/// Likewise, with a package of this version.
pub fn with_version(python: &Python, package: &str, version: &str) -> Option<Python> {
    with_requirement(python, package, &format!("{package}=={version}"))
}

fn with_requirement(python: &Python, package: &str, requirement: &str) -> Option<Python> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{requirement}-3.{}", python.minor));
    let path = folder.join("bin/python3");
    if has_package(&path, package) {
        return Some(Python { path, ..python.clone() });
    }
    let run = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        let output = command.args(arguments).arg(&folder).stdin(Stdio::null()).output().expect("Python runs");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (made, mut messages) = run(&python.path, &["-m", "venv", "--clear"]);
    if made {
        let install = ["-m", "pip", "install", "--quiet", "--only-binary=:all:", requirement];
        let output = Command::new(&path).args(install).stdin(Stdio::null()).output().expect("pip runs");
        messages = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    if has_package(&path, package) {
        return Some(Python { path, ..python.clone() });
    }
    skipped(&format!("{requirement} cannot be installed for {python}: {messages}"));
    None
}

fn has_package(python: &Path, package: &str) -> bool {
    let output = Command::new(python).args(["-c", &format!("import {package}")]).output();
    output.is_ok_and(|output| output.status.success())
}
