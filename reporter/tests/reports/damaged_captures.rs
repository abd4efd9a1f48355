//! Captures that were cut off or damaged: what is left is reported, and what is missing is said.

use crate::capture_builder::{CaptureBuilder, file_of, report_on};
use crate::family_run::family_run;
use crate::lists;
use crate::lists_by;
use crate::native_run::native_run;
use memprof_capture::file::Fact;
use memprof_channel::allocator::Allocator::Malloc;
use memprof_channel::clock::ClockKind;
use memprof_channel::ids::Stamp;
use memprof_replay::metric::Metric;
use memprof_reporter::check::{self, Budget, Outcome, Rules};
use memprof_reporter::diff::{self, By, Comparison, Diff, Order};
use memprof_reporter::flamegraph;
use memprof_reporter::leaks::LeakSettings;
use memprof_reporter::list::ListFormat;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::report::Report;
use memprof_reporter::rows::Ranking;
use memprof_reporter::suppressions::Suppressions;
use memprof_reporter::temporary::{SortBy, TextLimits};
use memprof_reporter::text::TextStyle;
use memprof_reporter::tree::{Folding, Limits, Patterns, TreeOptions};
use memprof_reporter::view::{View, ViewKind};
use memprof_reporter::{stats, tree};
use proptest::prelude::*;

fn sample() -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    builder.chunk_rows = 10;
    let sites: Vec<_> =
        (1..6).map(|line| builder.site(&[("<module>", "a.py", 90), ("f", "a.py", line)], Malloc)).collect();
    for (step, site) in (0..100).zip(sites.iter().cycle()) {
        builder.allocate(16 * (step + 1), 100, *site);
    }
    builder
}

/// Every renderer with every metric and every view, on whatever the report holds.
fn render_all(report: &mut Report) {
    for kind in [ViewKind::Hybrid, ViewKind::Python, ViewKind::Native] {
        render(report, View::of(kind));
    }
    render(report, View { show_runtime: true, ..View::of(ViewKind::Hybrid) });
    compare(report, &mut sample().report());
    hold_against_limits(report);
}

/// The report against a sound one.
fn compare(report: &mut Report, sound: &mut Report) {
    for by in [By::Stack, By::Module] {
        let comparison = Comparison { view: View::default(), metric: Metric::Total, by, order: Order::Difference };
        let diff = Diff::of(report, sound, comparison);
        let mut out = Vec::new();
        diff::write_text(&diff, 10, &TextStyle::new(80, false), &mut out).expect("memory can be written");
        diff::write_markdown(&diff, 10, &mut out).expect("memory can be written");
        diff::write_json(&diff, &mut out).expect("memory can be written");
        diff::write_csv(&diff, &mut out).expect("memory can be written");
    }
}

/// Every kind of limit. Last, since suppressed leaks are gone then.
fn hold_against_limits(report: &mut Report) {
    let limits = "max-peak = 0\nmax-leaked = 0\nmax-total = 0\nmax-temporary = 0\nmax-allocations = 0\nmax-rss = 0\n";
    let tables = ["function", "file", "module"].map(|kind| format!("[[{kind}]]\npattern = '*'\nmax-total = 0\n"));
    let budget = format!("{limits}{}[[process]]\npattern = '*'\nmax-peak = 0\n", tables.concat());
    let (_folder, path) = file_of(budget.as_bytes());
    let rules = Rules {
        budget: Budget::read(&path).expect("it is a budget"),
        growth: Vec::new(),
        suppressions: Suppressions::parse("leak:f").expect("they are well formed"),
        view: View::default(),
        sites: 5,
    };
    let outcome = Outcome::of(report, None, &rules);
    let mut out = Vec::new();
    check::write_text(report, &outcome, &TextStyle::new(80, false), &mut out).expect("memory can be written");
    check::write_markdown(report, &outcome, &mut out).expect("memory can be written");
    check::write_json(report, &outcome, &mut out).expect("memory can be written");
    check::write_annotations(&outcome, &path, &mut out).expect("memory can be written");
}

fn render(report: &mut Report, view: View) {
    let style = TextStyle::new(80, false);
    for metric in [Metric::Peak, Metric::Leaks, Metric::Total] {
        let mut out = Vec::new();
        stats::write_text(&PlaceLists::of(report, view), metric, 10, &style, &mut out).expect("memory can be written");
        stats::write_json(&PlaceLists::of(report, view), metric, 10, &mut out).expect("memory can be written");
        lists::table_text(&PlaceLists::of(report, view), metric, 10, &style, &mut out).expect("memory can be written");
        lists::table_json(&PlaceLists::of(report, view), metric, &mut out).expect("memory can be written");
        for inverted in [false, true] {
            let folding = Folding::Libraries(Patterns::default());
            let options = TreeOptions { view, metric, ranking: Ranking::Bytes, inverted, folding, biggest: None };
            tree::write_text(report, &options, Limits::default(), &style, &mut out).expect("memory can be written");
            tree::write_json(report, &options, Limits::NONE, &mut out).expect("memory can be written");
        }
    }
    let settings = LeakSettings { view, ranking: Ranking::Bytes, suppressed: Vec::new() };
    let limits = TextLimits { rows: 10, stacks: 2, frames: 10 };
    for by in ["stack,allocator", "function,process,thread", "package", "process"] {
        for format in [ListFormat::Text, ListFormat::Json] {
            lists_by::leaks_by(report, &settings, by, (format, 10, &style));
            lists_by::temporary_by(report, (view, by, SortBy::Share), limits, (format, &style));
        }
    }
    let mut out = Vec::new();
    flamegraph::write_report(report, view, Metric::Peak, &mut out).expect("memory can be written");
    flamegraph::write_html(report, view, Metric::Peak, &mut out).expect("memory can be written");
    #[cfg(feature = "svg")]
    flamegraph::write_svg(report, view, Metric::Peak, &mut out).expect("memory can be written");
}

/// The position of the `n`th chunk.
fn chunk_at(bytes: &[u8], n: usize) -> usize {
    let starts = bytes.windows(4).enumerate().filter(|(_, window)| *window == b"MPck");
    starts.map(|(at, _)| at).nth(n).expect("there are that many chunks")
}

#[test]
fn a_capture_without_an_end_is_reported_up_to_there() {
    let mut builder = sample();
    builder.summary = None;
    let mut report = builder.report();
    assert!(!report.metadata().complete);
    assert_eq!(report.notes().len(), 1);
    assert!(report.notes()[0].starts_with("The capture has no end"), "{:?}", report.notes());
    assert_eq!(report.total(Metric::Peak).bytes, 10_000);
    assert!((report.metadata().duration_s - 1.0).abs() < 1e-9, "up to the last event");
    render_all(&mut report);
}

#[test]
fn without_a_second_clock_point_times_are_estimates() {
    let mut builder = sample();
    builder.summary = None;
    builder.header.clock = ClockKind::CycleCounter;
    let mut report = builder.report();
    assert!(report.notes().iter().any(|note| note.contains("times are estimates")), "{:?}", report.notes());
    render_all(&mut report);
}

#[test]
fn a_damaged_chunk_is_left_out_and_counted() {
    let mut bytes = sample().to_bytes();
    // Header, facts, codes, frames, stacks, sites, threads; then events.
    let events = chunk_at(&bytes, 8);
    bytes[events + 56] ^= 0xff;
    let mut report = report_on(&bytes);
    assert_eq!((report.damage().chunks, report.damage().events), (1, 10));
    assert!(!report.metadata().complete);
    assert!(report.notes()[0].contains("1 damaged chunk with 10 events"), "{:?}", report.notes());
    assert_eq!(report.total(Metric::Total).allocations, 90);
    render_all(&mut report);
}

#[test]
fn releases_of_what_a_damaged_chunk_handed_out_are_unknown() {
    let mut builder = CaptureBuilder::new();
    builder.chunk_rows = 10;
    let site = builder.site(&[("f", "a.py", 1)], Malloc);
    for block in 0..20 {
        builder.allocate(16 * block, 100, site);
    }
    for block in 0..8 {
        builder.free(16 * block);
    }
    builder.resize(16 * 8, 7, site).resize(16 * 18, 8, site);
    let mut bytes = builder.to_bytes();
    let first = chunk_at(&bytes, 7);
    bytes[first + 56] ^= 0xff;
    let report = report_on(&bytes);
    let (endings, sums) = (report.aggregate().run.endings(), report.aggregate().sums.all);
    assert_eq!((endings.frees, endings.unknown_frees), (1, 9));
    assert_eq!((sums.total.allocations, sums.leaked.allocations), (12, 11));
    assert_eq!(sums.leaked.bytes, 9 * 100 + 7 + 8);
}

#[test]
fn a_lost_table_leaves_the_figures() {
    for (table, lost) in [(2, "<function lost>"), (3, "<stack lost>"), (4, "<stack lost>")] {
        let mut bytes = sample().to_bytes();
        let at = chunk_at(&bytes, table);
        bytes[at + 56] ^= 0xff;
        let mut report = report_on(&bytes);
        assert_eq!(report.total(Metric::Peak).bytes, 10_000, "table {table}");
        let mut out = Vec::new();
        lists::table_json(&PlaceLists::of(&report, View::default()), Metric::Peak, &mut out)
            .expect("memory can be written");
        assert!(String::from_utf8(out).expect("JSON is UTF-8").contains(lost), "table {table}");
        render_all(&mut report);
    }
}

#[test]
fn a_lost_table_leaves_the_native_figures() {
    // Header, facts, codes, modules, frames, symbols, stacks, sites; then threads and events.
    for (table, lost) in [
        (2, "<function lost>"),
        (3, "<module lost>+0x9abc"),
        (4, "<stack lost>"),
        (5, "_index.cpython-311-x86_64-linux-gnu.so+0x4000"),
    ] {
        let mut bytes = native_run().to_bytes();
        let at = chunk_at(&bytes, table);
        bytes[at + 56] ^= 0xff;
        let mut report = report_on(&bytes);
        let whole = native_run().report().total(Metric::Peak).bytes;
        assert_eq!(report.total(Metric::Peak).bytes, whole, "table {table}");
        let mut out = Vec::new();
        for kind in [ViewKind::Hybrid, ViewKind::Native] {
            lists::table_json(&PlaceLists::of(&report, View::of(kind)), Metric::Peak, &mut out)
                .expect("memory can be written");
        }
        assert!(String::from_utf8(out).expect("JSON is UTF-8").contains(lost), "table {table}");
        render_all(&mut report);
    }
}

#[test]
fn what_is_no_capture_is_refused_with_its_name() {
    for (bytes, says) in [(&b""[..], "is empty"), (b"\x7fELF", "is not a memprof capture"), (b"memprof\0", "cut off")] {
        let (_folder, path) = file_of(bytes);
        let error = Report::open(&path).err().expect("it is refused").to_string();
        assert!(error.contains(says) && error.contains("memprof-test.bin"), "{error}");
    }
}

#[test]
fn every_cut_is_reported_or_refused() {
    let bytes = sample().to_bytes();
    let (_folder, path) = file_of(&bytes);
    for length in (0..bytes.len()).rev() {
        std::fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(length as u64))
            .expect("it is cut");
        let Ok(report) = Report::open(&path) else { continue };
        // Cut between its parts, a file may have lost nothing but its index.
        let lossless = report.total(Metric::Total).allocations == 100;
        assert!(lossless || !report.metadata().complete, "cut to {length} bytes");
        assert_eq!(report.metadata().complete, report.notes().is_empty(), "cut to {length} bytes");
    }
}

fn any_capture() -> impl Strategy<Value = Vec<u8>> {
    (0..3).prop_map(|which| [sample, native_run, family_run][which as usize]().to_bytes())
}

/// A fact about processes with any numbers in it.
fn process_fact() -> impl Strategy<Value = Fact> {
    let image = || prop_oneof![8 => 0..7_u32, 1 => any::<u32>()];
    let stamp = || prop_oneof![4 => 0..300_000_000_u64, 1 => any::<u64>()].prop_map(Stamp);
    let pid = || prop_oneof![8 => 4710..4731_u32, 1 => any::<u32>()];
    prop_oneof![
        (image(), stamp(), pid()).prop_map(|(image, stamp, pid)| Fact::Image { image, stamp, pid }),
        (image(), pid(), pid(), proptest::option::of(image())).prop_map(|(image, pid, parent, forked_from)| {
            Fact::Process { image, pid, parent, forked_from, command_line: vec!["any".to_owned()] }
        }),
        (image(), stamp()).prop_map(|(image, at)| Fact::ProcessEnded { image, at }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn facts_about_processes_may_say_anything(kept in prop::collection::vec(any::<bool>(), 20), wrong in prop::collection::vec(process_fact(), 0..8)) {
        let mut builder = family_run();
        let mut kept = kept.into_iter().cycle();
        builder.facts.retain(|_| kept.next().unwrap_or(true));
        builder.facts.extend(wrong);
        let mut report = builder.report();
        let events = family_run().report().total(Metric::Total);
        prop_assert_eq!(report.total(Metric::Total), events, "no event is lost");
        let timeline = &report.aggregate().run.timeline;
        prop_assert!(timeline.is_sorted_by_key(|point| point.at), "{:?}", timeline);
        render(&mut report, View::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_cut_can_be_shown(at: prop::sample::Index, bytes in any_capture()) {
        let (_folder, path) = file_of(&bytes[..at.index(bytes.len())]);
        if let Ok(mut report) = Report::open(&path) {
            render_all(&mut report);
        }
    }

    #[test]
    fn any_damage_is_reported_or_refused(hits in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4), bytes in any_capture()) {
        let mut bytes = bytes;
        for (at, bits) in hits {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        let (_folder, path) = file_of(&bytes);
        if let Ok(mut report) = Report::open(&path) {
            render_all(&mut report);
        }
    }
}
