//! Captures that are made of others: parts of one, and several as one.

use crate::capture_builder::{CaptureBuilder, START, aggregated, file_of, report_on};
use crate::family_run::family_run;
use crate::native_run::native_run;
use crate::random_family::{PROCESSES, event, record};
use memprof_capture::file::aggregate::Endings;
use memprof_capture::file::facts::ClockPoint;
use memprof_capture::file::{CaptureReader, Thread};
use memprof_channel::allocator::Allocator::Malloc;
use memprof_channel::ids::Stamp;
use memprof_replay::aggregate::Aggregate;
use memprof_replay::joining::{JoinError, Joined, join};
use memprof_replay::metric::{Metric, Sums};
use memprof_replay::processes::Processes;
use memprof_replay::slots::Amount;
use memprof_replay::time_range::TimeRange;
use memprof_replay::trimming::{Cut, trim};
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::query::{Moment, Query};
use memprof_reporter::report::Report;
use memprof_reporter::run_clock::RunClock;
use memprof_reporter::stats;
use memprof_reporter::view::View;
use proptest::prelude::*;

fn figures(report: &Report) -> String {
    let mut out = Vec::new();
    stats::write_json(&PlaceLists::of(report, View::default()), Metric::Peak, 100, &mut out)
        .expect("memory can be written");
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// What was counted over the whole run: the sums of all slots, how allocations ended, and when the peak was.
fn totals(report: &Report) -> (Sums, Endings, Stamp) {
    let Aggregate { run, sums, .. } = report.aggregate();
    (sums.all, run.endings(), run.peak_at)
}

pub fn trimmed(bytes: &[u8], from: u64, to: u64, pids: &[u32]) -> Vec<u8> {
    let (_folder, path) = file_of(bytes);
    let mut reader = CaptureReader::open(&path).expect("it can be opened");
    let processes = Processes::of(&reader).only(pids).expect("they are there");
    let point = |stamp: u64| ClockPoint { stamp: Stamp(stamp), monotonic_ns: stamp * 8 };
    let begin = (point(from.max(START)), reader.header().start_unix_ns + (from.max(START) - START) * 8);
    let end = reader.summary().map(|summary| summary.end.stamp.0).filter(|&end| to < end).map(|_| point(to));
    let cut = Cut { range: TimeRange { from: Stamp(from), to: Stamp(to) }, begin, end };
    let mut out = Vec::new();
    trim(&mut reader, &processes, &cut, &mut out).expect("memory can be written");
    out
}

pub fn joined(captures: &[&[u8]]) -> Result<Vec<u8>, JoinError> {
    let mut folders = Vec::new();
    let readers = captures.iter().map(|bytes| {
        let (folder, path) = file_of(bytes);
        folders.push(folder);
        let reader = CaptureReader::open(&path).expect("it can be opened");
        let clock = RunClock::of(&reader);
        Joined { reader, seconds: Box::new(move |stamp| clock.seconds(stamp)) }
    });
    let readers: Vec<Joined> = readers.collect();
    let mut out = Vec::new();
    join(readers, &mut out).map(|_| out)
}

/// A capture that begins this many seconds later.
pub fn later(mut builder: CaptureBuilder, seconds: u64) -> CaptureBuilder {
    builder.header.start_unix_ns += seconds * 1_000_000_000;
    builder
}

#[test]
fn a_part_that_is_everything_is_the_same() {
    for builder in [native_run(), family_run()] {
        let bytes = builder.to_bytes();
        let whole = trimmed(&bytes, 0, u64::MAX, &[]);
        assert_eq!(figures(&report_on(&whole)), figures(&report_on(&bytes)));
    }
}

#[test]
fn some_processes_are_as_in_a_report_on_them() {
    let bytes = family_run().to_bytes();
    let all = report_on(&bytes);
    for process in all.processes().list() {
        let part = report_on(&trimmed(&bytes, 0, u64::MAX, &[process.pid]));
        let expected = family_run().report_of(&[process.pid]).expect("it is there");
        assert_eq!(totals(&part), totals(&expected), "{}", process.pid);
        assert_eq!(part.aggregate().run.timeline, expected.aggregate().run.timeline);
        assert_eq!(part.metadata().command_line, expected.metadata().command_line);
        assert_eq!(part.metadata().pid, expected.metadata().pid);
    }
}

#[test]
fn only_what_is_used_stays_in_the_tables() {
    let mut builder = CaptureBuilder::new();
    let [early, late] = [1, 2].map(|line| builder.site(&[("f", "a.py", line)], Malloc));
    builder.allocate(16, 10, early).free(16).allocate(32, 20, late);
    let middle = START + 3 * 1_250_000 - 1;
    let (_folder, path) = file_of(&trimmed(&builder.to_bytes(), middle, u64::MAX, &[]));
    let reader = CaptureReader::open(&path).expect("it can be opened");
    assert_eq!((reader.tables().sites.len(), reader.tables().frames.len()), (1, 1));
    assert_eq!(reader.header().start.stamp, Stamp(middle));
}

#[test]
fn an_aggregated_capture_has_no_parts() {
    let (_folder, path) = file_of(&aggregated(&native_run().to_bytes()));
    let mut reader = CaptureReader::open(&path).expect("it can be opened");
    let processes = Processes::of(&reader);
    let point = ClockPoint { stamp: Stamp(START), monotonic_ns: 0 };
    let cut = Cut { range: TimeRange { from: Stamp(0), to: Stamp(1) }, begin: (point, 0), end: None };
    let refused = trim(&mut reader, &processes, &cut, Vec::new()).expect_err("it is refused");
    assert!(format!("{refused:?}").contains("OneByOne"), "{refused:?}");
}

#[test]
fn one_capture_merged_is_itself() {
    for builder in [native_run(), family_run()] {
        let bytes = builder.to_bytes();
        let (before, after) = (report_on(&bytes), report_on(&joined(&[&bytes]).expect("it is merged")));
        let (before, after) = (before.aggregate(), after.aggregate());
        assert_eq!(after.sums.all, before.sums.all);
        assert_eq!(after.run.endings(), before.run.endings());
        assert_eq!(after.run.processes.len(), before.run.processes.len());
    }
}

#[test]
fn captures_at_the_same_time_have_a_peak_together_and_their_processes_stay_apart() {
    let [one, other] = [family_run(), family_run()].map(|builder| builder.to_bytes());
    let report = report_on(&joined(&[&one, &other]).expect("they are merged"));
    let single = report_on(&one);
    assert_eq!(report.processes().list().len(), 2 * single.processes().list().len());
    let twice = |amount: Amount| Amount { bytes: 2 * amount.bytes, allocations: 2 * amount.allocations };
    assert_eq!(report.aggregate().sums.all.peak, twice(single.aggregate().sums.all.peak));
    assert_eq!(report.aggregate().sums.all.total, twice(single.aggregate().sums.all.total));
    assert_eq!(report.aggregate().sums.all.leaked, twice(single.aggregate().sums.all.leaked));
    // What is equal is there once.
    let (_folder, path) = file_of(&joined(&[&one, &other]).expect("they are merged"));
    let tables = CaptureReader::open(&path).expect("it can be opened").tables().clone();
    let (_folder, path) = file_of(&one);
    let before = CaptureReader::open(&path).expect("it can be opened").tables().clone();
    assert_eq!((tables.frames.len(), tables.threads.len()), (before.frames.len(), 2 * before.threads.len()));
    // Each of them has one with this pid.
    let pid = single.processes().list()[0].pid;
    let (_folder, path) = file_of(&joined(&[&one, &other]).expect("they are merged"));
    let of_pid = Report::open_with(&path, &Query::of_processes(&[pid])).expect("it is there");
    assert_eq!(of_pid.processes().list().len(), 2);
}

#[test]
fn captures_one_after_the_other_have_the_larger_peak() {
    let (one, other) = (native_run().to_bytes(), later(family_run(), 100).to_bytes());
    let peaks = [&one, &other].map(|bytes| report_on(bytes).aggregate().sums.all.peak);
    let merged = joined(&[&other, &one]).expect("they are merged");
    let report = report_on(&merged);
    let largest = peaks.into_iter().max_by_key(|peak| peak.bytes).expect("there are two");
    assert_eq!(report.aggregate().sums.all.peak, largest);
    assert!(report.metadata().duration_s > 100.0);
    // And the same when their sums are merged.
    let sums = report_on(&joined(&[&aggregated(&one), &other]).expect("they are merged"));
    assert_eq!(totals(&sums), totals(&report));
    assert_eq!(sums.aggregate().sums, report.aggregate().sums);
    assert_eq!(sums.aggregate().run.processes, report.aggregate().run.processes);
    assert_eq!(sums.aggregate().run.sizes, report.aggregate().run.sizes);
    assert_eq!(figures(&sums), figures(&report));
}

#[test]
fn sums_of_the_same_time_are_not_merged() {
    let bytes = native_run().to_bytes();
    let refused = joined(&[&bytes, &aggregated(&bytes)]).expect_err("it is refused");
    assert!(matches!(refused, JoinError::AtTheSameTime(..)));
    assert!(refused.to_string().contains("ran at the same time"), "{refused}");
}

#[test]
fn pages_of_different_sizes_are_not_merged() {
    let mut other = native_run();
    other.header.page_size = 65_536;
    let refused = joined(&[&native_run().to_bytes(), &other.to_bytes()]).expect_err("it is refused");
    assert!(refused.to_string().contains("pages of different sizes"), "{refused}");
}

/// A family of processes, of which some become other programs.
fn family() -> impl Strategy<Value = (Vec<u8>, u64)> {
    let step = (0..PROCESSES, 0..2_u32, prop::bool::weighted(0.03), 1..2_000_000_u64, event());
    (prop::collection::vec(step, 1..150), 1..40_usize).prop_map(|(steps, chunk_rows)| {
        let mut builder = CaptureBuilder::new();
        builder.chunk_rows = chunk_rows;
        builder.threads = (1..=6).map(|tid| Thread { tid, name: format!("t{tid}") }).collect();
        let now = record(&mut builder, steps);
        (builder.to_bytes(), now)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The peak of a part, stack by stack, is the one that a report on that range of time finds in the whole.
    #[test]
    fn a_part_has_the_peak_of_its_range((bytes, end) in family(), from in 0..=100_u64, length in 0..=100_u64) {
        let share = |percent: u64| START + (end - START) * percent.min(100) / 100;
        let (from, to) = (share(from), share(from + length));
        let part = report_on(&trimmed(&bytes, from, to, &[]));
        prop_assert!(part.notes().is_empty(), "{:?}", part.notes());
        let (_folder, path) = file_of(&bytes);
        let moment = |stamp: u64| Some(Moment::Seconds((stamp - START) as f64 * 8e-9));
        let query = Query { from: moment(from), to: moment(to), ..Query::default() };
        let expected = Report::open_with(&path, &query).expect("it can be opened");
        prop_assert_eq!(part.total(Metric::Peak).bytes, expected.total(Metric::Peak).bytes);
        let by_place = |report: &Report| {
            let mut out = Vec::new();
            crate::lists::table_json(&PlaceLists::of(report, View::default()), Metric::Peak, &mut out).expect("memory can be written");
            let table: serde_json::Value = serde_json::from_slice(&out).expect("it is JSON");
            // Pieces of mappings that were cut before count one by one.
            let of = |row: &serde_json::Value| format!("{} {} {} {}", row["line"], row["allocator"], row["thread"], row["bytes"]);
            let mut rows: Vec<String> = table["rows"].as_array().expect("rows").iter().map(of).collect();
            rows.sort();
            rows
        };
        prop_assert_eq!(by_place(&part), by_place(&expected));
    }

    /// Merged and cut again, it is what it was.
    #[test]
    fn a_merged_capture_has_everything((bytes, _) in family(), (other, _) in family()) {
        let merged = report_on(&joined(&[&bytes, &other]).expect("they are merged"));
        let (one, other) = (report_on(&bytes), report_on(&other));
        prop_assert!(merged.notes().is_empty(), "{:?}", merged.notes());
        for metric in [Metric::Total, Metric::Leaks, Metric::Temporary] {
            let mut both = one.total(metric);
            both.add(other.total(metric));
            prop_assert_eq!(merged.total(metric), both);
        }
        let own = |report: &Report| report.aggregate().run.processes.iter().map(|process| (process.own_peak, process.endings)).collect::<Vec<_>>();
        prop_assert_eq!(own(&merged), [own(&one), own(&other)].concat());
    }

    #[test]
    fn damaged_captures_can_be_cut_and_merged(
        hits in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        (sound, end) in family(),
    ) {
        let mut bytes = sound.clone();
        for (at, bits) in hits {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        let (_folder, path) = file_of(&bytes);
        let Ok(whole) = Report::open(&path) else { return Ok(()) };
        if whole.metadata().complete || whole.notes().iter().any(|note| note.contains("no end")) {
            return Ok(());
        }
        let part = report_on(&trimmed(&bytes, START + (end - START) / 2, u64::MAX, &[]));
        let merged = report_on(&joined(&[&bytes, &sound]).expect("they are merged"));
        prop_assert!(!merged.metadata().complete);
        // The damage may be in what was left out.
        prop_assert!(part.metadata().complete == part.notes().is_empty());
    }
}
