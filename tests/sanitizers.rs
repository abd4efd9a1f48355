//! Programs that are built with sanitizers: AddressSanitizer's runtime wants to come first among the libraries, as memprof
//! does; the message says so, and how to have both. The others are recorded.

use std::path::PathBuf;
use std::process::Command;

use crate::support::c_programs::Build;
use crate::support::memprof::{Finished, memprof, programs};
use crate::support::recording::Recording;
use crate::support::skipping::{machine_forbids, skipped};
use crate::support::table::{sum, table};

/// A program with this sanitizer; nothing where the compiler or the machine cannot have it.
fn with_sanitizer(option: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let probe = folder.join(format!("sanitizer-probe-{}{option}", std::process::id()));
    let mut compiler = Command::new("cc");
    compiler.args(["-x", "c", option, "-o"]).arg(&probe).arg(programs().join("sanitized.c"));
    let compiles = compiler.output().is_ok_and(|output| output.status.success());
    // Some of them want an address space that not every kernel gives.
    let runs = compiles && Command::new(&probe).output().is_ok_and(|output| output.status.code() == Some(3));
    let _ = std::fs::remove_file(&probe);
    if !compiles {
        skipped(&format!("the compiler knows no {option}"));
        return None;
    }
    if !runs {
        machine_forbids(&format!("programs with {option}"));
        return None;
    }
    let result = format!("sanitized{option}");
    Some(Build::c("sanitized.c", &result).flags(&["-O0", "-g", option]).path())
}

const MESSAGE: &[&str] =
    &["AddressSanitizer (libasan)", "without -fsanitize=address", "set ASAN_OPTIONS=verify_asan_link_order=0"];

#[test]
fn address_sanitizer_is_refused_unless_it_is_lenient() {
    let Some(program) = with_sanitizer("-fsanitize=address") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let capture = folder.path().join("capture.bin");
    for call in [&["--"][..], &[]] {
        let mut command = memprof(["run", "-o"]);
        command.arg(&capture).args(call).arg(&program).env("ASAN_OPTIONS", "detect_leaks=1");
        Finished::of(&mut command).refuses(1, MESSAGE);
        assert!(!capture.exists(), "a file is left");
    }
    // Preloaded into a program that was built without it, as one does for a library of Python's.
    let runtime = Command::new("cc").arg("-print-file-name=libasan.so").output().expect("the compiler runs").stdout;
    let mut command = memprof(["run", "-o"]);
    command.arg(&capture).args(["--", "cat"]).env("LD_PRELOAD", String::from_utf8_lossy(&runtime).trim());
    command.env("ASAN_OPTIONS", "detect_leaks=0");
    Finished::of(&mut command).refuses(1, MESSAGE);

    let recording = Recording::of_command(&[program.as_os_str()]).option("-q");
    assert_recorded(recording.variable("ASAN_OPTIONS", "detect_leaks=0:verify_asan_link_order=0"), "lenient");
}

#[test]
fn the_others_are_recorded() {
    for option in ["-fsanitize=undefined", "-fsanitize=leak", "-fsanitize=thread"] {
        let Some(program) = with_sanitizer(option) else { continue };
        assert_recorded(Recording::of_command(&[program.as_os_str()]).option("-q"), option);
    }
}

#[track_caller]
fn assert_recorded(recording: Recording, what: &str) {
    let recorded = recording.run().ends_with(3);
    assert_eq!(recorded.finished().stdout(), "hello\n", "{what}");
    assert_eq!(recorded.finished().stderr(), "", "{what}");
    let found = sum(&table(&recorded.capture(), "--total"), |row| row.bytes == 50 * 4321);
    assert_eq!(found.allocations, 50, "{what}");
}
