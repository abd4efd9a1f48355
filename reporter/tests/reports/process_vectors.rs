//! Families of processes with a known truth: forks, execs, ends, and the selection of some of them.

use crate::capture_builder::{CaptureBuilder, START};
use crate::family_run::{CHANGED, GZIP, MAIN, MIB, WORKER, allocation, at, begin, ended, family_run, free};
use memprof_capture::file::Fact;
use memprof_channel::allocator::Allocator::{Malloc, Mmap};
use memprof_channel::event::Event;
use memprof_channel::ids::{Address, SiteId, Stamp};
use memprof_replay::aggregate::ProcessSums;
use memprof_replay::metric::{Metric, Sums};
use memprof_replay::processes::Origin;
use memprof_replay::slots::Amount;
use memprof_reporter::report::Report;

const fn amount(bytes: u64, allocations: u64) -> Amount {
    Amount { bytes, allocations }
}

fn number(report: &Report, pid: u32) -> usize {
    report.processes().list().iter().position(|process| process.pid == pid).expect("the process is in the report")
}

/// What was counted of the process with this pid, but for its slots.
fn of(report: &Report, pid: u32) -> ProcessSums {
    report.aggregate().run.processes[number(report, pid)]
}

/// What its slots add up to.
fn sums_of(report: &Report, pid: u32) -> Sums {
    report.aggregate().sums.by_process[number(report, pid)]
}

/// Two processes, the second one forked from the first, with a site.
fn parent_and_child() -> (CaptureBuilder, SiteId) {
    let mut builder = CaptureBuilder::new();
    begin(&mut builder, 1, 10, 1, None, "parent");
    begin(&mut builder, 2, 20, 10, Some(1), "parent");
    let site = builder.site(&[("f", "a.py", 1)], Malloc);
    (builder, site)
}

#[test]
fn a_family_s_peak_is_that_of_all_together() {
    let report = family_run().report();
    // 4 MiB and twice 3 + 1 MiB: the peak lasts until one of the workers becomes another program.
    assert_eq!(report.total(Metric::Peak), amount(12 * MIB, 5));
    assert_eq!(report.aggregate().run.peak_at, Stamp(at(0.34)));
    let peaks = |pid| (sums_of(&report, pid).peak, of(&report, pid).own_peak);
    assert_eq!(peaks(MAIN), (amount(4 * MIB, 1), amount(4 * MIB, 1)));
    assert_eq!(peaks(WORKER), (amount(4 * MIB, 2), amount(4 * MIB, 2)));
    assert_eq!(peaks(CHANGED), (amount(4 * MIB, 2), amount(4 * MIB, 2)));
    assert_eq!(peaks(GZIP), (amount(0, 0), amount(MIB / 4, 1)));
    assert_eq!(of(&report, GZIP).own_peak_at, Stamp(at(0.6)));
}

#[test]
fn what_a_process_has_at_its_end_is_leaked_and_gone() {
    let report = family_run().report();
    assert_eq!(report.total(Metric::Leaks), amount(MIB + MIB / 2 + MIB / 4, 3));
    assert_eq!(sums_of(&report, WORKER).leaked, amount(MIB, 1));
    assert_eq!(sums_of(&report, CHANGED).leaked, amount(MIB / 2, 1));
    assert_eq!(sums_of(&report, MAIN).leaked, amount(0, 0));
    let timeline = &report.aggregate().run.timeline;
    let live = |seconds: f64| timeline.iter().rfind(|point| point.at <= Stamp(at(seconds))).map(|point| point.bytes);
    // 4 MiB of the parent; with the first worker's arena and what the second became; likewise with gzip; at the end.
    assert_eq!(live(1.7), Some(4 * MIB));
    assert_eq!(live(1.15), Some(5 * MIB + MIB / 2));
    assert_eq!(live(0.8), Some(8 * MIB + MIB / 2 + MIB / 4));
    assert_eq!(live(1.99), Some(0));
}

#[test]
fn frees_of_inherited_memory_differ_from_unknown_ones() {
    let report = family_run().report();
    for (pid, inherited, unknown, dropped) in [(MAIN, 0, 0, 0), (WORKER, 1, 0, 0), (CHANGED, 1, 1, 2), (GZIP, 0, 0, 0)]
    {
        let endings = of(&report, pid).endings;
        let found = (endings.inherited_frees, endings.unknown_frees, endings.dropped_by_exec);
        assert_eq!(found, (inherited, unknown, dropped), "{pid}");
    }
    let (endings, sums) = (report.aggregate().run.endings(), report.aggregate().sums.all);
    assert_eq!((endings.inherited_frees, endings.unknown_frees), (2, 1));
    let ends = endings.frees + endings.dropped_by_exec + sums.leaked.allocations;
    assert_eq!(sums.total.allocations, ends, "every allocation has one end");
}

#[test]
fn realloc_and_munmap_of_inherited_memory_are_no_unknown_frees() {
    let (mut builder, site) = parent_and_child();
    let mapping = builder.site(&[("f", "a.py", 2)], Mmap);
    builder.event_of(1, 0, START + 1, allocation(16, 100, site));
    builder.event_of(1, 0, START + 2, Event::Map { address: Address(1 << 40), size: 8192, site: mapping });
    builder.event_of(2, 1, START + 5, Event::Resize { address: Address(16), size: 150, site });
    builder.event_of(2, 1, START + 6, Event::Unmap { address: Address(1 << 40), size: 4096 });
    let report = builder.report();
    let endings = report.aggregate().run.endings();
    assert_eq!((endings.inherited_frees, endings.unknown_frees, endings.frees), (2, 0, 0));
    assert_eq!(sums_of(&report, 10).leaked, amount(100 + 8192, 2), "the parent keeps what the child gives up");
    assert_eq!(sums_of(&report, 20).leaked, amount(150, 1), "the block is the child's from its realloc on");
}

#[test]
fn processes_do_not_share_addresses() {
    let (mut builder, site) = parent_and_child();
    builder.event_of(1, 0, START + 1, allocation(16, 100, site));
    builder.event_of(2, 1, START + 2, allocation(16, 200, site));
    builder.event_of(1, 0, START + 3, free(16));
    let report = builder.report();
    assert_eq!(report.total(Metric::Peak), amount(300, 2));
    assert_eq!((sums_of(&report, 10).leaked, sums_of(&report, 20).leaked), (amount(0, 0), amount(200, 1)));
}

#[test]
fn a_child_that_ended_is_not_part_of_a_later_peak() {
    let (mut builder, site) = parent_and_child();
    builder.event_of(2, 1, START + 10, allocation(16, 1000, site));
    builder.facts.push(ended(2, START + 20));
    builder.event_of(1, 0, START + 30, allocation(16, 900, site));
    let report = builder.report();
    assert_eq!(report.total(Metric::Peak), amount(1000, 1));
    assert_eq!((sums_of(&report, 10).peak.bytes, sums_of(&report, 20).peak.bytes), (0, 1000));
    builder.event_of(1, 0, START + 40, allocation(32, 200, site));
    let report = builder.report();
    assert_eq!(report.total(Metric::Peak), amount(1100, 2));
    assert_eq!((sums_of(&report, 10).peak.bytes, sums_of(&report, 20).peak.bytes), (1100, 0));
    assert_eq!(of(&report, 20).own_peak, amount(1000, 1));
}

#[test]
fn on_a_tie_a_process_ends_before_another_one_allocates() {
    let (mut builder, site) = parent_and_child();
    builder.event_of(2, 1, START + 10, allocation(16, 1000, site));
    builder.facts.push(ended(2, START + 20));
    builder.event_of(1, 0, START + 20, allocation(16, 900, site));
    assert_eq!(builder.report().total(Metric::Peak), amount(1000, 1));
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    let (mut builder, site) = parent_and_child();
    begin(&mut builder, 3, 20, 10, None, "other");
    builder.event_of(2, 1, START + 10, allocation(16, 1000, site));
    builder.event_of(3, 2, at(0.4), allocation(16, 10, site));
    let as_exec = builder.report();
    assert_eq!(as_exec.processes().list().len(), 2);
    assert_eq!(as_exec.aggregate().run.endings().dropped_by_exec, 1);
    builder.facts.push(ended(2, START + 20));
    let report = builder.report();
    let origins: Vec<Origin> = report.processes().list().iter().map(|process| process.origin).collect();
    assert_eq!(origins, [Origin::Start, Origin::Fork, Origin::Exec]);
    assert_eq!(report.aggregate().run.endings().dropped_by_exec, 0);
    assert_eq!(builder.report_of(&[20]).expect("it was recorded").processes().list().len(), 2);
}

#[test]
fn a_fork_with_the_same_pid_is_another_process() {
    let (mut builder, site) = parent_and_child();
    begin(&mut builder, 3, 20, 10, Some(1), "parent");
    builder.event_of(2, 1, START + 10, allocation(16, 1000, site));
    builder.event_of(3, 2, at(0.4), allocation(16, 10, site));
    let report = builder.report();
    assert_eq!(report.processes().list().len(), 3, "the end of the first one was lost");
    assert_eq!(report.aggregate().run.endings().dropped_by_exec, 0);
}

#[test]
fn a_process_ends_after_its_last_event_whatever_its_stamp() {
    let (mut builder, site) = parent_and_child();
    builder.event_of(2, 1, START + 10, allocation(16, 0, site)).event_of(2, 1, START + 20, free(16));
    builder.facts.push(ended(2, 0));
    let report = builder.report();
    assert_eq!(report.aggregate().run.peak_at, Stamp(START + 20), "nothing is the most that there was, to the last");
}

#[test]
fn a_process_alone_has_the_figures_that_it_has_in_the_family() {
    let builder = family_run();
    let whole = builder.report();
    for pid in [MAIN, WORKER, CHANGED, GZIP] {
        let report = builder.report_of(&[pid]).expect("it was recorded");
        let (alone, among) = (of(&report, pid), of(&whole, pid));
        let (sums_alone, sums_among) = (sums_of(&report, pid), sums_of(&whole, pid));
        assert_eq!((alone.own_peak, alone.own_peak_at), (among.own_peak, among.own_peak_at), "{pid}");
        assert_eq!(
            (sums_alone.total, sums_alone.leaked, alone.endings),
            (sums_among.total, sums_among.leaked, among.endings),
            "{pid}"
        );
        assert_eq!(report.total(Metric::Peak), among.own_peak, "alone, its own peak is the peak");
        assert_eq!(report.metadata().pid, pid);
        assert_eq!(report.processes().recorded(), 4);
    }
    let pair = builder.report_of(&[GZIP, MAIN]).expect("they were recorded");
    assert_eq!(pair.total(Metric::Peak), amount(4 * MIB + MIB / 4, 2));
}

#[test]
fn an_unknown_pid_is_refused_with_those_that_there_are() {
    let error = family_run().report_of(&[MAIN, 99]).err().expect("it is refused").to_string();
    let mut many = CaptureBuilder::new();
    (1..60).for_each(|image| begin(&mut many, image, 1000 + image, 1, None, &"long ".repeat(100)));
    let text = many.report_of(&[99]).err().expect("it is refused").to_string();
    assert!(text.ends_with("\n  and 19 more") && text.lines().all(|line| line.len() < 120), "{text}");
    for says in [
        "no process 99 was recorded",
        "\n  4711  start: python3 pool.py",
        "\n  4730  exec by 4711: gzip -9 tracks.json",
    ] {
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_capture_of_one_process_says_which() {
    let mut builder = CaptureBuilder::new();
    begin(&mut builder, 1, 4711, 4000, None, "python3 a.py");
    let report = builder.report();
    let [process] = report.processes().list() else { panic!("one process") };
    assert_eq!((process.pid, process.parent, process.origin, process.ended), (4711, Some(4000), Origin::Start, None));
    // An old capture has neither fact.
    let report = CaptureBuilder::new().report();
    let [process] = report.processes().list() else { panic!("one process") };
    assert_eq!((process.pid, process.parent, process.command_line.len()), (4711, None, 3));
}

#[test]
fn facts_that_cannot_be_true_do_no_harm() {
    let (mut builder, site) = parent_and_child();
    builder.event_of(1, 0, START + 10, allocation(16, 100, site));
    builder.event_of(2, 1, START + 20, allocation(16, 100, site));
    builder.event_of(u32::MAX, 2, START + 30, allocation(16, 100, site));
    // Before its own start and events, after everything, of no image, and twice.
    builder.facts.extend([ended(2, 0), ended(1, u64::MAX), ended(77, START + 5), ended(2, START + 1)]);
    builder.facts.push(Fact::Image { image: 0, stamp: Stamp(u64::MAX), pid: 0 });
    let report = builder.report();
    let lost = report.processes().list().last().expect("there is one");
    assert_eq!((lost.pid, lost.origin, lost.label().as_str()), (0, Origin::Unknown, "<lost>"));
    assert_eq!(report.total(Metric::Total), amount(300, 3));
    assert_eq!(report.total(Metric::Leaks), amount(300, 3));
    assert!(report.aggregate().run.timeline.is_sorted_by_key(|point| point.at));
}
