//! Captures of older versions of the format stay readable.

use std::io;
use std::path::PathBuf;

use memprof_replay::metric::Metric;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::report::Report;
use memprof_reporter::view::{View, ViewKind};
use memprof_reporter::{stats, table};
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

/// Recorded by the memprof that wrote version 1, before native frames, from a script that makes three arrays of 70,000
/// bytes on its line 2.
#[test]
fn version_1() {
    let report = open("version-1.bin");
    for kind in [ViewKind::Hybrid, ViewKind::Python] {
        let table = json(|out| table::write_json(&PlaceLists::of(&report, View::of(kind)), Metric::Peak, out));
        let found = table["rows"].as_array().expect("rows").iter().find(|row| row["function"] == "<listcomp>");
        let row = found.expect("the script's line has a row");
        assert_eq!((row["line"].as_u64(), row["bytes"].as_u64()), (Some(2), Some(3 * 70_001)), "{row}");
        assert_eq!((row["kind"].as_str(), row["file"].as_str()), (Some("python"), Some("/tmp/small_v1.py")));
    }
}

/// Recorded by the last memprof that wrote version 3, a chunk for each thread and addresses in it: two threads that each
/// keep fifty blocks of 70,001 bytes from line 5, every other one of which is dropped at the end. The figures are those of
/// that memprof's reports.
#[test]
fn version_3() {
    let report = open("version-3.bin");
    let stats = json(|out| stats::write_json(&PlaceLists::of(&report, View::default()), Metric::Peak, 10, out));
    let totals = stats["totals"].as_object().expect("an object");
    for (name, number) in [
        ("allocations", 1743),
        ("frees", 1710),
        ("bytes_allocated", 11_987_422),
        ("peak_bytes", 10_147_577),
        ("peak_allocations", 582),
        ("leaked_bytes", 2_510_824),
        ("leaked_allocations", 33),
        ("unknown_frees", 0),
    ] {
        assert_eq!(totals[name].as_u64(), Some(number), "{name}");
    }
    assert_eq!(totals["peak_at_s"].as_f64(), Some(0.032_512_506));
    let table = json(|out| table::write_json(&PlaceLists::of(&report, View::default()), Metric::Total, out));
    let rows = table["rows"].as_array().expect("rows").iter().filter(|row| row["line"] == 5);
    let mut found: Vec<(&str, &str, &str, u64)> = rows
        .map(|row| {
            let text = |name: &str| row[name].as_str().expect("a text");
            let thread = text("thread").split(' ').next().expect("a name");
            (text("function"), thread, text("allocator"), row["allocations"].as_u64().expect("a number"))
        })
        .collect();
    found.sort_unstable();
    let blocks = [("work", "Thread-1", "malloc", 50), ("work", "Thread-2", "malloc", 51)];
    let list = ("work", "Thread-2", "realloc", 2);
    assert_eq!(found, [blocks[0], blocks[1], list]);
}
