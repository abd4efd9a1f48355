//! A program allocates before its main function and after it, and after the interpreter that it embeds has ended.

use crate::support::c_programs::Build;
use crate::support::embedding::Embedding;
use crate::support::expectations::assert_as_annotated;
use crate::support::recording::{Recorded, Recording, total};
use crate::support::table::{Amount, sum, table};

#[track_caller]
fn assert_exact(recorded: &Recorded, source: &str) {
    assert_as_annotated(&recorded.capture(), source);
    let stats = recorded.stats();
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
    assert_eq!(stats["metadata"]["complete"], true);
}

#[test]
fn before_main_and_after_it() {
    let library = |name: &str| {
        let flags = ["-g", "-O0", "-DLIBRARY", "-shared", "-fPIC"];
        Build::cpp("program_ends.cpp", name).flags(&flags).path()
    };
    let (unloaded, kept) = (library("unloaded.so"), library("kept.so"));
    let program = Build::cpp("program_ends.cpp", "program_ends").flags(&["-g", "-O0"]).path();
    let recording = Recording::of_command(&[program.as_os_str(), unloaded.as_os_str(), kept.as_os_str()]);
    assert_exact(&recording.run().ends_with(3), "program_ends.cpp");
}

#[test]
fn around_an_interpreter_that_is_started_twice() {
    for embedding in Embedding::with_all("embeds_python.c", "embeds_python") {
        eprintln!("{}", embedding.python);
        let mut recording = Recording::of_command(&[embedding.program.as_os_str()]);
        for (name, value) in embedding.variables(None) {
            recording = recording.variable(name, value);
        }
        let recorded = recording.run().succeeds();
        assert_exact(&recorded, "embeds_python.c");
        let rows = table(&recorded.capture(), "--total");
        let inner = sum(&rows, |row| row.function == "inner" && row.line == 3 && row.allocator == "memalign");
        assert_eq!(inner, Amount { allocations: 22, bytes: 22 * 1002 });
    }
}
