//! Captures of older versions of the format stay readable.

use std::io;
use std::path::PathBuf;

use crate::lists;
use memprof_replay::metric::Metric;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::report::Report;
use memprof_reporter::stats;
use memprof_reporter::view::{View, ViewKind};
use serde_json::Value;

fn open(name: &str) -> Report {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name);
    let report = Report::open(&path).expect("a capture");
    assert!(report.notes().is_empty(), "{:?}", report.notes());
    report
}

fn json(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Value {
    let mut out = Vec::new();
    write(&mut out).expect("memory can be written");
    serde_json::from_slice(&out).expect("JSON")
}

#[track_caller]
fn assert_totals(stats: &Value, expected: &[(&str, u64)]) {
    let totals = stats["totals"].as_object().expect("an object");
    for &(name, number) in expected {
        assert_eq!(totals[name].as_u64(), Some(number), "{name}");
    }
}

/// The rows of these lines of Python: function, thread's name, allocator, allocations.
fn rows_of_lines<'a>(table: &'a Value, lines: &[u64]) -> Vec<(&'a str, &'a str, &'a str, u64)> {
    let rows = table["rows"].as_array().expect("rows").iter();
    let rows = rows.filter(|row| row["line"].as_u64().is_some_and(|line| lines.contains(&line)));
    let mut found: Vec<_> = rows
        .map(|row| {
            let text = |name: &str| row[name].as_str().expect("a text");
            let thread = text("thread").split(' ').next().expect("a name");
            (text("function"), thread, text("allocator"), row["allocations"].as_u64().expect("a number"))
        })
        .collect();
    found.sort_unstable();
    found
}

/// Recorded by the memprof that wrote version 1, before native frames, from a script that makes three arrays of 70,000
/// bytes on its line 2.
#[test]
fn version_1() {
    let report = open("version-1.bin");
    for kind in [ViewKind::Hybrid, ViewKind::Python] {
        let table = json(|out| lists::table_json(&PlaceLists::of(&report, View::of(kind)), Metric::Peak, out));
        let found = table["rows"].as_array().expect("rows").iter().find(|row| row["function"] == "<listcomp>");
        let row = found.expect("the script's line has a row");
        assert_eq!((row["line"].as_u64(), row["bytes"].as_u64()), (Some(2), Some(3 * 70_001)), "{row}");
        assert_eq!((row["kind"].as_str(), row["file"].as_str()), (Some("python"), Some("/tmp/small_v1.py")));
    }
}

/// Recorded by the last memprof that wrote version 3, a chunk for each thread and addresses in it: two threads that
/// each keep fifty blocks of 70,001 bytes from line 5, every other one of which is dropped at the end. The figures are
/// those of that memprof's reports.
#[test]
fn version_3() {
    let report = open("version-3.bin");
    let stats = json(|out| stats::write_json(&PlaceLists::of(&report, View::default()), Metric::Peak, 10, out));
    assert_totals(
        &stats,
        &[
            ("allocations", 1743),
            ("frees", 1710),
            ("bytes_allocated", 11_987_422),
            ("peak_bytes", 10_147_577),
            ("peak_allocations", 582),
            ("leaked_bytes", 2_510_824),
            ("leaked_allocations", 33),
            ("unknown_frees", 0),
        ],
    );
    assert_eq!(stats["totals"]["peak_at_s"].as_f64(), Some(0.032_512_506));
    let table = json(|out| lists::table_json(&PlaceLists::of(&report, View::default()), Metric::Total, out));
    let blocks = [("work", "Thread-1", "malloc", 50), ("work", "Thread-2", "malloc", 51)];
    let list = ("work", "Thread-2", "realloc", 2);
    assert_eq!(rows_of_lines(&table, &[5]), [blocks[0], blocks[1], list]);
}

/// Recorded by the last memprof that wrote version 8, with whole rows of stacks and sites: two threads that each make
/// fifty blocks of 70,000 bytes and more in line 5, anonymous memory that is shared (line 6), and a mapped file. The
/// figures are those of that memprof's reports.
#[test]
fn version_8() {
    let report = open("version-8.bin");
    let stats = json(|out| stats::write_json(&PlaceLists::of(&report, View::default()), Metric::Peak, 10, out));
    assert_totals(
        &stats,
        &[
            ("allocations", 1544),
            ("frees", 1504),
            ("bytes_allocated", 12_528_041),
            ("peak_bytes", 11_183_906),
            ("peak_allocations", 584),
            ("leaked_bytes", 2_515_071),
            ("leaked_allocations", 40),
            ("temporary_allocations", 604),
            ("unknown_frees", 0),
        ],
    );
    let mapped = &stats["shared_mappings"][0];
    assert_eq!((mapped["kind"].as_str(), mapped["bytes"].as_u64()), (Some("file"), Some(386)), "{mapped}");
    let table = json(|out| lists::table_json(&PlaceLists::of(&report, View::default()), Metric::Total, out));
    let expected = [
        ("<module>", "python3", "mmap", 1),
        ("work", "Thread-1", "calloc", 50),
        ("work", "Thread-2", "calloc", 50),
        ("work", "Thread-2", "malloc", 1),
        ("work", "Thread-2", "realloc", 2),
    ];
    let of_script = rows_of_lines(&table, &[5, 6]).into_iter().filter(|row| row.1 != "python3" || row.2 == "mmap");
    assert_eq!(of_script.collect::<Vec<_>>(), expected);
}
