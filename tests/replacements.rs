//! A process that replaces its program, in every way there is, is recorded from its first program to its last; children
//! of all kinds run as they would without memprof.

use std::process::Command;

use crate::support::c_programs::compile;
use crate::support::memprof::Finished;
use crate::support::recording::{Recording, total};
use crate::support::table::{Amount, sum, table};

const LAST: u64 = 10;

#[test]
fn every_way() {
    let program = compile("replacements.c", "replacements", &[]);
    let bare = Finished::of(&mut Command::new(&program)).ends_with(5);
    let recorded = Recording::of_command(&[program.as_os_str()]).option("-q").run().ends_with(5);
    assert_eq!(recorded.finished().stdout(), bare.stdout());
    assert_eq!(recorded.finished().stderr(), bare.stderr());
    let rows = table(&recorded.capture(), "--total");
    for image in 0..=LAST {
        let size = 3000 + image;
        let found = sum(&rows, |row| row.allocator == "valloc" && row.bytes == size * row.allocations);
        // Image 3 makes one more, after its first attempt has failed.
        let made = image + 1 + u64::from(image == 3);
        assert_eq!(found, Amount { allocations: made, bytes: made * size }, "image {image}");
    }
    assert_eq!(sum(&rows, |row| row.allocator == "pvalloc"), Amount::default(), "the children's");
    let leaks = sum(&table(&recorded.capture(), "--leaks"), |row| row.allocator == "valloc");
    assert_eq!(leaks, Amount { allocations: LAST + 1, bytes: (LAST + 1) * (3000 + LAST) }, "the last image's");
    let stats = recorded.stats();
    assert_eq!(stats["metadata"]["complete"], true);
    // Each image's own; and those of the threads that image 4 kills.
    assert!(total(&stats, "dropped_by_exec") >= (1..=LAST).sum());
    let notes = stats["notes"].to_string();
    assert!(notes.contains("6 processes were started and not recorded"), "by clone, it is not seen: {notes}");
    assert_eq!((total(&stats, "skipped_events"), total(&stats, "unknown_frees")), (0, 0));
}
