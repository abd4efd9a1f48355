//! Captures that go where no file is: pipes and devices. And the program's own output, which is none of them.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::memprof::{EXECUTABLE, Finished};
use crate::support::pythons;
use crate::support::recording::{stats_of, total};

const CODE: &str = "x = [bytearray(1000) for _ in range(5000)]; print(len(x))";

/// Runs a shell script whose arguments are memprof, an interpreter, and a program for it.
fn shell(folder: &Path, script: &str) -> Finished {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", EXECUTABLE]).arg(&pythons::any().path).arg(CODE);
    Finished::of(command.current_dir(folder).stdin(Stdio::null()))
}

#[test]
fn a_pipe_that_somebody_reads() {
    for (order, script) in [
        (
            "the reader comes first",
            "mkfifo pipe; cat pipe >got.bin & \"$1\" run -o pipe --python \"$2\" -c \"$3\"; wait",
        ),
        (
            "the reader comes late",
            "mkfifo pipe; (sleep 1; cat pipe >got.bin) & \"$1\" run -o pipe --python \"$2\" -c \"$3\"; wait",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let finished = shell(folder.path(), script).succeeds();
        assert_eq!(finished.stdout(), "5000\n", "{order}");
        let errors = finished.stderr();
        assert!(errors.contains(" to pipe\n") && !errors.contains("flamegraph"), "{order}: {errors}");
        let stats = stats_of(&folder.path().join("got.bin"));
        assert_eq!(stats["metadata"]["complete"], true, "{order}: {}", stats["notes"]);
        assert!(total(&stats, "allocations") > 5000, "{order}");
    }
}

#[test]
fn a_pipe_whose_reader_goes_away() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let script = "mkfifo pipe; head -c 100 pipe >/dev/null & \"$1\" run -o pipe --python \"$2\" -c \"$3\"";
    let finished = shell(folder.path(), script).succeeds();
    assert_eq!(finished.stdout(), "5000\n");
    assert!(finished.stderr().contains("Broken pipe"), "{}", finished.stderr());
}

#[test]
fn devices() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let finished = shell(folder.path(), "\"$1\" run -o /dev/null --python \"$2\" -c \"$3\"").succeeds();
    assert_eq!(finished.stdout(), "5000\n");
    assert!(finished.stderr().contains(" to /dev/null\n"), "{}", finished.stderr());
    let full = shell(folder.path(), "\"$1\" run -q -o /dev/full --python \"$2\" -c \"$3\"").succeeds();
    assert_eq!(full.stdout(), "5000\n");
    assert!(full.stderr().contains("No space left on device"), "{}", full.stderr());
    let sums = shell(folder.path(), "\"$1\" run --aggregate -o /dev/null --python \"$2\" -c \"$3\"");
    sums.refuses(1, &["/dev/null is not a file", "--aggregate", "-o"]);
    assert!(fs::metadata("/dev/null").is_ok_and(|metadata| !metadata.is_file()), "it is what it was");
}

#[test]
fn what_the_program_prints_to() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let refused = ["is where the program's own output goes", "-o"];
    shell(folder.path(), "\"$1\" run -f -o /dev/stdout --python \"$2\" -c \"$3\"").refuses(1, &refused);
    shell(folder.path(), "\"$1\" run -f -o /dev/stdout --python \"$2\" -c \"$3\" | cat").refuses(0, &refused);
    // Nor a file that the shell has just made for it, whatever it is called.
    let printed = folder.path().join("printed");
    let script = "ln -sf printed other; \"$1\" run -f -o other --python \"$2\" -c \"$3\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", EXECUTABLE]).arg(&pythons::any().path).arg(CODE).current_dir(folder.path());
    let output = File::create(&printed).expect("a file can be made");
    Finished::of_output_to(&mut command, Stdio::from(output)).refuses(1, &refused);
    assert_eq!(fs::read(&printed).expect("the file can be read"), b"");
}
