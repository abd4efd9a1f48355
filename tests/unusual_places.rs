//! Programs that run where something is lacking that others have, or are started in another way.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::c_programs::compile;
use crate::support::memprof::{EXECUTABLE, Finished};
use crate::support::mounts::with_empty_disk;
use crate::support::pythons;
use crate::support::recording::{Recording, stats_of, total};
use crate::support::table::{sum, table};
use crate::support::unharmed::Unharmed;

#[test]
fn there_is_no_proc() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let capture = folder.path().join("x.bin");
    let code = "print(len([bytearray(1000) for _ in range(3000)]))";
    for python in pythons::all() {
        // Whose objects are in no block of the C library's.
        let option = if python.free_threaded { "--trace-python-allocators" } else { "" };
        let script =
            "\"$1\" run -q -f $5 -o \"$2\" --python \"$3\" -c \"$4\"; status=$?; ls /dev/shm /tmp; exit $status";
        let (python_path, options) = (python.path.as_os_str(), [code, option].map(OsStr::new));
        let arguments = [OsStr::new(EXECUTABLE), capture.as_os_str(), python_path, options[0], options[1]];
        let Some(finished) = with_empty_disk("/proc", &[], script, &arguments) else { return };
        let finished = finished.succeeds();
        let printed = finished.stdout();
        assert!(printed.starts_with("3000\n") && !printed.contains("memprof."), "{python}: {printed}");
        assert_eq!(finished.stderr(), "", "{python}");
        let stats = stats_of(&capture);
        assert!(total(&stats, "allocations") > 3000, "{python}: {stats}");
        // The interpreter's file has been found, too.
        let about_stacks = ["native stacks end early", "could not be placed among the native ones"];
        for note in stats["notes"].as_array().expect("a list") {
            // Where a program's code lies after a gap, the kernel's list of mappings says so.
            let is_known = about_stacks.iter().any(|about| note.as_str().is_some_and(|note| note.contains(about)));
            assert!(is_known && has_gap(&python.path), "{python}: {note}");
        }
        let by_code = sum(&table(&capture, "--total"), |row| row.file == "<string>");
        assert!(by_code.allocations >= 3000, "{python}: {by_code:?}");
    }
}

/// Whether a program's segments do not follow each other (elf(5), of 64 bits).
fn has_gap(program: &Path) -> bool {
    let bytes = std::fs::read(program).expect("a program can be read");
    let number = |at: usize, size: usize| {
        bytes[at..at + size].iter().rev().fold(0_usize, |number, &byte| number << 8 | usize::from(byte))
    };
    let (headers, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let loaded = (0..count).map(|index| headers + index * size).filter(|&header| number(header, 4) == 1);
    let segments: Vec<(usize, usize)> = loaded.map(|header| (number(header + 16, 8), number(header + 40, 8))).collect();
    segments.windows(2).any(|pair| (pair[0].0 + pair[0].1).next_multiple_of(4096) < pair[1].0 / 4096 * 4096)
}

/// As some launchers do that bring their own C library.
#[test]
fn the_loader_is_called_by_name() {
    let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
    let program = compile("little_stack.c", "little_stack", &["-O1", "-Wl,-z,now"]);
    let command =
        [loader.as_os_str(), program.as_os_str(), "later".as_ref(), "8000".as_ref(), "9000".as_ref(), "100".as_ref()];
    let recorded = Unharmed::command(&command).check();
    let by_late = sum(&table(&recorded.capture(), "--total"), |row| row.function == "late");
    assert_eq!(by_late.allocations, 10);
    for python in pythons::all() {
        let code = "print(len([bytearray(1000) for _ in range(3000)]))";
        let command = [loader.as_os_str(), python.path.as_os_str(), "-c".as_ref(), code.as_ref()];
        let bare = Finished::of(Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()));
        let recorded = Recording::of_command(&command).with_objects_of(python).option("-q").run();
        assert_eq!(recorded.finished().status(), bare.status(), "{python}: {}", recorded.finished().stderr());
        if bare.status() == 0 {
            assert_eq!(recorded.finished().stdout(), "3000\n", "{python}");
            let by_code = sum(&table(&recorded.capture(), "--total"), |row| row.file == "<string>");
            assert!(by_code.allocations >= 3000, "{python}: {by_code:?}");
        }
    }
}
