//! However a program ends by itself: the capture is complete, and nothing that was allocated before is missing.

use std::process::Command;

use crate::support::c_programs::compile;
use crate::support::memprof::Finished;
use crate::support::pythons;
use crate::support::recording::Recording;
use crate::support::survivor::{ROUND, Running, assert_complete, progress, recorded_by_thread};

#[test]
fn every_end_of_a_python_program() {
    let ends = [("exit", 3), ("_exit", 3), ("abort", 134), ("segfault", 139), ("exception", 1), ("recursion", 139)];
    for python in pythons::all() {
        for (how, status) in ends {
            // 3.12 counts calls of C functions by a limit of their own, and from 3.14 on the end of the stack is one.
            let is_limited = how == "recursion" && (python.minor == 12 || python.minor >= 14);
            let status = if is_limited { 1 } else { status };
            let recorded = Recording::of_script(python, "survivor.py").argument(how).argument("50").run();
            let recorded = recorded.ends_with(status);
            let reached = progress(&recorded.finished().stdout());
            assert_eq!(reached.len(), 4, "{python}, {how}");
            assert!(reached.values().all(|&count| count == 50 * ROUND));
            assert_eq!(recorded_by_thread(&recorded), reached, "{python}, {how}");
            assert_complete(&recorded);
        }
    }
}

/// Among them are those that begin within the C library's `malloc` and `free`, while memprof waits for these to return.
#[test]
fn every_end_of_a_c_program() {
    let program = compile("survivor.c", "survivor", &["-w"]);
    let ends = [
        ("return", 0),
        ("exit", 3),
        ("_exit", 3),
        ("quick_exit", 3),
        ("exit_group", 3),
        ("thread_exit", 0),
        ("abort", 134),
        ("abort-in-thread", 134),
        ("trap", 132),
        ("segfault", 139),
        ("overflow", 139),
        ("double-free", 134),
        ("overrun", 134),
        ("underrun", 134),
        ("wild-free", 139),
    ];
    for (how, status) in ends {
        let bare = Finished::of(Command::new(&program).args([how, "50"])).ends_with(status);
        let arguments = [program.as_os_str(), how.as_ref(), "50".as_ref()];
        let recorded = Recording::of_command(&arguments).option("-q").run().ends_with(status);
        // What the C library says about a damaged heap, for one.
        assert_eq!(recorded.finished().stderr(), bare.stderr(), "{how}");
        let reached = progress(&recorded.finished().stdout());
        assert_eq!(reached.len(), 4, "{how}");
        assert!(reached.values().all(|&count| count == 50 * ROUND), "{how}");
        assert_eq!(recorded_by_thread(&recorded), reached, "{how}");
        assert_complete(&recorded);
    }
}

/// The recorder itself may be killed as well: the program goes on and says so once, and what was written until then can
/// be read.
#[test]
fn the_recorder_is_killed() {
    let recording = Recording::of_script(pythons::any(), "survivor.py").argument("exit").argument("6000");
    let mut running = Running::start(recording);
    std::thread::sleep(std::time::Duration::from_millis(100));
    running.memprof.kill().expect("memprof can be killed");
    running.memprof.wait().expect("memprof ends");
    let begin = std::time::Instant::now();
    let recorded = running.finish();
    assert!(begin.elapsed() < std::time::Duration::from_secs(60), "the program hangs without its recorder");
    let (reached, errors) = (progress(&recorded.finished().stdout()), recorded.finished().stderr());
    assert_eq!(reached.len(), 4, "{errors}");
    assert!(reached.values().all(|&count| count == 6000 * ROUND), "the program came only to {reached:?}");
    assert_eq!(errors, "memprof: recording stops, the program goes on: the recorder was gone\n");

    let stats = recorded.stats();
    assert_eq!(stats["metadata"]["complete"], false);
    assert!(stats["notes"][0].as_str().expect("a note").contains("has no end"), "{}", stats["notes"]);
}
