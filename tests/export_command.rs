//! `memprof export` and `memprof transform`: where the file goes, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::memprof::{Finished, memprof};
use crate::support::pythons;
use crate::support::recording::{Recorded, Recording};

const FORMATS: [&str; 10] =
    ["collapsed", "speedscope", "pprof", "csv", "json", "gprof2dot", "firefox", "dhat", "heaptrack", "memray"];

fn record() -> Recorded {
    let code = "kept = [bytearray(50_000 + n) for n in range(20)]\nfor n in range(9): bytearray(700_000)";
    Recording::of_code(pythons::any(), code).option("--no-native").run().succeeds()
}

#[track_caller]
fn run(arguments: &[&str], capture: &Path) -> Finished {
    Finished::of(memprof(arguments).arg(capture))
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every format goes to standard output, which is no terminal here, and the same to a file.
#[test]
fn to_standard_output_and_to_files() {
    let recorded = record();
    let (capture, folder) = (recorded.capture(), recorded.folder());
    for format in FORMATS {
        let printed = run(&["export", "--format", format], &capture).succeeds();
        assert!(printed.stdout().len() > 200, "{format}");
        assert_eq!(printed.stderr(), "", "{format}");
        let file = folder.join(format);
        let written = Finished::of(memprof(["export", "--format", format, "-o"]).arg(&file).arg(&capture)).succeeds();
        assert_eq!(written.stdout(), "", "{format}");
        assert!(written.stderr().starts_with("memprof: wrote "), "{format}: {}", written.stderr());
        assert_eq!(String::from_utf8_lossy(&fs::read(&file).expect("it is there")), printed.stdout(), "{format}");
        let again = Finished::of(memprof(["export", "--format", format, "-o"]).arg(&file).arg(&capture));
        again.refuses(1, &["exists already", "-f"]);
    }
}

/// As memray's command of that name: the format first, a file beside the capture, and its flags.
#[test]
fn transform_takes_memrays_arguments() {
    let recorded = record();
    let (capture, folder) = (recorded.capture(), recorded.folder());
    for (format, name) in [
        ("csv", "memprof-csv-capture.csv"),
        ("gprof2dot", "memprof-gprof2dot-capture.json"),
        ("SPEEDSCOPE", "memprof-speedscope-capture.speedscope.json"),
    ] {
        assert_eq!(run(&["transform", format], &capture).succeeds().stdout(), "");
        assert!(!read(folder.join(name)).is_empty());
    }
    let rows = |flags: &[&str]| {
        let arguments = [&["transform", "csv", "-f"], flags].concat();
        run(&arguments, &capture).succeeds();
        read(folder.join("memprof-csv-capture.csv"))
    };
    let has = |rows: &str, size: &str| rows.lines().any(|row| row.split(',').nth(2) == Some(size));
    // Nine blocks of 700,001 bytes come and go one after the other: one of them may be there at the peak.
    let temporary = rows(&["--temporary-allocations"]);
    assert!(has(&temporary, "6300009"), "{temporary}");
    assert!(has(&rows(&["--temporary-allocation-threshold", "5"]), "6300009"));
    assert!(!has(&rows(&["--leaks"]), "6300009"));
    assert!(run(&["transform", "csv", "-o", "-"], &capture).succeeds().stdout().starts_with("allocator,"));
    run(&["transform", "table"], &capture).ends_with(2);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_read() {
    let nowhere = Path::new("nowhere.bin");
    for format in ["json", "firefox", "dhat", "heaptrack", "memray"] {
        let refused = run(&["export", "--format", format, "--leaks"], nowhere);
        refused.refuses(1, &[format, "--leaks", "leave"]);
    }
    for format in ["firefox", "dhat", "heaptrack", "memray"] {
        run(&["export", "--format", format, "--from", "1"], nowhere).refuses(1, &[format, "--from", "leave"]);
    }
    run(&["export", "--format", "csv"], nowhere).refuses(1, &["nowhere.bin"]);
    run(&["export"], nowhere).ends_with(2);
}

/// firefox has room for all processes, dhat for one in a file. Both agree with what each process kept.
#[test]
fn families_are_one_profile_or_a_file_each() {
    let recorded = Recording::of_script(pythons::any(), "family.py").option("--follow-fork").run().ends_with(3);
    let (capture, folder) = (recorded.capture(), recorded.folder());
    let parsed = |name: &str| -> Value { serde_json::from_str(&read(folder.join(name))).expect("it is JSON") };
    run(&["transform", "firefox"], &capture).succeeds();
    run(&["transform", "dhat"], &capture).succeeds();
    run(&["export", "--format", "dhat"], &capture).refuses(1, &["several processes", "-o FILE", "--process PID"]);
    let piped = run(&["export", "--format", "firefox"], &capture).succeeds();
    assert_eq!(piped.stdout(), read(folder.join("memprof-firefox-capture.json")));
    let firefox = parsed("memprof-firefox-capture.json");
    let processes = recorded.stats()["processes"].clone();
    let processes = processes.as_array().expect("a list");
    assert!(processes.len() >= 6, "{processes:#?}");
    assert_eq!(firefox["threads"].as_array().map(Vec::len), Some(processes.len()));
    for (process, thread) in processes.iter().zip(firefox["threads"].as_array().expect("a list")) {
        let pid = process["pid"].to_string();
        assert_eq!(thread["pid"], pid.as_str());
        let weights = thread["nativeAllocations"]["weight"].as_array().expect("a list");
        let retained: i64 = weights.iter().map(|weight| weight.as_i64().expect("a number")).sum();
        let alone = run(&["export", "--format", "json", "--process", &pid], &capture).succeeds();
        let alone: Value = serde_json::from_str(&alone.stdout()).expect("it is JSON");
        assert_eq!(alone["totals"]["leaked"]["bytes"], retained, "{process:#}");
        let dhat = parsed(&format!("memprof-dhat-capture.{pid}.json"));
        assert_eq!(dhat["pid"], process["pid"]);
        let points = dhat["pps"].as_array().expect("a list").iter();
        let at_end: u64 = points.map(|point| point["eb"].as_u64().expect("a number")).sum();
        assert_eq!(alone["totals"]["leaked"]["bytes"], at_end, "{process:#}");
    }
    // Nothing is overwritten, not even one of them.
    let last = folder.join(format!("memprof-dhat-capture.{}.json", processes[processes.len() - 1]["pid"]));
    run(&["transform", "dhat"], &capture).refuses(1, &["exists already", "-f"]);
    fs::write(&last, "mine").expect("it can be written");
    run(&["transform", "dhat", "-f"], &capture).succeeds();
    assert_ne!(read(last), "mine");
}

/// A reader that has seen enough is no failure.
#[test]
fn a_closed_pipe_ends_it_quietly() {
    let recorded = record();
    let exports = FORMATS.iter().map(|format| format!("export --format {format}"));
    let lists = ["text", "markdown", "csv", "json"].map(|format| format!("table --by stack --format {format} -n 9999"));
    for report in exports.chain(lists) {
        let program = crate::support::memprof::EXECUTABLE;
        let command = format!("'{program}' {report} '{}' | head -c 1", recorded.capture().display());
        let finished = Finished::of(std::process::Command::new("sh").args(["-c", &command])).succeeds();
        assert_eq!((finished.stdout().len(), finished.stderr()), (1, String::new()), "{report}");
    }
}
