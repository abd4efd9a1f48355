//! Pythons with packages that do not come with Python, as far as they can be had.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::pythons::Python;
use super::skipping::skipped;

/// A virtual environment with this package. Nothing, and a word about it, where the package index cannot be reached.
pub fn with_package(python: &Python, package: &str) -> Option<Python> {
    with_packages(python, &[package])
}

/// Likewise, with all of these.
pub fn with_packages(python: &Python, packages: &[&str]) -> Option<Python> {
    with_requirements(python, packages, packages)
}

/// Likewise, with a package of this version.
pub fn with_version(python: &Python, package: &str, version: &str) -> Option<Python> {
    with_requirements(python, &[package], &[&format!("{package}=={version}")])
}

fn with_requirements(python: &Python, packages: &[&str], requirements: &[&str]) -> Option<Python> {
    let name = format!("{}-{}", requirements.join("-"), python.version());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let path = folder.join("bin/python3");
    // Two tests may want the same one, at the same time.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let has_all = || packages.iter().all(|package| has_package(&path, package));
    if has_all() {
        return Some(Python { path, ..python.clone() });
    }
    let messages = install_with(python, &["--without-pip"], &folder, requirements)
        .or_else(|_| install_with(python, &[], &folder, requirements))
        .err();
    if has_all() {
        return Some(Python { path, ..python.clone() });
    }
    skipped(&format!("{requirements:?} cannot be installed for {python}: {messages:?}"));
    None
}

/// Makes an environment and installs packages into it: with the interpreter's own pip where there is none in the environment,
/// which spares half of the time. Says what is wrong.
fn install_with(python: &Python, options: &[&str], folder: &Path, requirements: &[&str]) -> Result<(), String> {
    let run = |command: &mut Command| {
        let output = command.stdin(Stdio::null()).output().expect("Python runs");
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    };
    run(Command::new(&python.path).args(["-m", "venv", "--clear"]).args(options).arg(folder))?;
    let own = folder.join("bin/python3");
    let mut install = if options.is_empty() {
        let mut install = Command::new(&own);
        install.args(["-m", "pip"]);
        install
    } else {
        let mut install = Command::new(&python.path);
        install.args(["-m", "pip", "--python"]).arg(&own);
        install
    };
    run(install.args(["install", "--quiet", "--no-compile", "--only-binary=:all:"]).args(requirements))
}

fn has_package(python: &Path, package: &str) -> bool {
    let output = Command::new(python).args(["-c", &format!("import {package}")]).output();
    output.is_ok_and(|output| output.status.success())
}
