//! `errno` after every call that memprof hooks is what it is without memprof, however long the way was that
//! the record of the call took; and so are results, alignment, and what can be used of a block.

use std::process::Command;

use crate::support::c_programs::compile;
use crate::support::memprof::Finished;
use crate::support::recording::{Recording, total};

#[test]
fn after_every_call() {
    let program = compile("errno.c", "errno", &[]);
    let bare = Finished::of(&mut Command::new(&program)).succeeds();
    assert_eq!(bare.stdout(), "failures 0\n", "what the program expects does not hold without memprof");
    for option in ["--native-depth=1024", "--no-native"] {
        let recorded = Recording::of_command(&[program.as_os_str()]).option(option).run();
        assert_eq!(recorded.finished().stdout(), "failures 0\n", "{option}: {}", recorded.finished().stderr());
        let stats = recorded.succeeds().stats();
        assert_eq!(total(&stats, "skipped_events"), 0, "{option}");
        // Each thread's first event, every stack, and so many events that chunks ran full.
        assert!(total(&stats, "allocations") > 30_000, "{option}");
        assert_eq!(stats["metadata"]["complete"], true, "{option}");
    }
}
