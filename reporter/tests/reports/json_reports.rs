//! JSON reports against their schemas in docs/, and against the run that they are about.

use crate::capture_builder::{CaptureBuilder, SECOND};
use crate::family_run::{GZIP, family_run};
use crate::json_schema;
use crate::lists;
use crate::native_run::{PYTHON, ZLIB, native_run};
use crate::sample_run::sample_run;
use memprof_replay::metric::Metric;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::report::Report;
use memprof_reporter::rows::Ranking;
use memprof_reporter::tree::{Folding, Limits, Patterns, TreeOptions};
use memprof_reporter::view::View;
use memprof_reporter::{stats, tree};
use serde_json::{Value, json};

const METRICS: [Metric; 3] = [Metric::Peak, Metric::Leaks, Metric::Total];

fn stats_json(report: &Report, metric: Metric) -> Value {
    let mut out = Vec::new();
    stats::write_json(&PlaceLists::of(report, View::default()), metric, 10, &mut out).expect("memory can be written");
    serde_json::from_slice(&out).expect("it is JSON")
}

fn table_json(report: &Report, metric: Metric) -> Value {
    let mut out = Vec::new();
    lists::table_json(&PlaceLists::of(report, View::default()), metric, &mut out).expect("memory can be written");
    serde_json::from_slice(&out).expect("it is JSON")
}

fn tree_json(report: &mut Report, metric: Metric, limits: Limits) -> Value {
    let folding = Folding::Libraries(Patterns::default());
    let options =
        TreeOptions { view: View::default(), metric, ranking: Ranking::Bytes, inverted: false, folding, biggest: None };
    let mut out = Vec::new();
    tree::write_json(report, &options, limits, &mut out).expect("memory can be written");
    serde_json::from_slice(&out).expect("it is JSON")
}

#[test]
fn reports_follow_their_schemas() {
    let mut cut_off = sample_run();
    cut_off.summary = None;
    for builder in [CaptureBuilder::new(), sample_run(), cut_off, native_run(), family_run()] {
        let mut report = builder.report();
        for metric in METRICS {
            json_schema::check("stats.schema.json", &stats_json(&report, metric));
            json_schema::check("table.schema.json", &table_json(&report, metric));
            for limits in [Limits::NONE, Limits { calls: 2, ..Limits::NONE }] {
                json_schema::check("tree.schema.json", &tree_json(&mut report, metric, limits));
            }
        }
    }
}

#[test]
fn a_schema_refuses_what_it_should() {
    let mut table = table_json(&sample_run().report(), Metric::Peak);
    table["rows"][0]["bytes"] = json!("many");
    assert!(std::panic::catch_unwind(|| json_schema::check("table.schema.json", &table)).is_err());
}

#[test]
fn metadata_is_what_the_capture_says() {
    let mut builder = sample_run();
    builder.header.command_line = ["python3", "-c", "print(1)"].map(str::to_owned).to_vec();
    let metadata = &stats_json(&builder.report(), Metric::Peak)["metadata"];
    assert_eq!(
        *metadata,
        json!({
            "command_line": "python3 -c 'print(1)'", "pid": 4711, "start_time": "2026-11-23T05:40:12.123Z",
            "duration_s": 2.0, "python_version": "3.11.7", "python_allocator": "pymalloc", "native_stacks": false,
            "python_allocators_traced": false, "complete": true, "memprof_version": "0.1.0", "selection": "",
        })
    );
}

#[test]
fn native_stacks_are_described() {
    let native = &stats_json(&native_run().report(), Metric::Peak)["native_stacks"];
    let modules = native["modules"].as_array().expect("modules");
    let module = |path: &str| modules.iter().find(|module| module["path"] == path).expect("it has frames");
    assert_eq!(
        (&native["recorded"], &native["cut_short"], &native["unmerged"], &native["checked"], &native["differing"]),
        (&json!(true), &json!(3), &json!(0), &json!(5000), &json!(0)),
        "the last fact counts"
    );
    assert_eq!(*module(ZLIB), json!({"path": ZLIB, "frames": 1, "named": 0, "source": "other_build"}));
    assert_eq!(*module(PYTHON), json!({"path": PYTHON, "frames": 8, "named": 8, "source": "symbol_table"}));
    let none = stats_json(&sample_run().report(), Metric::Peak);
    let unknown = json!({"recorded": false, "cut_short": null, "unmerged": null, "checked": null, "differing": null, "modules": []});
    assert_eq!(none["native_stacks"], unknown);
    assert_eq!((&none["view"], &none["show_runtime"]), (&json!("hybrid"), &json!(false)));
    assert_eq!(none["top_by_peak_bytes"][0]["kind"], "python");
}

#[test]
fn processes_are_described() {
    let report = family_run().report();
    let (stats, table) = (stats_json(&report, Metric::Peak), table_json(&report, Metric::Leaks));
    let processes = stats["processes"].as_array().expect("processes");
    assert_eq!(
        processes[3],
        json!({
            "pid": GZIP, "parent": 4711, "began": "exec", "command_line": "gzip -9 tracks.json",
            "started_s": 0.5, "ended_s": 0.9, "allocations": 1, "frees": 0, "bytes_allocated": 262_144,
            "own_peak_bytes": 262_144, "own_peak_allocations": 1, "own_peak_at_s": 0.6, "peak_bytes": 0,
            "peak_allocations": 0, "leaked_bytes": 262_144, "leaked_allocations": 1, "temporary_bytes": 0,
            "temporary_allocations": 0, "dropped_by_exec": 0, "unknown_frees": 0, "inherited_frees": 0, "peak_rss_bytes": null,
        })
    );
    let began: Vec<_> = processes.iter().map(|process| process["began"].as_str().expect("a text")).collect();
    assert_eq!(began, ["start", "fork", "fork", "exec"]);
    assert_eq!(processes[2]["command_line"], "python3 -m http.server --directory /srv/tracks/2026", "what it ran last");
    for field in ["allocations", "frees", "peak_bytes", "leaked_bytes", "dropped_by_exec", "unknown_frees"] {
        let sum: u64 = processes.iter().map(|process| process[field].as_u64().expect("a number")).sum();
        assert_eq!(Some(sum), stats["totals"][field].as_u64(), "{field}");
    }
    // 22 MiB of the first, 12 of the second and 9 of the third at one time; the kernel has counted 50 for the first.
    assert_eq!(stats["totals"]["peak_rss_bytes"], 50 << 20);
    assert_eq!(processes[1]["peak_rss_bytes"], 12 << 20);
    let of_rows: Vec<_> = table["rows"].as_array().expect("rows").iter().map(|row| row["process"].as_u64()).collect();
    assert_eq!(of_rows, [Some(4720), Some(4721), Some(4730)]);
    assert_eq!(stats_json(&sample_run().report(), Metric::Peak)["processes"].as_array().map(Vec::len), Some(1));
}

#[test]
fn figures_agree_with_each_other() {
    let report = sample_run().report();
    for metric in METRICS {
        let (stats, table) = (stats_json(&report, metric), table_json(&report, metric));
        let sum = |rows: &Value, field: &str| -> u64 {
            rows.as_array().expect("rows").iter().map(|row| row[field].as_u64().expect("a number")).sum()
        };
        for field in ["bytes", "allocations"] {
            assert_eq!(Some(sum(&table["rows"], field)), table["total"][field].as_u64());
        }
        let name = match metric {
            Metric::Peak => "peak_bytes",
            Metric::Leaks => "leaked_bytes",
            Metric::Total => "bytes_allocated",
            Metric::Temporary => "temporary_bytes",
        };
        assert_eq!(stats["totals"][name], table["total"]["bytes"]);
        let allocators = stats["by_allocator"].as_object().expect("an object").values();
        let of_allocators: u64 = allocators.map(|allocator| allocator["allocations"].as_u64().expect("a number")).sum();
        assert_eq!(Some(of_allocators), stats["totals"]["allocations"].as_u64());
        assert_eq!(sum(&stats["size_histogram"], "allocations"), of_allocators);
        assert_eq!(Some(sum(&stats["size_histogram"], "bytes")), stats["totals"]["bytes_allocated"].as_u64());
    }
    let stats = stats_json(&report, Metric::Peak);
    assert_eq!(stats["totals"]["peak_at_s"], json!(0.500000016));
    assert_eq!(stats["top_by_peak_bytes"][0]["function"], "uniform");
    assert_eq!(stats["top_by_allocations"][0]["function"], "is_prime");
    assert_eq!(stats["totals"]["peak_rss_bytes"], 50 << 20);
    assert_eq!(SECOND, 125_000_000);
}
