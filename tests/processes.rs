//! Programs that run other programs, fork, replace themselves, or have very many threads: recorded is the one process
//! that was asked for, and all of them run as they would without memprof.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::c_programs::{Build, compile};
use crate::support::executables::copy_executable;
use crate::support::memprof::{Finished, programs};
use crate::support::pythons::{self, Python};
use crate::support::recording::{Recorded, Recording, set_up, total};
use crate::support::table::{Amount, sum, table};

/// Runs a test program without memprof and with it: both runs must print and return the same.
#[track_caller]
fn same_as_without(python: &Python, script: &str) -> Recorded {
    let recorded = Recording::of_script(python, script).run();
    let mut bare = Command::new(&python.path);
    set_up(bare.arg(programs().join(script)).stdin(Stdio::null()), recorded.folder());
    let bare = Finished::of(&mut bare);
    assert_eq!(recorded.finished().stdout(), bare.stdout(), "{python}: {}", recorded.finished().stderr());
    assert_eq!(recorded.finished().status(), bare.status(), "{python}");
    assert_ne!(bare.stdout(), "", "{python}: {}", bare.stderr());
    recorded
}

fn blocks(recorded: &Recorded, metric: &str, allocator: &str) -> Amount {
    sum(&table(&recorded.capture(), metric), |row| row.allocator == allocator)
}

#[test]
fn a_program_that_becomes_another_one() {
    for python in pythons::all() {
        let recorded = same_as_without(python, "becomes_another.py");
        let (before, after) = (blocks(&recorded, "--total", "valloc"), blocks(&recorded, "--total", "pvalloc"));
        assert_eq!(before, Amount { allocations: 3, bytes: 3 * (64 << 20) }, "{python}");
        assert_eq!(after, Amount { allocations: 2, bytes: 2 * 1234 }, "{python}");
        // The first program's memory is gone with it: no leak, although nobody freed it. It made the peak.
        assert_eq!(blocks(&recorded, "--leaks", "valloc"), Amount::default(), "{python}");
        assert_eq!(blocks(&recorded, "--leaks", "pvalloc").allocations, 2, "{python}");
        assert_eq!(blocks(&recorded, "--peak", "valloc").allocations, 3, "{python}");
        let stats = recorded.stats();
        assert_eq!(stats["metadata"]["complete"], true);
        assert!(total(&stats, "dropped_by_exec") >= 3);
    }
}

#[test]
fn children_run_unharmed_and_are_not_recorded() {
    for python in pythons::all() {
        let recorded = same_as_without(python, "has_children.py");
        let own = blocks(&recorded, "--total", "valloc");
        assert_eq!(own, Amount { allocations: 10, bytes: 10 * 1111 }, "{python}");
        assert_eq!(blocks(&recorded, "--total", "pvalloc"), Amount::default(), "{python}");
        assert_eq!(recorded.stats()["metadata"]["complete"], true);
    }
}

#[test]
fn pools_of_processes() {
    for python in pythons::all() {
        same_as_without(python, "process_pools.py");
    }
}

#[test]
fn six_hundred_threads_alive_at_once() {
    for python in pythons::all() {
        let recorded = same_as_without(python, "crowd_of_threads.py");
        let rows = table(&recorded.capture(), "--total");
        let each: Vec<_> = rows.iter().filter(|row| row.allocator == "valloc").collect();
        assert_eq!(each.len(), 600, "{python}: a row for each thread");
        assert!(each.iter().all(|row| row.allocations == 7 && row.bytes == 7 * 5000), "{python}");
    }
}

#[test]
fn allocators_behave_the_same_at_their_edges() {
    let program = compile("behaviour.c", "behaviour", &[]);
    let bare = Finished::of(&mut Command::new(&program)).ends_with(6);
    let recorded = Recording::of_command(&[program.as_os_str()]).run().ends_with(6);
    assert_eq!(recorded.finished().stdout(), bare.stdout());
    let stats = recorded.stats();
    assert_eq!(stats["metadata"]["complete"], true);
    assert_eq!(total(&stats, "skipped_events"), 0);
}

fn notes(recorded: &Recorded) -> String {
    recorded.stats()["notes"].to_string()
}

#[test]
fn children_see_no_trace_of_it() {
    for python in pythons::all() {
        let recorded = same_as_without(python, "children_without_traces.py");
        let output = recorded.finished().stdout();
        assert!(output.matches("[]").count() >= 8 && output.matches("nothing").count() >= 5, "{output}");
        let notes = notes(&recorded);
        // Those that multiprocessing starts are some more.
        let count = notes.split(" processes were started and not recorded").next();
        let count = count.and_then(|text| text.rsplit(['"', ' ']).next()).and_then(|count| count.parse::<u32>().ok());
        assert!(count.is_some_and(|count| (14..=20).contains(&count)), "{notes}");
    }
}

#[test]
fn what_they_used_is_told_where_it_is_much() {
    for python in pythons::all() {
        let code = "import subprocess, sys\n\
                    subprocess.run([sys.executable, '-c', 'import time\\nwhile time.process_time() < 1: pass'])";
        let recorded = Recording::of_code(python, code).run().succeeds();
        let said = recorded.finished().stderr();
        assert!(said.contains("1 process was started and not recorded, and used "), "{said}");
        assert!(said.contains("; --follow-fork records it\n"), "{said}");
        let recorded = Recording::of_code(python, code).option("--follow-fork").run().succeeds();
        assert!(!recorded.finished().stderr().contains("not recorded"), "{}", recorded.finished().stderr());
    }
}

/// Where all are followed, these cannot be.
#[test]
fn those_that_cannot_be_followed_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let loader = folder.path().join("ld-other.so.1");
    copy_executable(Path::new("/lib64/ld-linux-x86-64.so.2"), &loader);
    let flag = format!("-Wl,--dynamic-linker={}", loader.display());
    let other = Build::c("stranger.c", "stranger_of_another_loader").flags(&[&flag]).path();
    let fixed = Build::c("stranger.c", "stranger_without_loader").flags(&["-static"]).path();
    for python in pythons::all() {
        let code = format!(
            "import os, subprocess\n\
             for program in {other:?}, {fixed:?}:\n\
             \x20   print(subprocess.run([program], capture_output=True, text=True, env={{'A': '1'}}))\n\
             \x20   os.waitpid(os.posix_spawn(program, [program], os.environ), 0)\n\
             if os.geteuid() == 0:\n\
             \x20   print(subprocess.run(['id', '-un'], capture_output=True, text=True, user='nobody'))\n"
        );
        let recorded = Recording::of_code(python, &code).option("--follow-fork").run().succeeds();
        let output = recorded.finished().stdout();
        let bare = Command::new(&python.path).args(["-c", &code]).output().unwrap();
        // The static program passes on to its own children what it was given: they may be recorded.
        let output = output.replace("led to memprof", "alone");
        assert_eq!(output, String::from_utf8(bare.stdout).unwrap());
        assert_eq!(output.matches("stderr=''").count(), output.matches("stderr=").count(), "{output}");
        let notes = notes(&recorded);
        // SAFETY: asks for this process's user and cannot fail.
        let sentence = if unsafe { libc::geteuid() } == 0 {
            "5 programs could not be recorded: 1 run as another user, in a container or in another root directory, \
             2 with another C library, 2 statically linked."
        } else {
            "4 programs could not be recorded: 2 with another C library, 2 statically linked."
        };
        assert!(notes.contains(sentence), "{notes}");
    }
}
