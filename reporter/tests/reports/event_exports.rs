//! Exports that have every event or follow allocations to their end.

use std::collections::{BTreeMap, BTreeSet};

use crate::capture_builder::{CaptureBuilder, file_of};
use crate::exports::named;
use crate::family_run::{CHANGED, GZIP, MAIN, WORKER, family_run};
use crate::native_run::native_run;
use crate::sample_run::sample_run;
use fxprof_processed_profile as fxprof;
use memprof_channel::allocator::Allocator::{Malloc, Mmap};
use memprof_replay::metric::Metric;
use memprof_reporter::export::{Format, write};
use memprof_reporter::report::Report;
use memprof_reporter::view::View;
use serde_json::{Value, json};

fn export(report: &mut Report, format: &Format) -> Vec<u8> {
    let mut out = Vec::new();
    write(report, format, View::default(), Metric::Peak, &mut out).expect("memory can be written");
    out
}

fn as_json(report: &mut Report, format: &Format) -> Value {
    serde_json::from_slice(&export(report, format)).expect("it is JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

fn signed(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// Runs of one process.
fn runs() -> [Report; 4] {
    let of_family = family_run().report_of(&[MAIN]).expect("the process is there");
    [CaptureBuilder::new().report(), sample_run().report(), native_run().report(), of_family]
}

/// One site whose blocks come and go, another one that maps.
fn lifetimes_run() -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    let heap = builder.site(&[("main", "a.py", 3), ("work", "a.py", 7)], Malloc);
    let map = builder.site(&[("main", "a.py", 4)], Mmap);
    // An event every 10 ms, from 10 ms on.
    builder.allocate(0x10, 100, heap).allocate(0x20, 50, heap).free(0x10).allocate(0x10, 60, heap);
    builder.resize(0x10, 80, heap);
    builder.map(1 << 30, 3 * 4096, map).unmap((1 << 30) + 4096, 4096).free(0x20);
    builder
}

#[test]
fn dhat_has_lifetimes_and_the_largest_size_of_each_point() {
    let profile = as_json(&mut lifetimes_run().report(), named("dhat"));
    // The end is after 2 s. Lifetimes of the first: 20 ms; of the second 60; the third 10; the resized one up to the
    // end.
    let heap = 20_000 + 60_000 + 10_000 + (2_000_000 - 50_000);
    assert_eq!(
        profile["pps"],
        json!([
            { "tb": 290, "tbk": 4, "tl": heap, "mb": 150, "mbk": 2, "gb": 130, "gbk": 2, "eb": 80, "ebk": 1,
              "fs": [2, 1] },
            { "tb": 3 * 4096, "tbk": 1, "tl": 2_000_000 - 60_000, "mb": 3 * 4096, "mbk": 1, "gb": 3 * 4096, "gbk": 1,
              "eb": 2 * 4096, "ebk": 1, "fs": [3] },
        ])
    );
    assert_eq!(profile["ftbl"], json!(["[root]", "0x0: main (a.py:3)", "0x0: work (a.py:7)", "0x0: main (a.py:4)"]));
    assert_eq!((&profile["tg"], &profile["te"]), (&json!(60_000), &json!(2_000_000)));
    assert_eq!(
        (&profile["dhatFileVersion"], &profile["bklt"], &profile["bkacc"]),
        (&json!(2), &json!(true), &json!(false))
    );
}

#[test]
fn dhats_points_add_up() {
    for mut report in runs() {
        let profile = as_json(&mut report, named("dhat"));
        let sum = |field: &str| {
            list(&profile["pps"]).iter().map(|point| point[field].as_u64().expect("a number")).sum::<u64>()
        };
        for (metric, bytes, blocks) in
            [(Metric::Total, "tb", "tbk"), (Metric::Peak, "gb", "gbk"), (Metric::Leaks, "eb", "ebk")]
        {
            let expected = report.total(metric);
            assert_eq!((sum(bytes), sum(blocks)), (expected.bytes, expected.allocations));
        }
        for point in list(&profile["pps"]) {
            let [most, peak, end] = ["mb", "gb", "eb"].map(|field| point[field].as_u64().expect("a number"));
            assert!(most >= peak && most >= end, "{point}");
        }
    }
}

/// The names of all fields, as far as there are objects.
fn fields(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        fields(value, &at, found);
        found.insert(at);
    }
    if let Some(first) = value.as_array().and_then(|list| list.first()) {
        fields(first, &format!("{at}[]"), found);
    }
}

/// A profile of one allocation by the crate that others write such profiles with.
fn profile_by_fxprof() -> Value {
    let start = fxprof::ReferenceTimestamp::from_millis_since_unix_epoch(0.0);
    let zero = fxprof::Timestamp::from_millis_since_reference(0.0);
    let interval = fxprof::SamplingInterval::from_millis(1);
    let mut profile = fxprof::Profile::new("it", start, interval);
    let process = profile.add_process("it", 1, zero);
    let thread = profile.add_thread(process, 1, zero, true);
    profile.add_initial_visible_thread(thread);
    profile.add_initial_selected_thread(thread);
    let name = profile.intern_string("function");
    let category = fxprof::CategoryHandle::OTHER.into();
    let frame = fxprof::FrameInfo {
        frame: fxprof::Frame::Label(name),
        category_pair: category,
        flags: fxprof::FrameFlags::empty(),
    };
    let stack = profile.intern_stack_frames(thread, [frame].into_iter());
    profile.add_allocation_sample(thread, zero, stack, 16, 32);
    let counter = profile.add_counter(process, "malloc", "Memory", "");
    profile.add_counter_sample(counter, zero, 1.0, 1);
    serde_json::to_value(&profile).expect("it can be serialised")
}

#[test]
fn firefox_profiles_have_all_fields_that_others_have() {
    let ours = as_json(&mut native_run().report(), named("firefox"));
    let (mut expected, mut found) = (BTreeSet::new(), BTreeSet::new());
    fields(&profile_by_fxprof(), "", &mut expected);
    fields(&ours, "", &mut found);
    let missing: Vec<&String> = expected.difference(&found).collect();
    assert!(missing.is_empty() && expected.len() > 60, "{missing:?} of {}", expected.len());
    assert_eq!(ours["meta"]["preprocessedProfileVersion"], profile_by_fxprof()["meta"]["preprocessedProfileVersion"]);
}

#[test]
fn firefox_tables_agree_with_each_other() {
    for mut report in runs() {
        let profile = as_json(&mut report, named("firefox"));
        let thread = &profile["threads"][0];
        for name in ["nativeAllocations", "stackTable", "frameTable", "funcTable", "samples", "markers"] {
            let table = thread[name].as_object().expect("a table");
            let length = signed(&table["length"]) as usize;
            let columns = table.iter().filter_map(|(column, values)| Some((column, values.as_array()?)));
            for (column, values) in columns {
                assert_eq!(values.len(), length, "{name}.{column}");
            }
        }
        let below = |table: &str, column: &str, length: i64| {
            let numbers = list(&thread[table][column]).iter().filter(|number| !number.is_null()).map(signed);
            assert!(numbers.into_iter().all(|number| (0..length).contains(&number)), "{table}.{column}");
        };
        let length = |table: &str| signed(&thread[table]["length"]);
        below("nativeAllocations", "stack", length("stackTable"));
        below("stackTable", "prefix", length("stackTable"));
        below("stackTable", "frame", length("frameTable"));
        below("frameTable", "func", length("funcTable"));
        below("funcTable", "name", list(&thread["stringArray"]).len() as i64);
        below("frameTable", "category", list(&profile["meta"]["categories"]).len() as i64);
        let counter = &profile["counters"][0]["samples"];
        let last: i64 = list(&counter["count"]).iter().map(signed).sum();
        // The profiler's own way to what is retained: by address.
        let allocations = &thread["nativeAllocations"];
        let mut retained: BTreeMap<i64, i64> = BTreeMap::new();
        for (address, weight) in list(&allocations["memoryAddress"]).iter().zip(list(&allocations["weight"])) {
            *retained.entry(signed(address)).or_default() += signed(weight);
        }
        assert!(retained.values().all(|&bytes| bytes >= 0));
        let retained: i64 = retained.into_values().sum();
        assert_eq!(retained as u64, report.total(Metric::Leaks).bytes);
        // A process that has ended retains what leaked; the heap of all has lost it.
        assert!(last == retained || last == 0, "{last}, {retained}");
        let times: Vec<f64> = list(&allocations["time"]).iter().map(|time| time.as_f64().expect("a time")).collect();
        assert!(times.is_sorted());
    }
}

/// A family is one profile: each process has a thread and a counter, with what it has in a profile of its own.
#[test]
fn firefox_profiles_have_all_processes_of_a_family() {
    let (_folder, path) = file_of(&family_run().to_bytes());
    let profile = as_json(&mut Report::open(&path).expect("it can be opened"), named("firefox"));
    let pids = [MAIN, WORKER, CHANGED, GZIP];
    let (threads, counters) = (list(&profile["threads"]), list(&profile["counters"]));
    assert_eq!((threads.len(), counters.len()), (4, 4));
    assert_eq!(profile["meta"]["initialVisibleThreads"], json!([0, 1, 2, 3]));
    for (index, pid) in pids.into_iter().enumerate() {
        let alone = as_json(&mut family_run().report_of(&[pid]).expect("the process is there"), named("firefox"));
        assert_eq!(threads[index], alone["threads"][0]);
        assert_eq!(threads[index]["pid"], pid.to_string());
        assert_eq!(
            (&counters[index]["pid"], &counters[index]["mainThreadIndex"]),
            (&json!(pid.to_string()), &json!(index))
        );
        assert_eq!(counters[index]["samples"], alone["counters"][0]["samples"]);
    }
    // The main process is there from the start, the first worker from 0.2 to 1.2 s.
    let times = |index: usize| [&threads[index]["processStartupTime"], &threads[index]["processShutdownTime"]];
    assert_eq!(times(0), [&json!(0.0), &json!(1900.0)]);
    assert_eq!(times(1), [&json!(200.0), &json!(1200.0)]);
}

/// The stacks and sizes that a heaptrack file leaves live, and its time stamps.
fn read_heaptrack(text: &str) -> (BTreeMap<(u64, usize), i64>, Vec<u64>) {
    let (mut pairs, mut live, mut stamps) = (Vec::new(), BTreeMap::new(), Vec::new());
    for line in text.lines() {
        let number = |text: &str| u64::from_str_radix(text, 16).expect("a hexadecimal number");
        match line.split_once(' ').expect("every line has a kind and a value") {
            ("a", pair) => {
                let (size, stack) = pair.split_once(' ').expect("a size and a stack");
                pairs.push((number(size), number(stack) as usize));
            }
            ("+", pair) => *live.entry(pairs[number(pair) as usize]).or_default() += 1,
            ("-", pair) => *live.entry(pairs[number(pair) as usize]).or_default() -= 1,
            ("c", stamp) => stamps.push(number(stamp)),
            (kind, _) => assert!(["v", "X", "I", "R", "s", "i", "t"].contains(&kind), "{line}"),
        }
    }
    live.retain(|_, blocks| *blocks != 0);
    (live, stamps)
}

#[test]
fn heaptrack_files_name_everything_before_they_use_it() {
    for mut report in runs() {
        let text = String::from_utf8(export(&mut report, named("heaptrack"))).expect("it is text");
        let (live, stamps) = read_heaptrack(&text);
        assert!(live.values().all(|&blocks| blocks > 0));
        let bytes: u64 = live.iter().map(|((size, _), blocks)| size * *blocks as u64).sum();
        assert_eq!(bytes, report.total(Metric::Leaks).bytes);
        assert!(stamps.is_sorted() && stamps.last() >= Some(&0));
        for line in text.lines().filter_map(|line| line.strip_prefix("s ")) {
            let (length, string) = line.split_once(' ').expect("a length and a string");
            assert_eq!(usize::from_str_radix(length, 16), Ok(string.len()), "bytes, not characters");
        }
    }
}

#[test]
fn what_is_left_of_a_mapping_is_another_allocation_of_heaptracks() {
    let text = String::from_utf8(export(&mut lifetimes_run().report(), named("heaptrack"))).expect("it is text");
    let (live, _) = read_heaptrack(&text);
    assert_eq!(live.keys().map(|(size, _)| *size).collect::<Vec<_>>(), [80, 2 * 4096]);
    assert_eq!(text.matches("\n+ ").count(), 6, "four blocks, a mapping, and what is left of it");
}
