//! Exports that are sums, read by other readers than memprof's, against the report that they are made of.

use std::collections::BTreeMap;

use crate::capture_builder::CaptureBuilder;
use crate::family_run::family_run;
use crate::json_schema;
use crate::native_run::{ALLOCATE, GEO, INSERT, PUSH_BACK, PYTHON, native_run};
use crate::pprof_profile;
use crate::pprof_profile::Profile;
use crate::sample_run::sample_run;
use memprof_replay::metric::Metric;
use memprof_reporter::export::{FORMATS, Format, write};
use memprof_reporter::report::Report;
use memprof_reporter::view::{View, ViewKind};
use serde_json::Value;

const NATIVE: View = View::of(ViewKind::Native);
const PYTHON_ONLY: View = View::of(ViewKind::Python);
const WITH_RUNTIME: View = View { show_runtime: true, ..View::of(ViewKind::Hybrid) };

fn runs() -> [CaptureBuilder; 4] {
    [CaptureBuilder::new(), sample_run(), native_run(), family_run()]
}

/// The format of this name.
pub fn named(name: &str) -> &'static Format {
    Format::named(name).expect("there is a format of this name")
}

#[test]
fn the_docs_list_the_formats_in_the_order_of_the_help() {
    let docs = include_str!("../../../docs/export.md");
    let listed: Vec<_> = docs.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).collect();
    assert_eq!(listed.iter().map(|(name, _)| *name).collect::<Vec<_>>(), FORMATS.map(|format| format.name));
}

fn bytes(report: &mut Report, format: &Format, view: View, metric: Metric) -> Vec<u8> {
    let mut out = Vec::new();
    write(report, format, view, metric, &mut out).expect("memory can be written");
    out
}

fn text(report: &mut Report, format: &Format, view: View, metric: Metric) -> String {
    String::from_utf8(bytes(report, format, view, metric)).expect("it is text")
}

fn json(report: &mut Report, format: &Format, view: View, metric: Metric) -> Value {
    serde_json::from_slice(&bytes(report, format, view, metric)).expect("it is JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// Calls `check` with every run in every view.
fn in_every_view(check: impl Fn(&mut Report, View)) {
    for builder in runs() {
        for view in [View::default(), PYTHON_ONLY, NATIVE, WITH_RUNTIME] {
            check(&mut builder.report(), view);
        }
    }
}

#[test]
fn json_follows_its_schema_and_adds_up() {
    in_every_view(|report, view| {
        let export = json(report, named("json"), view, Metric::Peak);
        json_schema::check("export.schema.json", &export);
        let (frames, stacks) = (list(&export["frames"]).len() as u64, list(&export["stacks"]));
        for (stack, index) in stacks.iter().zip(0..) {
            assert!(number(&stack["frame"]) < frames);
            assert!(stack["caller"].is_null() || number(&stack["caller"]) < index, "callers come first");
        }
        for metric in Metric::ALL {
            let mut total = [0, 0];
            for sample in list(&export["samples"]) {
                assert!(number(&sample["stack"]) < stacks.len() as u64);
                let amount = &sample[metric.name()];
                total = [total[0] + number(&amount["bytes"]), total[1] + number(&amount["allocations"])];
            }
            let expected = report.total(metric);
            assert_eq!(total, [expected.bytes, expected.allocations], "{metric:?}");
            assert_eq!(number(&export["totals"][metric.name()]["bytes"]), expected.bytes);
        }
    });
}

#[test]
fn collapsed_stacks_add_up_and_have_no_separators_within_names() {
    in_every_view(|report, view| {
        for metric in Metric::ALL {
            let text = text(report, named("collapsed"), view, metric);
            let total: u64 = text
                .lines()
                .map(|line| line.rsplit_once(' ').expect("a value").1.parse::<u64>().expect("a number"))
                .sum();
            assert_eq!(total, report.total(metric).bytes);
        }
    });
    let mut builder = CaptureBuilder::new();
    let site =
        builder.site(&[("a;b\nc", "d.py", 3), ("leaf", "d.py", 4)], memprof_channel::allocator::Allocator::Malloc);
    builder.allocate(0x10, 7, site);
    let collapsed = text(&mut builder.report(), named("collapsed"), View::default(), Metric::Total);
    assert_eq!(collapsed, "a:b c (d.py:3);leaf (d.py:4) 7\n");
}

/// The stacks of an evented profile of speedscope's with what went by while they were open, the outermost frame first.
fn walked(profile: &Value) -> BTreeMap<Vec<u64>, u64> {
    assert_eq!(profile["type"], "evented");
    let (mut open, mut at, mut stacks) = (Vec::new(), 0, BTreeMap::new());
    for event in list(&profile["events"]) {
        let (frame, now) = (number(&event["frame"]), number(&event["at"]));
        assert!(now >= at, "time goes on");
        if now > at {
            *stacks.entry(open.clone()).or_default() += now - at;
            at = now;
        }
        match event["type"].as_str() {
            Some("O") => open.push(frame),
            Some("C") => assert_eq!(open.pop(), Some(frame), "what was opened last is closed first"),
            other => panic!("{other:?}"),
        }
    }
    assert!(open.is_empty());
    stacks
}

#[test]
fn speedscope_has_a_profile_of_bytes_and_one_of_allocations() {
    in_every_view(|report, view| {
        for metric in Metric::ALL {
            let file = json(report, named("speedscope"), view, metric);
            let frames = list(&file["shared"]["frames"]);
            assert!(frames.iter().all(|frame| frame["name"].is_string() && frame["line"].as_u64() != Some(0)));
            let expected = report.total(metric);
            for (profile, total) in list(&file["profiles"]).iter().zip([expected.bytes, expected.allocations]) {
                assert_eq!((number(&profile["startValue"]), number(&profile["endValue"])), (0, total));
                let stacks = walked(profile);
                assert_eq!(stacks.values().sum::<u64>(), total);
                assert!(stacks.keys().flatten().all(|&frame| frame < frames.len() as u64));
                assert!(stacks.keys().all(|stack| !stack.is_empty()));
            }
        }
    });
    // The same stacks with the same bytes as where they are spelled out.
    let file = json(&mut sample_run().report(), named("speedscope"), View::default(), Metric::Peak);
    let name = |frame: &u64| {
        let frame = &file["shared"]["frames"][*frame as usize];
        let (name, file) = (frame["name"].as_str().expect("a name"), frame["file"].as_str());
        file.map_or(name.to_owned(), |file| format!("{name} ({file}:{})", frame["line"]))
    };
    let walked = walked(&file["profiles"][0]);
    let lines: Vec<String> = walked
        .iter()
        .map(|(stack, bytes)| format!("{} {bytes}", stack.iter().map(name).collect::<Vec<_>>().join(";")))
        .collect();
    let collapsed = text(&mut sample_run().report(), named("collapsed"), View::default(), Metric::Peak);
    let mut expected: Vec<&str> = collapsed.lines().collect();
    expected.sort_unstable();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.sort_unstable();
    assert_eq!(lines, expected);
}

#[test]
fn csv_has_memrays_columns() {
    in_every_view(|report, view| {
        for metric in Metric::ALL {
            let text = text(report, named("csv"), view, metric);
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let columns = "allocator,num_allocations,size,tid,thread_name,stack_trace,pid";
            assert_eq!(reader.headers().expect("there are columns").iter().collect::<Vec<_>>().join(","), columns);
            let mut total = [0, 0];
            for row in reader.records() {
                let row = row.expect("rows are alike");
                let number = |index: usize| row[index].parse::<u64>().expect("a number");
                total = [total[0] + number(2), total[1] + number(1)];
                assert!(number(3) > 0 && number(6) > 0);
                assert!(row[5].split('|').all(|frame| frame.matches(';').count() >= 2), "{}", &row[5]);
            }
            let expected = report.total(metric);
            assert_eq!(total, [expected.bytes, expected.allocations]);
        }
    });
    let csv = text(&mut sample_run().report(), named("csv"), View::default(), Metric::Peak);
    let largest = csv.lines().nth(1).expect("a row");
    assert!(largest.starts_with("MMAP,6,6291456,4711,python3,uniform;/usr/lib/python3.11/random.py;522|"), "{largest}");
    assert!(largest.ends_with(",4711"), "{largest}");
}

#[test]
fn gprof2dot_has_functions_and_two_costs() {
    in_every_view(|report, view| {
        for metric in Metric::ALL {
            let file = json(report, named("gprof2dot"), view, metric);
            let functions = list(&file["functions"]).len() as u64;
            let mut total = [0, 0];
            for event in list(&file["events"]) {
                assert!(list(&event["callchain"]).iter().all(|function| number(function) < functions));
                total = [total[0] + number(&event["cost"][0]), total[1] + number(&event["cost"][1])];
            }
            let expected = report.total(metric);
            assert_eq!(total, [expected.bytes, expected.allocations]);
            assert_eq!((number(&file["version"]), list(&file["costs"]).len()), (0, 2));
        }
    });
    // The innermost function comes first, and lines of one function are one.
    let file = json(&mut sample_run().report(), named("gprof2dot"), View::default(), Metric::Total);
    let name = |index: &Value| file["functions"][number(index) as usize]["name"].as_str().expect("a name");
    let chains: Vec<Vec<&str>> =
        list(&file["events"]).iter().map(|event| list(&event["callchain"]).iter().map(name).collect()).collect();
    assert!(chains.contains(&vec!["uniform", "random_primes_sum", "<module>"]), "{chains:?}");
    let modules = list(&file["functions"]).iter().filter(|function| function["name"] == "<module>").count();
    assert_eq!(modules, 1);
}

#[test]
fn pprof_has_all_metrics() {
    in_every_view(|report, view| {
        for metric in Metric::ALL {
            let profile = Profile::of(&bytes(report, named("pprof"), view, metric));
            for (name, metric) in [
                ("alloc", Metric::Total),
                ("inuse", Metric::Peak),
                ("leaked", Metric::Leaks),
                ("temporary", Metric::Temporary),
            ] {
                let expected = report.total(metric);
                assert_eq!(profile.sum(&format!("{name}_space")), expected.bytes);
                assert_eq!(profile.sum(&format!("{name}_objects")), expected.allocations);
            }
            let shown = ["inuse_space", "leaked_space", "alloc_space", "temporary_space"][metric as usize];
            assert_eq!(profile.text(profile.default_sample_type), shown);
            let units: Vec<&str> = profile.sample_type.iter().map(|kind| profile.text(kind.unit)).collect();
            assert_eq!(units, ["count", "bytes"].repeat(4));
        }
    });
}

#[test]
fn pprof_says_when_and_what_it_is_of() {
    let profile = Profile::of(&bytes(&mut sample_run().report(), named("pprof"), View::default(), Metric::Peak));
    assert_eq!((profile.time_nanos, profile.duration_nanos), (1_795_412_412_123_456_789, 2_000_000_000));
    assert_eq!(profile.text(profile.comment[0]), "python3 examples/random_primes_sum.py 1000");
    assert_eq!((profile.period, profile.text(profile.period_type.as_ref().expect("a type").kind)), (1, "space"));
    assert!(profile.mapping.is_empty());
    // pprof would shorten names that have one for the linker, too: <module> to nothing.
    assert!(profile.function.iter().all(|function| function.system_name == 0));
    let sample = profile.sample.iter().max_by_key(|sample| sample.value[3]).expect("there are samples");
    assert_eq!(profile.stack(sample), [("<module>", 31), ("random_primes_sum", 12), ("uniform", 522)]);
    let labels = ["allocator", "process", "thread"].map(|key| profile.label(sample, key));
    assert_eq!(labels, ["mmap", "4711", "python3 (4711)"]);
}

#[test]
fn pprof_has_inlined_functions_addresses_and_modules() {
    let profile = Profile::of(&bytes(&mut native_run().report(), named("pprof"), View::default(), Metric::Total));
    let path = |mapping: &pprof_profile::Mapping| profile.text(mapping.filename).to_owned();
    assert_eq!(path(&profile.mapping[0]), PYTHON, "the first one is what the profile is of");
    let geo = profile.mapping.iter().find(|mapping| path(mapping) == GEO).expect("the module is there");
    assert_eq!(profile.text(geo.build_id), "010203");
    let name =
        |line: &pprof_profile::Line| profile.text(profile.function[line.function_id as usize - 1].name).to_owned();
    let names = |location: &pprof_profile::Location| location.line.iter().map(name).collect::<Vec<_>>();
    let location =
        profile.location.iter().find(|location| names(location).contains(&INSERT.to_owned())).expect("it is there");
    assert_eq!(names(location), [ALLOCATE, PUSH_BACK, INSERT], "the innermost one first");
    assert_eq!((location.mapping_id, location.address), (geo.id, geo.memory_start + 0x4000 - 1), "within the call");
    assert!(geo.has_functions && (geo.memory_start..geo.memory_limit).contains(&location.address));
}

#[test]
fn pprof_distinguishes_processes() {
    let profile = Profile::of(&bytes(&mut family_run().report(), named("pprof"), View::default(), Metric::Total));
    let mut by_process: BTreeMap<&str, i64> = BTreeMap::new();
    for sample in &profile.sample {
        *by_process.entry(profile.label(sample, "process")).or_default() += sample.value[1];
    }
    let mib = 1 << 20;
    let expected = [("4711", 4 * mib), ("4720", 4 * mib), ("4721", 4 * mib + mib / 2), ("4730", mib / 4)];
    assert_eq!(by_process.into_iter().collect::<Vec<_>>(), expected);
}
