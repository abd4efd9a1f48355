//! Python programs that were frozen into executables: recorded as if the interpreter ran them, whatever starts what.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::memprof::Finished;
use crate::support::packages::with_package;
use crate::support::pythons::{self, Python};
use crate::support::recording::{Recorded, Recording, native_stacks};
use crate::support::table::{Amount, sum, table};

/// Starts a child of its own, too.
const CODE: &str = "import subprocess, sys\n\
    def large(): return bytes(54_321_000)\n\
    block = large()\n\
    print(getattr(sys, 'frozen', False), subprocess.call(['/bin/true']))\n";

/// Freezes the program with a command of this package, in this folder.
fn freeze(python: &Python, folder: &Path, module: &str, arguments: &[&str]) {
    fs::write(folder.join("app.py"), CODE).expect("a file can be written");
    let mut command = Command::new(&python.path);
    // What the package calls is beside the interpreter.
    let path = std::env::var("PATH").unwrap_or_default();
    let tools = python.path.parent().expect("it is in a folder").display();
    command.env("PATH", format!("{tools}:{path}")).env("PYINSTALLER_CONFIG_DIR", folder);
    Finished::of(command.current_dir(folder).args(["-m", module]).args(arguments)).succeeds();
}

/// A Python with this package: one that comes as a library, without which it cannot be frozen; nobody freezes debug builds.
fn with_freezer(package: &str) -> Option<Python> {
    let library = |python: &Python| python.library().filter(|_| !python.debug);
    let (python, _) = pythons::that_have("a library", library).pop()?;
    with_package(python, package)
}

#[track_caller]
fn assert_is_recorded(program: &Path) -> Recorded {
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    assert_eq!(recorded.finished().stdout(), "True 0\n");
    let rows = table(&recorded.capture(), "--total");
    let own = sum(&rows, |row| row.function == "large");
    // A bytes object begins with 32 bytes, and ends with one.
    assert_eq!(own, Amount { allocations: 1, bytes: 54_321_033 });
    let stats = recorded.stats();
    assert_eq!(native_stacks(&stats, "unmerged"), 0);
    assert_eq!(stats["metadata"]["complete"], true);
    let errors = recorded.finished().stderr();
    assert!(errors.contains("1 process was started and not recorded"), "{errors}");
    recorded
}

fn processes(recorded: &Recorded) -> usize {
    recorded.stats()["processes"].as_array().map_or(1, Vec::len)
}

#[test]
fn one_file_that_unpacks_itself() {
    if let Some(python) = with_freezer("PyInstaller") {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        freeze(&python, folder.path(), "PyInstaller", &["--onefile", "app.py"]);
        let recorded = assert_is_recorded(&folder.path().join("dist/app"));
        assert_eq!(processes(&recorded), 2, "the launcher, and the program");
    }
}

#[test]
fn a_folder_with_the_libraries() {
    if let Some(python) = with_freezer("PyInstaller") {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        freeze(&python, folder.path(), "PyInstaller", &["--onedir", "app.py"]);
        let recorded = assert_is_recorded(&folder.path().join("dist/app/app"));
        assert_eq!(processes(&recorded), 1, "it becomes the program itself");
    }
}

#[test]
fn an_executable_that_holds_the_interpreter() {
    if let Some(python) = with_freezer("cx_Freeze") {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        freeze(&python, folder.path(), "cx_Freeze", &["build", "--script", "app.py", "--target-dir", "made"]);
        let recorded = assert_is_recorded(&folder.path().join("made/app"));
        assert_eq!((processes(&recorded), native_stacks(&recorded.stats(), "cut_short")), (1, 0));
    }
}
