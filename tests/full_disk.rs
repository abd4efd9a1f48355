//! A disk that becomes full while a program is recorded: the program does not notice, the user is warned, and what was
//! written until then can be read.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::memprof::{EXECUTABLE, Finished};
use crate::support::mounts::with_empty_disk;
use crate::support::pythons;
use crate::support::recording::{Recording, stats_of, total};

/// More events than half a mebibyte can hold, and then a sign of life.
const PROGRAM: &str = "\
import random
for _ in range(200):
    blocks = [bytes(random.randrange(600, 60_000)) for _ in range(2000)]
    random.shuffle(blocks)
print('done')
raise SystemExit(5)
";

/// Runs a shell script in which `/mnt` is a disk with this much room.
fn with_small_disk(size: &str, script: &str, arguments: &[&Path]) -> Option<Finished> {
    with_empty_disk("/mnt", &["-o", &format!("size={size}")], script, arguments)
}

#[test]
fn while_recording() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (script, capture) = (folder.path().join("program.py"), folder.path().join("kept.bin"));
    fs::write(&script, PROGRAM).expect("a file can be written");
    let record =
        "\"$1\" run -o /mnt/capture.bin --python \"$2\" \"$3\"; status=$?; cp /mnt/capture.bin \"$4\"; exit $status";
    let arguments = [Path::new(EXECUTABLE), &pythons::any().path, &script, &capture];
    let Some(finished) = with_small_disk("512k", record, &arguments) else { return };
    let finished = finished.ends_with(5);
    assert_eq!(finished.stdout(), "done\n");
    let errors = finished.stderr();
    assert!(errors.contains("No space left on device") && errors.contains("/mnt/capture.bin"), "{errors}");

    let stats = stats_of(&capture);
    assert_eq!(stats["metadata"]["complete"], false);
    assert_ne!(stats["notes"].as_array().map_or(0, Vec::len), 0);
    let allocations = total(&stats, "allocations");
    assert!((10_000..400_000).contains(&allocations), "{allocations} of more than 400,000");
    let (kept, bytes) =
        (number_after(&errors, "it holds the first "), fs::metadata(&capture).map_or(0, |file| file.len()));
    assert_eq!(kept, allocations, "{errors}");
    assert!(bytes > 256 << 10 && !errors.contains("peak heap"), "{bytes} of 512 KiB: {errors}");
    assert_eq!(total(&stats, "damaged_chunks"), 0);
}

/// The number that follows these words.
fn number_after(errors: &str, words: &str) -> u64 {
    let (_, behind) = errors.split_once(words).expect("the words");
    let digits = behind.split(' ').next().expect("a number").replace(',', "");
    digits.parse().expect("a number")
}

#[test]
fn while_reporting() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let capture = folder.path().join("capture.bin");
    Finished::of(Command::new(EXECUTABLE).args(["run", "-q", "-o"]).arg(&capture).args(["-c", "pass"])).succeeds();
    let report = "\"$1\" flamegraph -o /mnt/page.html \"$2\"; status=$?; ls -A /mnt; exit $status";
    let Some(finished) = with_small_disk("16k", report, &[Path::new(EXECUTABLE), &capture]) else { return };
    // Nothing on standard output: nothing is left on the disk.
    finished.refuses(1, &["/mnt/page.html", "No space left on device", "-o"]);
}

/// What cannot fit is not begun.
#[test]
fn with_less_room_than_an_export_needs() {
    let recorded = Recording::of_script(pythons::any(), "levels_that_keep.py").argument("2000").run().succeeds();
    let export = "\"$1\" export --format csv --force -o /mnt/stacks.csv \"$2\"; status=$?; ls -A /mnt; exit $status";
    let Some(finished) = with_small_disk("1m", export, &[Path::new(EXECUTABLE), &recorded.capture()]) else { return };
    finished.refuses(1, &["/mnt/stacks.csv would have", " MiB, and its disk has ", " left", "on another disk with -o"]);
}

#[test]
fn standard_output_that_takes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let capture = folder.path().join("capture.bin");
    Finished::of(Command::new(EXECUTABLE).args(["run", "-q", "-o"]).arg(&capture).args(["-c", "pass"])).succeeds();
    for report in [&["stats"][..], &["stats", "--json"], &["table"], &["table", "--json"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let mut command = Command::new(EXECUTABLE);
        let finished = Finished::of_output_to(command.args(report).arg(&capture), full.into());
        finished.refuses(1, &["standard output", "No space left on device"]);
    }
}
