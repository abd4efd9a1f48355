//! Programs that are killed, at any moment: every capture is complete and holds all that was allocated before the
//! program's last sign of life. And programs that are stopped for a while, or for good.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::support::c_programs::compile;
use crate::support::pythons;
use crate::support::recording::Recording;
use crate::support::skipping::machine_forbids;
use crate::support::survivor::{Running, assert_complete, assert_holds_all, progress, recorded_by_thread};

/// Records and kills this many times, each time this long after the first sign of life at most. On a machine so busy
/// that many kills come before the program goes on, more often: half as many moments are wanted.
fn kill_at_any_moment(runs: u64, longest_us: u64, recording: impl Fn() -> Recording + Sync) {
    // The runs mostly wait: several at a time are no more work.
    const AT_A_TIME: usize = 4;
    let (next, counts) = (AtomicU64::new(0), Mutex::new(BTreeSet::new()));
    let are_various = || counts.lock().expect("no panic").len() as u64 > runs / 2;
    scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let run = next.fetch_add(1, Relaxed);
                    if run >= runs && (are_various() || run >= 3 * runs) {
                        break;
                    }
                    // Any moments will do, as long as they are the same each time (Knuth's multiplicative hash).
                    let delay = Duration::from_micros((run.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % longest_us);
                    let running = Running::start(recording().option("-q").option("--no-symbols"));
                    sleep(delay);
                    running.signal(libc::SIGKILL);
                    let recorded = running.finish().ends_with(128 + libc::SIGKILL);
                    assert_holds_all(&recorded, &format!("killed after {delay:?}"));
                    let reached = progress(&recorded.finished().stdout());
                    counts.lock().expect("no panic").insert(reached.values().sum::<u64>());
                }
            });
        }
    });
    let counts = counts.into_inner().expect("no panic");
    assert!(counts.len() as u64 > runs / 2, "the kills came at the same moment: {counts:?}");
}

#[test]
fn a_python_program_a_hundred_times() {
    kill_at_any_moment(100, 60_000, || {
        Recording::of_script(pythons::any(), "survivor.py").argument("wait").argument("1000000")
    });
}

fn survivor(how: &str, rounds: &str) -> Recording {
    let program = compile("survivor.c", "survivor", &["-w"]);
    Recording::of_command(&[program.as_os_str(), how.as_ref(), rounds.as_ref()])
}

#[test]
fn a_c_program_a_hundred_times() {
    kill_at_any_moment(100, 20_000, || survivor("wait", "1000000"));
}

/// The processor time that a process has used, in ticks.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
}

fn wait_until_stopped(pid: i32) {
    let limit = Instant::now() + Duration::from_secs(20);
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    while !stat().rsplit(") ").next().expect("fields").starts_with('T') {
        assert!(Instant::now() < limit, "{}", stat());
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn stopped_for_a_while() {
    let running = Running::start(survivor("return", "1000000"));
    for _ in 0..2 {
        running.signal(libc::SIGSTOP);
        wait_until_stopped(running.pid);
        // The recorder takes what there is, and then reads the resident set now and then.
        sleep(Duration::from_millis(200));
        let before = ticks(running.memprof.id());
        sleep(Duration::from_millis(1000));
        let used = ticks(running.memprof.id()) - before;
        assert!(used < 30, "the recorder used {used} ticks of a second in which nothing happened");
        running.signal(libc::SIGCONT);
    }
    running.signal(libc::SIGUSR2);
    let recorded = running.finish().succeeds();
    assert_eq!(recorded_by_thread(&recorded), progress(&recorded.finished().stdout()));
    assert!(recorded.stats()["metadata"]["duration_s"].as_f64().is_none_or(|seconds| seconds > 2.4));
    assert_complete(&recorded);
}

#[test]
fn stopped_and_killed() {
    let running = Running::start(survivor("wait", "1000000"));
    sleep(Duration::from_millis(10));
    running.signal(libc::SIGSTOP);
    wait_until_stopped(running.pid);
    sleep(Duration::from_millis(100));
    running.signal(libc::SIGKILL);
    assert_holds_all(&running.finish().ends_with(128 + libc::SIGKILL), "killed while it was stopped");
}

/// The out-of-memory killer, within a group of processes that may not have more than 64 MiB.
#[test]
fn killed_for_want_of_memory() {
    let version_1 = Path::new("/sys/fs/cgroup/memory");
    let (parent, limit) = if version_1.exists() {
        (version_1.to_owned(), "memory.limit_in_bytes")
    } else {
        (Path::new("/sys/fs/cgroup").to_owned(), "memory.max")
    };
    let swap = if version_1.exists() { "memory.memsw.limit_in_bytes" } else { "memory.swap.max" };
    let group = parent.join(format!("memprof-test-{}", std::process::id()));
    let made = fs::create_dir(&group).and_then(|()| fs::write(group.join(limit), "67108864"));
    if let Err(error) = made {
        let _ = fs::remove_dir(&group);
        machine_forbids(&format!("limiting the memory of a group of processes: {error}"));
        return;
    }
    // Where there is no swapping at all, this cannot be set.
    let _ = fs::write(group.join(swap), if version_1.exists() { "67108864" } else { "0" });
    let code = "\
import os, sys, truth
open(sys.argv[1] + '/cgroup.procs', 'w').write('0')
kept = []
while True:
    block = truth.valloc(1 << 20)
    # Pages that are touched count.
    for page in range(0, 1 << 20, 4096):
        (truth.ctypes.c_char * 1).from_address(block + page)[0] = b'x'
    kept.append(block)
    os.write(1, b'%d\\n' % len(kept))
";
    let recording = Recording::of_code(pythons::any(), code).argument(&group);
    let recorded = recording.variable("PYTHONPATH", crate::support::memprof::programs()).run();
    // The group is empty once its last process is gone for good.
    let removed = (0..100).any(|_| {
        fs::remove_dir(&group).is_ok() || {
            sleep(Duration::from_millis(10));
            false
        }
    });
    assert!(removed, "{} is left over", group.display());
    let recorded = recorded.ends_with(128 + libc::SIGKILL);
    let last: u64 = recorded.finished().stdout().lines().last().expect("a line").parse().expect("a number");
    assert!(last >= 20, "{last} MiB");
    let rows = crate::support::table::table(&recorded.capture(), "--peak");
    let found = crate::support::table::sum(&rows, |row| row.allocator == "valloc").allocations;
    assert!(found == last || found == last + 1, "{found} recorded, {last} made");
    assert_complete(&recorded);
}
