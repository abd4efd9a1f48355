//! Handlers that interrupt a program wherever it is, in memprof's hooks among the rest, and allocate or never return: the
//! program runs as without memprof, and what is not recorded is counted.

use std::process::Command;

use crate::support::c_programs::{Build, compile, signal_safe_allocator};
use crate::support::memprof::Finished;
use crate::support::recording::{Recording, total};
use crate::support::table::{sum, table};

#[test]
fn that_allocate() {
    let allocator = compile("own_allocator.c", "libown.so", &["-shared", "-fPIC"]);
    let program = Build::c("interruptions.c", "interruptions").flags(&["-O0", "-g", "-lrt"]).path();
    for option in ["--native-depth=1024", "--no-native"] {
        let recording = Recording::of_command(&[program.as_os_str()]).option("-q").option(option);
        let recorded = recording.variable("LD_PRELOAD", &allocator).run().succeeds();
        let stdout = recorded.finished().stdout();
        let mut words = stdout.split_whitespace();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
        let (made, handled) = (number(), number());
        assert_eq!(words.next(), Some("right"), "{option}: {stdout}");
        assert!(handled >= 100, "{option}: {stdout}");
        let rows = table(&recorded.capture(), "--total");
        let of = |allocator: &str| sum(&rows, |row| row.allocator == allocator);
        assert_eq!((of("aligned_alloc").allocations, of("aligned_alloc").bytes), (made, made * 100), "{option}");
        // Those of handlers that interrupted the program's own code, or a record.
        let blocks = of("memalign");
        assert!(blocks.allocations > 0 && blocks.bytes == blocks.allocations * 70_003, "{option}: {blocks:?}");
        assert!(blocks.allocations <= handled, "{option}: {stdout}");
        assert!(rows.iter().any(|row| row.thread.starts_with("in signal handlers")), "{option}: {rows:?}");
        let stats = recorded.stats();
        assert_eq!(total(&stats, "skipped_events"), 0, "{option}");
        assert_eq!((total(&stats, "damaged_chunks"), total(&stats, "unknown_frees")), (0, 0), "{option}");
        assert_eq!(stats["metadata"]["complete"], true, "{option}");
    }
}

#[test]
fn that_are_left_in_the_middle_of_a_record() {
    let program = Build::c("left_handlers.c", "left_handlers").flags(&["-lrt"]).path();
    for option in ["--native-depth=1024", "--no-native"] {
        let recording = Recording::of_command(&[program.as_os_str()]).option("-q").option(option);
        let recorded = recording.variable("LD_PRELOAD", signal_safe_allocator()).run().succeeds();
        let stdout = recorded.finished().stdout();
        let mut numbers = stdout.split_whitespace().map(|word| word.parse::<u64>().expect("a number"));
        let (made, jumps) = (numbers.next().expect("blocks"), numbers.next().expect("jumps"));
        assert!(jumps >= 50, "{option}: {stdout}");
        let rows = table(&recorded.capture(), "--total");
        let of = |allocator: &str| sum(&rows, |row| row.allocator == allocator);
        // What the handlers have interrupted went on, and lost nothing.
        assert_eq!((of("aligned_alloc").allocations, of("aligned_alloc").bytes), (made, made * 100), "{option}");
        assert!(of("memalign").allocations > jumps, "{option}: {rows:?}");
        let stats = recorded.stats();
        // What was left in the middle of a record is lost, and no more than that.
        let skipped = total(&stats, "skipped_events");
        assert!(skipped <= jumps, "{option}: {skipped}");
        assert_eq!(total(&stats, "damaged_chunks"), 0, "{option}");
        assert_eq!(stats["metadata"]["complete"], true, "{option}");
    }
}

#[test]
fn that_never_return() {
    let program = compile("overflows.c", "overflows", &["-Wno-infinite-recursion"]);
    for thread in ["", "thread"] {
        let bare = Finished::of(Command::new(&program).arg(thread)).ends_with(4);
        for option in ["--native-depth=1024", "--no-native"] {
            let recording = Recording::of_command(&[program.as_os_str(), thread.as_ref()]).option("-q").option(option);
            let recorded = recording.run().ends_with(4);
            assert_eq!(recorded.finished().stdout(), bare.stdout(), "{thread} {option}");
            let kept = sum(&table(&recorded.capture(), "--leaks"), |row| row.allocator == "valloc");
            assert_eq!((kept.allocations, kept.bytes), (400, 400 * 3000), "{thread} {option}");
            let stats = recorded.stats();
            // What was left in the middle of a record is lost, and no more than that.
            let skipped = total(&stats, "skipped_events");
            assert!(skipped <= 40, "{thread} {option}: {skipped}");
            assert_eq!(total(&stats, "damaged_chunks"), 0, "{thread} {option}");
            assert_eq!(stats["metadata"]["complete"], true, "{thread} {option}");
        }
    }
}
