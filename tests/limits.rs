//! Limits that a recording can run into: the program goes on, and the capture says what it lacks.

mod support;

use std::process::{Command, Stdio};

use support::memprof::{EXECUTABLE, Finished, programs};
use support::pythons;
use support::recording::{Recording, stats_of, total};

#[test]
fn more_threads_at_a_time_than_can_be_recorded() {
    let code = "import truth; print(truth.crowd(4200, 777)); print(len(bytes(1 << 30)))";
    let recording = Recording::of_code(pythons::any(), code).variable("PYTHONPATH", programs());
    let recorded = recording.run().succeeds();
    let told = recorded.finished().stderr();
    if recorded.finished().stdout() == "1\n1073741824\n" {
        // The C helper could not start them all, for reasons of the machine's.
        eprintln!("skipped: this machine lets nobody have 4200 threads");
        return;
    }
    assert_eq!(recorded.finished().stdout(), "0\n1073741824\n", "the program itself: {told}");
    assert_eq!(told.matches("more threads at a time than memprof can record").count(), 2, "{told}");
    assert!(!told.contains("the recorder was gone"), "{told}");
    let stats = recorded.stats();
    assert_eq!(stats["metadata"]["complete"], false);
    assert!(stats["notes"].to_string().contains("more threads at a time"), "{}", stats["notes"]);
    assert!(total(&stats, "peak_bytes") < 1 << 30);
}

/// `ulimit -f`: what the shell counts in blocks of 512 or 1024 bytes.
#[test]
fn a_limit_on_the_size_of_files() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let capture = folder.path().join("capture.bin");
    let code = "\
import random, resource
for _ in range(200):
    blocks = [bytes(random.randrange(600, 60_000)) for _ in range(2000)]
    random.shuffle(blocks)
print(resource.getrlimit(resource.RLIMIT_FSIZE)[0] in (1500 * 512, 1500 * 1024))
raise SystemExit(5)
";
    let mut shell = Command::new("sh");
    let script = "ulimit -S -f 1500; exec \"$1\" run -o \"$2\" --python \"$3\" -c \"$4\"";
    shell.args(["-c", script, "sh", EXECUTABLE]).arg(&capture).arg(&pythons::any().path).arg(code);
    let finished = Finished::of(shell.stdin(Stdio::null())).ends_with(5);
    assert_eq!(finished.stdout(), "True\n", "the program has the limit: {}", finished.stderr());
    assert!(finished.stderr().contains("File too large"), "{}", finished.stderr());
    let stats = stats_of(&capture);
    assert_eq!(stats["metadata"]["complete"], false);
    assert!((10_000..400_000).contains(&total(&stats, "allocations")), "{stats}");
}
