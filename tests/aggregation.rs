//! `run --aggregate`: sums instead of events, in a file that is whole at any moment. And what becomes of captures by
//! `aggregate`, `trim` and `merge`.

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::c_programs::Build;
use crate::support::memprof::{Finished, memprof};
use crate::support::pythons;
use crate::support::recording::{Recorded, Recording, stats_of, total};
use crate::support::table::{table, table_of};

const KINDS: [&str; 3] = ["--peak", "--leaks", "--total"];

/// What a program did at its own places: by line, function and allocator. What imports take depends on files that the
/// first of two runs leaves, and on chance, as where pymalloc needs another arena.
fn by_place(recorded: &Recorded, metric: &str, file: &str) -> BTreeMap<(u64, String, String), (u64, u64)> {
    let mut sums = BTreeMap::new();
    let rows = table_of(&recorded.capture(), &[metric, "--show-imports"]);
    for row in rows.into_iter().filter(|row| row.file.ends_with(file)) {
        let sum: &mut (u64, u64) = sums.entry((row.line, row.function, row.allocator)).or_default();
        *sum = (sum.0 + row.allocations, sum.1 + row.bytes);
    }
    sums
}

#[test]
fn a_program_has_the_same_figures() {
    for python in pythons::all() {
        eprintln!("{python}");
        let record = |options: &[&str]| {
            let recording = Recording::of_script(python, "peaks.py");
            options.iter().fold(recording, |recording, option| recording.option(*option)).run().succeeds()
        };
        let (events, sums) = (record(&[]), record(&["--aggregate"]));
        for metric in KINDS {
            let expected = by_place(&events, metric, "peaks.py");
            assert!(!expected.is_empty(), "{metric}");
            assert_eq!(by_place(&sums, metric, "peaks.py"), expected, "{metric}");
        }
        let stats = sums.stats();
        assert_eq!(stats["metadata"]["complete"], true, "{}", stats["notes"]);
        assert_eq!(total(&stats, "unknown_frees"), 0);
        assert!(stats["native_stacks"]["modules"].as_array().is_some_and(|modules| !modules.is_empty()), "{stats:#}");
    }
}

#[test]
fn a_family_has_the_same_figures() {
    let record = |options: &[&str]| {
        let recording = Recording::of_script(pythons::any(), "family.py").option("--follow-fork");
        options.iter().fold(recording, |recording, option| recording.option(*option)).run().ends_with(3)
    };
    let (events, sums) = (record(&[]), record(&["--aggregate"]));
    for metric in ["--leaks", "--total"] {
        assert_eq!(by_place(&sums, metric, "family.py"), by_place(&events, metric, "family.py"), "{metric}");
    }
    let (events, sums) = (events.stats(), sums.stats());
    assert_eq!(sums["metadata"]["complete"], true, "{}", sums["notes"]);
    let began = |stats: &Value| {
        let processes = stats["processes"].as_array().expect("a list").iter();
        let mut began: Vec<String> = processes.map(|process| process["began"].to_string()).collect();
        began.sort();
        began
    };
    assert_eq!(began(&sums), began(&events));
    for process in sums["processes"].as_array().expect("a list") {
        let number = |name: &str| process[name].as_u64().expect("a number");
        let ended = number("frees") + number("leaked_allocations") + number("dropped_by_exec");
        assert_eq!(number("allocations"), ended, "{process:#}");
        assert!(number("own_peak_bytes") >= number("peak_bytes"), "{process:#}");
        assert!(!process["ended_s"].is_null(), "{process:#}");
    }
}

#[test]
fn the_file_does_not_grow_with_the_run() {
    let churn = Build::c("../../benches/programs/churn.c", "churn").flags(&["-O1", "-g", "-pthread"]).path();
    let record = |pairs: &str| {
        let recording = Recording::of_command(&[churn.as_os_str(), pairs.as_ref(), "2".as_ref()]);
        recording.option("--aggregate").run().succeeds()
    };
    let [short, long] = ["100000", "2000000"].map(record);
    let bytes = |recorded: &Recorded| fs::metadata(recorded.capture()).expect("it is there").len();
    assert!(bytes(&long) < bytes(&short) + 50_000, "{} and {} bytes", bytes(&short), bytes(&long));
    let stats = long.stats();
    assert!(total(&stats, "allocations") >= 2_000_000, "{stats:#}");
    assert_eq!(total(&stats, "leaked_allocations"), total(&short.stats(), "leaked_allocations"));
}

/// Waits until `it` is so.
fn wait_for(what: &str, mut it: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !it() {
        assert!(Instant::now() < limit, "waited in vain: {what}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_recorder_that_is_killed_leaves_a_whole_file() {
    // It goes on as long as it is recorded.
    let code = "import os\nit = os.getppid()\nwhile os.getppid() == it: x = [bytearray(3000) for _ in range(500)]";
    let recording = Recording::of_code(pythons::any(), code).option("--aggregate");
    let mut running = recording.command().spawn().expect("it starts");
    let capture = recording.capture();
    wait_for("a first file", || fs::metadata(&capture).is_ok_and(|file| file.len() > 5000));
    // At no moment is there anything but a whole file.
    for _ in 0..20 {
        assert!(total(&stats_of(&capture), "allocations") > 1000);
    }
    running.kill().expect("it can be killed");
    running.wait().expect("it is gone");
    let stats = stats_of(&capture);
    assert_eq!(stats["metadata"]["complete"], false);
    assert!(stats["notes"][0].as_str().is_some_and(|note| note.contains("no end")), "{}", stats["notes"]);
    let rows = table(&capture, "--total");
    assert!(rows.iter().any(|row| row.file == "<string>" && row.allocations > 500), "{rows:#?}");
    // Names can be found later.
    Finished::of(memprof(["symbolize"]).arg(&capture)).succeeds();
    assert_eq!(total(&stats_of(&capture), "allocations"), total(&stats, "allocations"));
}

#[test]
fn captures_are_summed_up_cut_and_merged() {
    let recorded = Recording::of_script(pythons::any(), "peaks.py").run().succeeds();
    let (capture, folder) = (recorded.capture(), recorded.folder());
    let make = |arguments: &[&str], name: &str| {
        let out = folder.join(name);
        Finished::of(memprof(arguments).arg(&capture).arg("-o").arg(&out)).succeeds();
        out
    };
    let expected = recorded.stats();
    let sums = make(&["aggregate"], "sums.bin");
    assert_eq!(stats_of(&sums), expected);
    assert_eq!(stats_of(&make(&["trim"], "part.bin")), expected);
    let late = stats_of(&make(&["trim", "--from", "50%"], "late.bin"));
    let duration = |stats: &Value| stats["metadata"]["duration_s"].as_f64().expect("a number");
    assert!((duration(&late) - duration(&expected) / 2.0).abs() < 0.01, "{late:#}");
    let merged = folder.join("merged.bin");
    Finished::of(memprof(["merge"]).args([&capture, &capture]).arg("-o").arg(&merged)).succeeds();
    let twice = stats_of(&merged);
    for name in ["allocations", "bytes_allocated", "leaked_bytes", "temporary_bytes", "frees"] {
        assert_eq!(total(&twice, name), 2 * total(&expected, name), "{name}");
    }
    // How it went together is known as exactly as stamps are.
    assert!(total(&twice, "peak_bytes") >= total(&expected, "peak_bytes"));
    // What does not make sense is refused in a sentence.
    let refused = |arguments: &[&str], words: &[&str]| {
        let mut command = memprof(arguments);
        Finished::of(command.arg("-o").arg(folder.join("refused.bin"))).refuses(1, words);
        assert!(!folder.join("refused.bin").exists());
    };
    let path = |path: &std::path::Path| path.to_str().expect("it is UTF-8").to_owned();
    refused(&["aggregate", &path(&sums)], &["sums.bin", "aggregated already"]);
    refused(&["trim", &path(&sums)], &["sums.bin", "it is aggregated", "record without --aggregate"]);
    refused(&["trim", &path(&capture), "--from", "1h"], &["capture.bin", "--from must come before its end"]);
    refused(&["trim", &path(&capture), "--process", "1"], &["no process 1 was recorded"]);
    refused(&["merge", &path(&sums), &path(&capture)], &["ran at the same time", "aggregated"]);
    let again = Finished::of(memprof(["aggregate"]).arg(&capture).arg("-o").arg(&sums));
    again.refuses(1, &["sums.bin exists", "-f"]);
    Finished::of(memprof(["stats", "--from", "1"]).arg(&sums)).refuses(1, &["a range of time needs"]);
}
