//! The JSON of the reports for a terminal: against their schemas in docs/, against each other, and functions and lines
//! against a model that goes through each allocation by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::capture_builder::{CaptureBuilder, file_of};
use crate::family_run::family_run;
use crate::json_schema;
use crate::lists;
use crate::native_run::native_run;
use crate::sample_run::sample_run;
use memprof_channel::allocator::Allocator::Malloc;
use memprof_replay::metric::Metric;
use memprof_reporter::leaks::LeakSettings;
use memprof_reporter::query::Query;
use memprof_reporter::report::{BinsWanted, Report};
use memprof_reporter::rows::Ranking;
use memprof_reporter::suppressions::Suppressions;
use memprof_reporter::view::{View, ViewKind};
use memprof_reporter::{temporary, timeline};
use proptest::prelude::*;
use serde_json::Value;

fn json(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Value {
    let mut out = Vec::new();
    write(&mut out).expect("memory can be written");
    serde_json::from_slice(&out).expect("it is JSON")
}

fn summary_json(report: &Report, view: View, metric: Metric) -> Value {
    json(|out| lists::summary_json(report, view, metric, out))
}

fn lines_json(report: &Report, view: View, metric: Metric) -> Value {
    json(|out| lists::lines_json(report, view, metric, out))
}

fn leaks_json(report: &mut Report, view: View, suppressions: &str) -> Value {
    let suppressed = report.suppress_leaks(&Suppressions::parse(suppressions).expect("they are well formed"));
    let settings = LeakSettings { view, ranking: Ranking::Bytes, suppressed };
    json(|out| lists::leaks_json(report, &settings, out))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The sum of a figure over a list.
fn sum(list: &Value, pointer: &str) -> u64 {
    let rows = list.as_array().expect("a list").iter();
    rows.map(|row| number(row.pointer(pointer).unwrap_or_else(|| panic!("{row} has no {pointer}")))).sum()
}

#[test]
fn reports_follow_their_schemas_and_add_up() {
    let mut cut_off = sample_run();
    cut_off.summary = None;
    for builder in [CaptureBuilder::new(), sample_run(), cut_off, native_run(), family_run()] {
        for kind in [ViewKind::Hybrid, ViewKind::Python, ViewKind::Native] {
            let (mut report, view) = (builder.report(), View::of(kind));
            for metric in Metric::ALL {
                let (summary, lines) = (summary_json(&report, view, metric), lines_json(&report, view, metric));
                json_schema::check("summary.schema.json", &summary);
                json_schema::check("lines.schema.json", &lines);
                for unit in ["bytes", "allocations"] {
                    let own = format!("/own/{}/{unit}", metric.name());
                    assert_eq!(sum(&summary["rows"], &own), number(&summary["total"][unit]));
                    assert_eq!(sum(&lines["files"], &own), number(&lines["total"][unit]));
                }
            }
            let temporary = json(|out| lists::temporary_json(&report, view, temporary::SortBy::Share, out));
            json_schema::check("temporary.schema.json", &temporary);
            assert_eq!(sum(&temporary["places"], "/temporary/bytes"), number(&temporary["total"]["bytes"]));
            for place in temporary["places"].as_array().expect("places") {
                assert_eq!(sum(&place["stacks"], "/allocations"), number(&place["temporary"]["allocations"]));
                assert!(number(&place["temporary"]["allocations"]) <= number(&place["total"]["allocations"]));
            }
            let sizes = report.allocation_sizes(&Query::default()).expect("the capture can be read");
            let histogram = json(|out| lists::histogram_json(&report, &sizes, out));
            json_schema::check("histogram.schema.json", &histogram);
            for unit in ["/bytes", "/allocations"] {
                let allocators = histogram["by_allocator"].as_object().expect("allocators").values();
                let of_allocators: u64 = allocators.map(|allocator| sum(&allocator["sizes"], unit)).sum();
                assert_eq!(of_allocators, number(histogram["total"].pointer(unit).expect("a figure")));
            }
            json_schema::check("timeline.schema.json", &json(|out| timeline::write_json(&report, out)));
            let before = number(&leaks_json(&mut report, view, "")["total"]["bytes"]);
            let leaks = leaks_json(&mut report, view, "leak:primes\nleak:pool.py\nleak:nothing");
            json_schema::check("leaks.schema.json", &leaks);
            let total = number(&leaks["total"]["bytes"]);
            assert_eq!(sum(&leaks["leaks"], "/bytes"), total);
            assert_eq!(total + sum(&leaks["suppressed"], "/bytes"), before);
        }
    }
}

#[test]
fn the_time_line_has_its_peak() {
    let report = sample_run().report();
    let timeline = json(|out| timeline::write_json(&report, out));
    let heap = timeline["heap"].as_array().expect("points");
    let largest = heap.iter().map(|point| number(&point["bytes"])).max();
    assert_eq!(largest, Some(report.total(Metric::Peak).bytes));
    assert_eq!(Some(number(&timeline["peak"]["bytes"])), largest);
    assert!(heap.contains(&timeline["peak"]));
    assert_eq!(timeline["rss"].as_array().map(Vec::len), Some(100));
}

#[test]
fn leaks_know_when_they_were_allocated() {
    let mut builder = CaptureBuilder::new();
    let kept = builder.site(&[("keep", "/srv/a.py", 3)], Malloc);
    let other = builder.site(&[("pass", "/srv/a.py", 9)], Malloc);
    // Of `keep`, the first block and the last one are freed; all live for some hundredths of a second.
    for block in 1..=8 {
        builder.allocate(block << 12, 100, kept).allocate(0x10, 8, other).free(0x10);
    }
    builder.free(1 << 12).free(8 << 12);
    let (_folder, path) = file_of(&builder.to_bytes());
    let open = |bins| Report::open_in_bins(&path, &Query::default(), bins).expect("the capture is sound");
    let leaks = leaks_json(&mut open(BinsWanted::Always), View::default(), "");
    json_schema::check("leaks.schema.json", &leaks);
    assert_eq!(leaks["leaks"].as_array().map(Vec::len), Some(1));
    let leak = &leaks["leaks"][0];
    // The second block came 40 ms after the start, the seventh 190 ms; bins of this run of 2 s last a millisecond.
    let between = ["allocated_from_s", "allocated_to_s"].map(|name| leak[name].as_f64().expect("a number"));
    assert!(between[0] <= 0.04 && between[0] > 0.035, "{leak}");
    assert!(between[1] >= 0.19 && between[1] < 0.195, "{leak}");
    let unknown = leaks_json(&mut open(BinsWanted::Never), View::default(), "");
    assert!(unknown["leaks"][0]["allocated_from_s"].is_null(), "{unknown}");
}

#[test]
fn stacks_begin_with_who_allocated() {
    let leaks = leaks_json(&mut sample_run().report(), View::default(), "");
    let functions: Vec<&str> = leaks["leaks"][0]["frames"]
        .as_array()
        .expect("frames")
        .iter()
        .map(|frame| frame["function"].as_str().expect("a name"))
        .collect();
    assert_eq!(functions, ["uniform", "random_primes_sum", "<module>"]);
    assert_eq!(leaks["leaks"][0]["allocator"], "mmap");
}

const FILES: [&str; 2] = ["/srv/a.py", "/srv/b.py"];
const FUNCTIONS: [&str; 3] = ["f", "g", "h"];

/// File, function and line, by number.
type Frame = (usize, usize, u32);

fn frame() -> impl Strategy<Value = Frame> {
    (0..FILES.len(), 0..FUNCTIONS.len(), 1..4_u32)
}

/// By key: bytes of its own, and with callees.
type Sums<K> = BTreeMap<K, (u64, u64)>;

fn model<K: Ord + Copy>(allocations: &[(Vec<Frame>, u64)], key: impl Fn(&Frame) -> K) -> Sums<K> {
    let mut sums: Sums<K> = BTreeMap::new();
    for (stack, size) in allocations {
        if let Some(last) = stack.last() {
            sums.entry(key(last)).or_default().0 += size;
        }
        let keys: BTreeSet<K> = stack.iter().map(&key).collect();
        keys.into_iter().for_each(|key| sums.entry(key).or_default().1 += size);
    }
    sums
}

fn both(row: &Value) -> (u64, u64) {
    (number(&row["own"]["total"]["bytes"]), number(&row["with_callees"]["total"]["bytes"]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn functions_and_lines_count_each_stack_once(
        allocations in prop::collection::vec((prop::collection::vec(frame(), 0..7), 1..1000_u64), 1..20)
    ) {
        let mut builder = CaptureBuilder::new();
        for (block, (stack, size)) in (1..).zip(&allocations) {
            let frames: Vec<_> =
                stack.iter().map(|&(file, function, line)| (FUNCTIONS[function], FILES[file], line)).collect();
            let site = builder.site(&frames, Malloc);
            builder.allocate(block << 16, *size, site);
        }
        let report = builder.report();
        let summary = summary_json(&report, View::default(), Metric::Total);
        let found: Sums<(&str, &str)> = summary["rows"].as_array().expect("functions").iter()
            .filter(|row| row["kind"] == "python")
            .map(|row| ((row["file"].as_str().expect("a name"), row["function"].as_str().expect("a name")), both(row)))
            .collect();
        prop_assert_eq!(found, model(&allocations, |&(file, function, _)| (FILES[file], FUNCTIONS[function])));
        let lines = lines_json(&report, View::default(), Metric::Total);
        let files = || lines["files"].as_array().expect("files").iter().filter(|file| file["file"] != "<no Python stack>");
        let found: Sums<&str> = files().map(|file| (file["file"].as_str().expect("a name"), both(file))).collect();
        prop_assert_eq!(found, model(&allocations, |&(file, ..)| FILES[file]));
        let found: Sums<(&str, u64)> = files()
            .flat_map(|file| {
                let name = file["file"].as_str().expect("a name");
                file["lines"].as_array().expect("lines").iter().map(move |row| ((name, number(&row["line"])), both(row)))
            })
            .collect();
        prop_assert_eq!(found, model(&allocations, |&(file, _, line)| (FILES[file], u64::from(line))));
    }
}
