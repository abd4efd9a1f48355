//! Captures of older versions of the format stay readable.

use std::path::PathBuf;

use memprof_reporter::metric::Metric;
use memprof_reporter::report::Report;
use memprof_reporter::table;
use memprof_reporter::view::{View, ViewKind};
use serde_json::Value;

/// Recorded by the memprof that wrote version 1, before native frames, from a script that makes three arrays of 70,000
/// bytes on its line 2.
#[test]
fn version_1() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures/version-1.bin");
    let report = Report::open(&path).expect("a capture");
    assert!(report.notes().is_empty(), "{:?}", report.notes());
    for kind in [ViewKind::Hybrid, ViewKind::Python] {
        let mut out = Vec::new();
        table::write_json(&report, View::of(kind), Metric::Peak, &mut out).expect("memory can be written");
        let table: Value = serde_json::from_slice(&out).expect("JSON");
        let found = table["rows"].as_array().expect("rows").iter().find(|row| row["function"] == "<listcomp>");
        let row = found.expect("the script's line has a row");
        assert_eq!((row["line"].as_u64(), row["bytes"].as_u64()), (Some(2), Some(3 * 70_001)), "{row}");
        assert_eq!((row["kind"].as_str(), row["file"].as_str()), (Some("python"), Some("/tmp/small_v1.py")));
    }
}
