//! Programs with a known truth: peaks, leaks, mappings unmapped in parts, resized blocks, programs that become others.

use crate::capture_builder::{CaptureBuilder, Place, SECOND, START};
use memprof_capture::file::Fact;
use memprof_capture::file::facts::RssSample;
use memprof_channel::allocator::Allocator::{self, Malloc, Mmap, Realloc, Valloc};
use memprof_channel::event::Event;
use memprof_channel::ids::{Address, SiteId, Stamp};
use memprof_replay::metric::Metric;
use memprof_replay::size_histogram::SizeBucket;
use memprof_replay::slots::Amount;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::report::Report;
use memprof_reporter::view::View;

const PAGE: u64 = 4096;
const FIRST: Place = ("first", "a.py", 1);
const SECOND_LINE: Place = ("second", "a.py", 2);
const FAR: u64 = 0x7f00_0000_0000;

/// The rows of `table --json`: function, line, allocator, bytes, allocations.
fn rows(report: &Report, metric: Metric) -> Vec<(String, u64, String, u64, u64)> {
    let mut out = Vec::new();
    crate::lists::table_json(&PlaceLists::of(report, View::default()), metric, &mut out)
        .expect("memory can be written");
    let table: serde_json::Value = serde_json::from_slice(&out).expect("the table is JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let number = |value: &serde_json::Value| value.as_u64().expect("a number");
    let rows = table["rows"].as_array().expect("rows");
    rows.iter()
        .map(|row| {
            let (function, allocator) = (text(&row["function"]), text(&row["allocator"]));
            (function, number(&row["line"]), allocator, number(&row["bytes"]), number(&row["allocations"]))
        })
        .collect()
}

fn row(place: Place, allocator: Allocator, bytes: u64, allocations: u64) -> (String, u64, String, u64, u64) {
    (place.0.to_owned(), place.2.into(), allocator.name().to_owned(), bytes, allocations)
}

fn two_sites(allocator: Allocator) -> (CaptureBuilder, SiteId, SiteId) {
    let mut builder = CaptureBuilder::new();
    let sites = (builder.site(&[FIRST], allocator), builder.site(&[SECOND_LINE], allocator));
    (builder, sites.0, sites.1)
}

fn peak(report: &Report) -> Amount {
    report.total(Metric::Peak)
}

const fn amount(bytes: u64, allocations: u64) -> Amount {
    Amount { bytes, allocations }
}

#[test]
fn nothing_has_no_peak() {
    let report = CaptureBuilder::new().report();
    for metric in [Metric::Peak, Metric::Leaks, Metric::Total] {
        assert_eq!(report.total(metric), amount(0, 0));
        assert_eq!(rows(&report, metric), []);
    }
    assert!(report.notes().is_empty());
}

#[test]
fn one_block_is_the_peak_and_no_leak() {
    let (mut builder, site, _) = two_sites(Valloc);
    builder.allocate(16, 1024, site).free(16);
    let report = builder.report();
    assert_eq!(rows(&report, Metric::Peak), [row(FIRST, Valloc, 1024, 1)]);
    assert_eq!(rows(&report, Metric::Leaks), []);
    assert_eq!(report.aggregate().run.endings().frees, 1);
}

#[test]
fn one_after_another_is_one_at_the_peak() {
    let (mut builder, site, _) = two_sites(Valloc);
    builder.allocate(16, 1024, site).free(16).allocate(16, 1024, site).free(16);
    let report = builder.report();
    assert_eq!(rows(&report, Metric::Peak), [row(FIRST, Valloc, 1024, 1)]);
    assert_eq!(rows(&report, Metric::Total), [row(FIRST, Valloc, 2048, 2)]);
    // The peak is the last moment with the largest total.
    assert_eq!(report.aggregate().run.peak_at, Stamp(START + 3 * SECOND / 100));
}

#[test]
fn what_was_freed_before_the_peak_or_made_after_it_is_not_in_it() {
    let (mut builder, small, large) = two_sites(Valloc);
    builder.allocate(16, 1024, small).free(16).allocate(32, 2048, large).free(32).allocate(48, 1024, small);
    let report = builder.report();
    assert_eq!(rows(&report, Metric::Peak), [row(SECOND_LINE, Valloc, 2048, 1)]);
    assert_eq!(rows(&report, Metric::Leaks), [row(FIRST, Valloc, 1024, 1)]);
}

#[test]
fn a_line_is_one_row_and_two_lines_are_two() {
    let (mut builder, first, second) = two_sites(Valloc);
    builder.allocate(16, 1024, first).allocate(32, 1024, first).allocate(48, 1024, second);
    let expected = [row(FIRST, Valloc, 2048, 2), row(SECOND_LINE, Valloc, 1024, 1)];
    assert_eq!(rows(&builder.report(), Metric::Peak), expected);
}

#[test]
fn the_allocator_is_part_of_the_row() {
    let mut builder = CaptureBuilder::new();
    let (malloc, realloc) = (builder.site(&[FIRST], Malloc), builder.site(&[FIRST], Realloc));
    builder.allocate(16, 100, malloc).allocate(200, 50, realloc);
    let expected = [row(FIRST, Malloc, 100, 1), row(FIRST, Realloc, 50, 1)];
    assert_eq!(rows(&builder.report(), Metric::Leaks), expected);
}

#[test]
fn the_row_is_the_innermost_python_frame() {
    let mut builder = CaptureBuilder::new();
    let site = builder.site(&[("<module>", "main.py", 90), ("outer", "main.py", 20), ("inner", "lib.py", 7)], Malloc);
    builder.allocate(16, 100, site);
    assert_eq!(rows(&builder.report(), Metric::Peak), [row(("inner", "lib.py", 7), Malloc, 100, 1)]);
}

#[test]
fn memory_outside_of_python_has_a_row_by_that_name() {
    let mut builder = CaptureBuilder::new();
    let site = builder.site(&[], Malloc);
    builder.allocate(16, 100, site);
    assert_eq!(rows(&builder.report(), Metric::Peak), [row(("<no Python stack>", "", 0), Malloc, 100, 1)]);
}

#[test]
fn spiky_recursion() {
    // Ten calls deep, each allocates as many KiB as it is from the ground, frees on the way back.
    let mut builder = CaptureBuilder::new();
    let depth = 10_u64;
    let places: Vec<Place> = (0..depth).map(|line| ("recursive", "a.py", line as u32 + 1)).collect();
    for level in 0..depth {
        let site = builder.site(&places[..=level as usize], Valloc);
        builder.allocate(16 * (level + 1), (depth - level) * 1024, site);
    }
    for level in (0..depth).rev() {
        builder.free(16 * (level + 1));
    }
    let report = builder.report();
    assert_eq!(peak(&report), amount(55 * 1024, 10));
    assert_eq!(report.total(Metric::Leaks), amount(0, 0));
    assert_eq!(report.aggregate().run.endings().frees, 10);
}

#[test]
fn a_mapping_counts_what_was_asked_for() {
    let (mut builder, site, _) = two_sites(Mmap);
    builder.map(FAR, 2048, site).unmap(FAR, 2048);
    let report = builder.report();
    assert_eq!(peak(&report), amount(2048, 1));
    assert_eq!(report.total(Metric::Leaks), amount(0, 0));
    assert_eq!(report.aggregate().run.endings().frees, 1);
}

#[test]
fn the_last_page_of_a_mapping_holds_the_rest() {
    let (mut builder, site, _) = two_sites(Mmap);
    builder.map(FAR, PAGE + 904, site).unmap(FAR, PAGE);
    assert_eq!(builder.report().total(Metric::Leaks), amount(904, 1));
    builder.unmap(FAR + PAGE, 1);
    assert_eq!(builder.report().total(Metric::Leaks), amount(0, 0), "the page of a byte is a whole page");
}

#[test]
fn part_of_a_mapping_is_unmapped() {
    let (mut builder, first, second) = two_sites(Mmap);
    builder.map(FAR, 2 * PAGE, first).unmap(FAR, PAGE).map(2 * FAR, 10 * PAGE, second);
    let report = builder.report();
    let expected = [row(SECOND_LINE, Mmap, 10 * PAGE, 1), row(FIRST, Mmap, PAGE, 1)];
    assert_eq!(rows(&report, Metric::Peak), expected);
    assert_eq!(report.aggregate().run.endings().frees, 0, "a mapping lives while any of it is mapped");
}

/// Pages that are live after 10 pages were mapped, `gone` unmapped, and 10 mapped elsewhere: at the peak.
fn pages_after(gone: &[(u64, u64)]) -> u64 {
    let (mut builder, first, second) = two_sites(Mmap);
    builder.map(FAR, 10 * PAGE, first);
    for &(from, pages) in gone {
        builder.unmap(FAR + from * PAGE, pages * PAGE);
    }
    builder.map(2 * FAR, 10 * PAGE, second);
    let bytes = peak(&builder.report()).bytes;
    assert_eq!(bytes % PAGE, 0);
    bytes / PAGE
}

#[test]
fn head_tail_and_middle_of_a_mapping_are_unmapped() {
    assert_eq!(pages_after(&[(0, 4), (6, 4)]), 12);
    assert_eq!(pages_after(&[(4, 3)]), 17);
    assert_eq!(pages_after(&[(1, 4), (6, 3)]), 13);
    assert_eq!(pages_after(&[(0, 10)]), 10);
    assert_eq!(pages_after(&[(0, 10), (0, 10)]), 10);
    assert_eq!(pages_after(&[(100, 10)]), 20);
}

#[test]
fn one_unmap_takes_several_mappings() {
    let (mut builder, first, second) = two_sites(Mmap);
    for page in 0..5 {
        builder.map(FAR + page * PAGE, PAGE, first);
    }
    builder.unmap(FAR - PAGE, 10 * PAGE).map(2 * FAR, 10 * PAGE, second);
    let report = builder.report();
    assert_eq!(peak(&report), amount(10 * PAGE, 1));
    assert_eq!(report.aggregate().run.endings().frees, 5);
    assert_eq!(report.aggregate().run.endings().unknown_frees, 0);
}

#[test]
fn a_mapping_over_an_old_one_replaces_it() {
    let (mut builder, first, second) = two_sites(Mmap);
    builder.map(FAR, 10 * PAGE, first).map(FAR + 4 * PAGE, 2 * PAGE, second);
    let report = builder.report();
    assert_eq!(rows(&report, Metric::Leaks), [row(FIRST, Mmap, 8 * PAGE, 1), row(SECOND_LINE, Mmap, 2 * PAGE, 1)]);
    assert_eq!(peak(&report).bytes, 10 * PAGE, "there is no moment with both");
}

#[test]
fn blocks_and_mappings_are_independent() {
    let mut builder = CaptureBuilder::new();
    let (block, mapping) = (builder.site(&[FIRST], Malloc), builder.site(&[FIRST], Mmap));
    builder.map(FAR, PAGE, mapping).allocate(FAR, 100, block).free(FAR).allocate(FAR + 16, 100, block).unmap(FAR, PAGE);
    assert_eq!(builder.report().total(Metric::Leaks), amount(100, 1));
}

#[test]
fn a_block_resized_in_place_is_never_there_twice_nor_missing() {
    let (mut builder, first, second) = two_sites(Realloc);
    builder.allocate(16, 1000, first).resize(16, 1500, second);
    let report = builder.report();
    assert_eq!(peak(&report), amount(1500, 1));
    assert_eq!(rows(&report, Metric::Leaks), [row(SECOND_LINE, Realloc, 1500, 1)]);
    assert_eq!(report.total(Metric::Total), amount(2500, 2));
    assert_eq!(report.aggregate().run.endings().frees, 1);
    builder.resize(16, 400, first);
    assert!(
        builder
            .report()
            .aggregate()
            .run
            .timeline
            .iter()
            .skip_while(|point| point.bytes == 0)
            .all(|point| point.bytes >= 400),
        "no dip to zero"
    );
}

#[test]
fn a_block_handed_out_twice_was_freed_in_between() {
    let (mut builder, first, second) = two_sites(Malloc);
    builder.allocate(16, 100, first).allocate(16, 40, second);
    let report = builder.report();
    assert_eq!(rows(&report, Metric::Leaks), [row(SECOND_LINE, Malloc, 40, 1)]);
    assert_eq!(report.aggregate().run.endings().frees, 1);
}

#[test]
fn a_free_of_what_was_there_before_is_ignored_and_counted() {
    let (mut builder, site, _) = two_sites(Malloc);
    builder.free(16).unmap(FAR, PAGE).allocate(32, 100, site);
    let report = builder.report();
    assert_eq!(report.aggregate().run.endings().unknown_frees, 2);
    assert_eq!(report.aggregate().run.endings().frees, 0);
    assert_eq!(report.total(Metric::Leaks), amount(100, 1));
}

#[test]
fn a_resize_of_what_was_there_before_is_a_release_and_an_allocation() {
    let (mut builder, site, _) = two_sites(Realloc);
    builder.resize(16, 100, site).resize(16, 40, site);
    let report = builder.report();
    let endings = report.aggregate().run.endings();
    assert_eq!((endings.unknown_frees, endings.frees), (1, 1));
    assert_eq!(report.total(Metric::Total), amount(140, 2));
    assert_eq!(rows(&report, Metric::Leaks), [row(FIRST, Realloc, 40, 1)]);
}

#[test]
fn threads_are_distinguished_and_may_free_for_each_other() {
    let (mut builder, site, _) = two_sites(Malloc);
    let allocation = |address| Event::Allocation { address: Address(address), size: 4096, site };
    builder.event(0, START + 1, allocation(0x1000)).event(1, START + 2, allocation(0x2000));
    let report = builder.report();
    assert_eq!(rows(&report, Metric::Peak), [row(FIRST, Malloc, 4096, 1), row(FIRST, Malloc, 4096, 1)]);
    builder.event(0, START + 3, Event::Free { address: Address(0x2000) });
    let report = builder.report();
    let slots = report.aggregate().slots.iter();
    assert_eq!(slots.map(|slot| (slot.thread.0, slot.sums.leaked.bytes)).collect::<Vec<_>>(), [(0, 4096), (1, 0)]);
}

#[test]
fn on_a_tie_what_is_freed_can_be_handed_out_again() {
    let (mut builder, site, _) = two_sites(Malloc);
    let at = START + 5;
    let allocation = Event::Allocation { address: Address(16), size: 8, site };
    // Thread 0 gets what thread 1 frees at the same stamp.
    builder.event(1, START + 1, allocation).event(0, at, allocation);
    builder.event(1, at, Event::Free { address: Address(16) });
    let report = builder.report();
    assert_eq!(report.total(Metric::Leaks), amount(8, 1));
    assert_eq!(report.aggregate().run.endings().unknown_frees, 0);
}

#[test]
fn another_program_in_the_same_process_starts_with_nothing() {
    let (mut builder, first, second) = two_sites(Malloc);
    builder.allocate(16, 1000, first).map(FAR, PAGE, first);
    let exec = START + SECOND;
    builder.facts.push(Fact::Image { image: 2, stamp: Stamp(exec), pid: 1 });
    builder.event_of(2, 0, exec + 5, Event::Allocation { address: Address(16), size: 8, site: second });
    builder.event_of(2, 0, exec + 6, Event::Free { address: Address(32) });
    let report = builder.report();
    let endings = report.aggregate().run.endings();
    assert_eq!(peak(&report), amount(1000 + PAGE, 2));
    assert_eq!(rows(&report, Metric::Leaks), [row(SECOND_LINE, Malloc, 8, 1)]);
    assert_eq!((endings.frees, endings.dropped_by_exec), (0, 2));
}

#[test]
fn sizes_are_counted_by_powers_of_two() {
    let (mut builder, site, _) = two_sites(Malloc);
    builder.allocate(16, 0, site).allocate(32, 1, site).allocate(48, 7, site).allocate(64, 4, site);
    let bucket = |min_bytes, max_bytes, allocations, bytes| SizeBucket { min_bytes, max_bytes, allocations, bytes };
    let expected = [bucket(0, 0, 1, 0), bucket(1, 1, 1, 1), bucket(2, 3, 0, 0), bucket(4, 7, 2, 11)];
    assert_eq!(builder.report().aggregate().run.sizes.buckets(), expected);
    builder.allocate(80, u64::MAX, site).free(80);
    let buckets = builder.report().aggregate().run.sizes.buckets();
    assert_eq!(buckets.last(), Some(&bucket(1 << 63, u64::MAX, 1, u64::MAX)));
}

#[test]
fn the_timeline_has_the_peak_and_at_most_2000_points() {
    let (mut builder, site, _) = two_sites(Malloc);
    for step in 0..20_000 {
        let address = Address(16 + step % 100 * 16);
        let stamp = START + step * 10_000;
        builder.event(0, stamp, Event::Allocation { address, size: 100 + step % 7, site });
        if step % 3 == 0 {
            builder.event(0, stamp + 5, Event::Free { address });
        }
    }
    builder.rss = (0..5000)
        .map(|sample| RssSample {
            at: memprof_capture::file::facts::ClockPoint { stamp: Stamp(START + sample * 40_000), monotonic_ns: 0 },
            bytes: sample,
        })
        .collect();
    let report = builder.report();
    let aggregate = report.aggregate();
    assert!(aggregate.run.timeline.len() <= 2010, "{} points", aggregate.run.timeline.len());
    assert!(aggregate.run.timeline.is_sorted_by_key(|point| point.at));
    let peak = aggregate.run.timeline.iter().rfind(|point| point.bytes == aggregate.sums.all.peak.bytes);
    assert_eq!(peak.map(|point| point.at), Some(aggregate.run.peak_at));
}
