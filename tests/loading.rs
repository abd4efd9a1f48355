//! Libraries that a program loads are found where they are found without memprof, and can be closed again. Recorded are
//! those that call the program's C library; those that bring their own view of it run unharmed.

use std::path::Path;
use std::process::Command;

use crate::support::c_programs::Build;
use crate::support::memprof::Finished;
use crate::support::recording::{Recording, total};
use crate::support::table::{sum, table};

/// The program and its libraries, in a folder that only the RUNPATH of one of the libraries leads to.
fn compile(folder: &Path) {
    let library = |define: &str| Build::c("loading.c", define).flags(&["-O0", "-g", "-shared", "-fPIC", define]);
    library("-DINNER").make(&folder.join("libinner.so"));
    library("-DOUTER").flags(&["-Wl,-rpath,$ORIGIN", "-Wl,--enable-new-dtags"]).make(&folder.join("libouter.so"));
    Build::c("loading.c", "loading").flags(&["-O0", "-g"]).make(&folder.join("loading"));
}

#[test]
fn in_every_way() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    compile(folder.path());
    let program = folder.path().join("loading");
    let bare = Finished::of(&mut Command::new(&program)).ends_with(6);
    assert!(bare.stdout().starts_with("by no RUNPATH: 0\nby the library's RUNPATH: 100\nclosed: 0\ngone: 0\n"));
    for option in ["--native-depth=1024", "--no-native"] {
        let recorded = Recording::of_command(&[program.as_os_str()]).option("-q").option(option).run().ends_with(6);
        assert_eq!(recorded.finished().stdout(), bare.stdout(), "{option}");
        assert_eq!(recorded.finished().stderr(), "", "{option}");
        let found = sum(&table(&recorded.capture(), "--total"), |row| row.allocator == "valloc");
        // Not those of the library that was bound to its own dependencies first, nor those in another namespace.
        assert_eq!((found.allocations, found.bytes), (100 + 50 * 100, 100 * 4001 + 50 * 100 * 4004), "{option}");
        let stats = recorded.stats();
        assert_eq!((total(&stats, "skipped_events"), stats["metadata"]["complete"].as_bool()), (0, Some(true)));
    }
}
