//! The reports that are for a terminal first: functions, lines, leaks, temporary allocations, sizes and the time line,
//! against texts that somebody has checked (golden/).

use std::fs;
use std::io;

use crate::capture_builder::{CaptureBuilder, file_of};
use crate::family_run::family_run;
use crate::golden_text::assert_golden;
use crate::lists;
use crate::lists_by::{leaks_by, temporary_by};
use crate::native_run::native_run;
use crate::sample_run::sample_run;
use memprof_channel::allocator::Allocator::{Malloc, Realloc};
use memprof_replay::metric::Metric;
use memprof_reporter::histogram::Bars;
use memprof_reporter::leaks::LeakSettings;
use memprof_reporter::lines::{LineSelection, NoSuchSource};
use memprof_reporter::list::ListFormat;
use memprof_reporter::query::Query;
use memprof_reporter::report::{BinsWanted, Report};
use memprof_reporter::rows::Ranking;
use memprof_reporter::suppressions::{SuppressedLeaks, Suppressions};
use memprof_reporter::temporary::{TemporarySettings, TextLimits};
use memprof_reporter::text::TextStyle;
use memprof_reporter::view::{View, ViewKind};
use memprof_reporter::{histogram, leaks, lines, summary, temporary, timeline};

const LIMITS: TextLimits = TextLimits { rows: 3, stacks: 1, frames: 3 };

fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("memory can be written");
    String::from_utf8(out).expect("the text is UTF-8")
}

fn opened(builder: &CaptureBuilder, query: &Query) -> Report {
    let (_folder, path) = file_of(&builder.to_bytes());
    Report::open_with(&path, query).unwrap_or_else(|error| panic!("{error}"))
}

fn summary_of(report: &Report, view: View, sort: summary::SortBy, style: &TextStyle) -> String {
    text(|out| lists::summary_text(report, (view, Metric::Peak), sort, 4, style, out))
}

/// A report without the leaks that the suppressions name.
fn suppressed(builder: &CaptureBuilder, suppressions: &str) -> (Report, Vec<SuppressedLeaks>) {
    let (_folder, path) = file_of(&builder.to_bytes());
    let mut report = Report::open_in_bins(&path, &Query::default(), BinsWanted::Always).expect("the capture is sound");
    let suppressed = report.suppress_leaks(&Suppressions::parse(suppressions).expect("they are well formed"));
    (report, suppressed)
}

fn leaks_of((report, suppressed): &(Report, Vec<SuppressedLeaks>), view: View, style: &TextStyle) -> String {
    let settings = LeakSettings { view, ranking: Ranking::Bytes, suppressed: suppressed.clone() };
    text(|out| leaks::write(report, &settings, (3, 5), (ListFormat::Text, style), out))
}

fn temporary_of(report: &Report, view: View, style: &TextStyle) -> String {
    let settings = TemporarySettings { view, by: None, sort: temporary::SortBy::Allocations };
    text(|out| temporary::write(report, settings, LIMITS, (ListFormat::Text, style), out))
}

fn lines_of(report: &Report, source: Option<&str>, sort: lines::SortBy, style: &TextStyle) -> String {
    let selection = source.map(|source| LineSelection::find(report, source).expect("there is such a file"));
    let (what, most) = ((View::default(), Metric::Peak), source.is_none().then_some(4));
    let selection = selection.unwrap_or_default();
    text(|out| lines::write(report, what, (&selection, sort), most, (ListFormat::Text, style), out))
}

fn histogram_of(report: &mut Report, by_allocator: bool, bars: Bars, style: &TextStyle) -> String {
    let sizes = report.allocation_sizes(&Query::default()).expect("the capture can be read");
    text(|out| histogram::write(report, &sizes, (by_allocator, bars), (ListFormat::Text, style), out))
}

fn timeline_of(report: &Report, rows: usize, style: &TextStyle) -> String {
    text(|out| timeline::write_text(report, rows, style, out))
}

/// Temporary allocations of two functions, one of which calls itself, and memory that stays.
pub fn churning_run() -> CaptureBuilder {
    const WALK: &str = "/srv/tracks/walk.py";
    let mut builder = CaptureBuilder::new();
    let module = ("<module>", WALK, 40);
    let deep =
        [module, ("walk", WALK, 12), ("walk", WALK, 14), ("walk", WALK, 14), ("walk", WALK, 14), ("join", WALK, 3)];
    let (join, read) = (builder.site(&deep, Realloc), builder.site(&[module, ("read", WALK, 21)], Malloc));
    let flat = builder.site(&[module, ("join", WALK, 3)], Malloc);
    for block in 0..20 {
        builder.allocate(0x1000 + block * 16, 100 + block, join).free(0x1000 + block * 16);
    }
    for block in 0..5 {
        builder.allocate(0x9000, 4096, flat).free(0x9000).allocate(0x20_000 + block * 8192, 8000, read);
    }
    builder
}

#[test]
fn functions_at_several_widths() {
    let (sample, family) = (sample_run().report(), family_run().report());
    let native = native_run().report();
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        let all = [
            summary_of(&sample, View::default(), summary::SortBy::Own, &style),
            summary_of(&native, View::default(), summary::SortBy::Total, &style),
            summary_of(&family, View::default(), summary::SortBy::Allocations, &style),
        ];
        assert_golden(&format!("summary-{width}.txt"), &all.join("\n"));
    }
}

#[test]
fn leaks_at_several_widths() {
    let sample = suppressed(&sample_run(), "# known\nleak:données\nleak:nothing\n");
    let native = suppressed(&native_run(), "");
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        let all = [leaks_of(&sample, View::default(), &style), leaks_of(&native, View::of(ViewKind::Native), &style)];
        assert_golden(&format!("leaks-{width}.txt"), &all.join("\n"));
    }
}

#[test]
fn temporary_allocations_at_several_widths() {
    let report = churning_run().report();
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        assert_golden(&format!("temporary-{width}.txt"), &temporary_of(&report, View::default(), &style));
    }
}

#[test]
fn sizes_at_several_widths() {
    let mut report = sample_run().report();
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        let all = [
            histogram_of(&mut report, false, Bars::Allocations, &style),
            histogram_of(&mut report, true, Bars::Bytes, &style),
        ];
        assert_golden(&format!("histogram-{width}.txt"), &all.join("\n"));
    }
}

#[test]
fn the_time_line_at_several_widths() {
    let report = sample_run().report();
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        let all = [
            timeline_of(&report, 15, &style),
            timeline_of(&report, 6, &style.with_unicode(false)),
            timeline_of(&CaptureBuilder::new().report(), 4, &style),
        ];
        assert_golden(&format!("timeline-{width}.txt"), &all.join("\n"));
    }
}

#[test]
fn the_time_line_as_a_picture() {
    let picture = text(|out| timeline::write_svg(&sample_run().report(), out));
    assert_golden("timeline.svg", &picture);
}

#[test]
fn files_at_several_widths() {
    let report = native_run().report();
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        let all = [
            lines_of(&report, None, lines::SortBy::Own, &style),
            lines_of(&report, Some("pool.cpp"), lines::SortBy::Own, &style),
        ];
        assert_golden(&format!("lines-files-{width}.txt"), &all.join("\n"));
    }
}

const SOURCE: &str = "\
import walk

def load(count):
\trows = []
\tfor index in range(count):
\t\trows.append(walk.join(index, 'a text that is longer than the sixty columns of a narrow terminal'))
\treturn rows

def main():
    # Nothing is allocated from here
    # to
    # the
    # line with the call.
    load(3)

main()
";

#[test]
fn lines_are_beside_their_text() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("tracks.py");
    fs::write(&path, SOURCE).expect("a file can be written");
    let file = path.to_str().expect("the name is UTF-8");
    let mut builder = CaptureBuilder::new();
    // Nobody has changed the file since then.
    builder.header.start_unix_ns = 4_000_000_000_000_000_000;
    let main = [("<module>", file, 16), ("main", file, 14), ("load", file, 6)];
    let joined = builder.site(&[&main[..], &[("join", "/srv/tracks/walk.py", 3)]].concat(), Malloc);
    let rows = builder.site(&main, Realloc);
    builder.allocate(0x1000, 1 << 20, joined).allocate(0x2000, 3 << 10, rows).allocate(0x3000, 100, rows).free(0x3000);
    let report = builder.report();
    // The title names the folder, which is another one each time.
    let from_heads = |text: String| {
        let lines = text.lines().skip_while(|line| !line.trim_start().starts_with("Line "));
        lines.fold(String::new(), |all, line| all + line + "\n")
    };
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        let all = [Some("tracks.py"), Some("tracks.py:load")]
            .map(|source| from_heads(lines_of(&report, source, lines::SortBy::Line, &style)));
        assert_golden(&format!("lines-{width}.txt"), &all.join("\n"));
    }
    let by_size = from_heads(lines_of(&report, Some(file), lines::SortBy::Total, &TextStyle::new(80, false)));
    let numbers: Vec<&str> = by_size.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(numbers, ["6", "14", "16"], "the line with memory of its own comes first: {by_size}");
}

#[test]
fn a_changed_source_is_not_shown() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("tracks.py");
    fs::write(&path, SOURCE).expect("a file can be written");
    let file = path.to_str().expect("the name is UTF-8");
    let mut builder = CaptureBuilder::new();
    builder.header.start_unix_ns = 1_000_000_000_000_000_000;
    let site = builder.site(&[("main", file, 14)], Malloc);
    builder.allocate(0x1000, 1 << 20, site);
    let text = lines_of(&builder.report(), Some("tracks.py"), lines::SortBy::Line, &TextStyle::new(80, false));
    assert!(!text.contains("load(3)") && text.contains("was changed after the recording"), "{text}");
}

#[test]
fn sources_are_found_by_the_end_of_their_path() {
    let mut builder = CaptureBuilder::new();
    for (file, line) in [("/a/b/x.py", 3), ("/a/c/x.py", 4), ("/a/c/lone.py", 5), ("/a/odd:name.py", 6)] {
        let site = builder.site(&[("run", file, line)], Malloc);
        builder.allocate(u64::from(line) << 12, 64, site);
    }
    let report = builder.report();
    let find = |text: &str| LineSelection::find(&report, text);
    for text in ["lone.py", "c/lone.py", "/a/c/lone.py", "./lone.py", "lone.py:run", "lone.py:Class.run", "lone.py:"] {
        assert!(find(text).is_ok(), "{text}");
    }
    assert_eq!(find("b/x.py"), find("/a/b/x.py"));
    assert_eq!(find("odd:name.py"), find("/a/odd:name.py"));
    assert!(find("name.py").is_err() && find("odd:name.py:run").is_ok());
    let both = vec!["/a/b/x.py".to_owned(), "/a/c/x.py".to_owned()];
    assert_eq!(find("x.py"), Err(NoSuchSource::Ambiguous("x.py".to_owned(), both)));
    assert_eq!(find("one.py"), Err(NoSuchSource::File("one.py".to_owned())));
    let function = find("lone.py:walk").expect_err("there is none").to_string();
    assert_eq!(function, "no function walk of /a/c/lone.py allocated anything; those that did are run");
}

#[test]
fn suppressed_leaks_are_taken_out_of_all_sums() {
    let mut report = family_run().report();
    let (before, peak) = (report.total(Metric::Leaks), report.total(Metric::Peak));
    let suppressed = report.suppress_leaks(&Suppressions::parse("leak:socketserver\nleak:work").expect("it is sound"));
    let after = report.total(Metric::Leaks);
    let taken: u64 = suppressed.iter().map(|suppressed| suppressed.amount.bytes).sum();
    assert!(taken > 0 && after.bytes > 0, "{suppressed:?}");
    assert_eq!(before.bytes, after.bytes + taken);
    assert_eq!(report.total(Metric::Peak), peak, "nothing else is");
    let of_processes: u64 = report.aggregate().sums.by_process.iter().map(|process| process.leaked.bytes).sum();
    assert_eq!(of_processes, after.bytes);
}

#[test]
fn no_line_is_longer_than_the_width() {
    let mut cut_off = sample_run();
    cut_off.summary = None;
    let builders = [cut_off, native_run(), family_run(), churning_run()];
    let pattern = "leak:a pattern that says a lot, and is as long as some names are";
    let mut reports = builders.map(|builder| (builder.report(), suppressed(&builder, pattern)));
    for width in (60..100).chain((100..=240).step_by(7)) {
        let style = TextStyle::new(width, false).with_unicode(width % 2 == 0);
        for (report, leaks) in &mut reports {
            let mut all = vec![
                lines_of(report, None, lines::SortBy::Own, &style),
                histogram_of(report, false, Bars::Bytes, &style),
                histogram_of(report, true, Bars::Allocations, &style),
                timeline_of(report, 12, &style),
            ];
            for view in [View::default(), View::of(ViewKind::Native)] {
                all.push(summary_of(report, view, summary::SortBy::Own, &style));
                all.push(leaks_of(leaks, view, &style));
                all.push(temporary_of(report, view, &style));
                let settings = LeakSettings { view, ranking: Ranking::Bytes, suppressed: leaks.1.clone() };
                for by in ["stack,allocator", "function,process,thread", "package", "thread"] {
                    let what = (view, by, temporary::SortBy::Bytes);
                    all.push(temporary_by(report, what, LIMITS, (ListFormat::Text, &style)));
                    all.push(leaks_by(&leaks.0, &settings, by, (ListFormat::Text, 3, &style)));
                }
            }
            for line in all.join("").lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert_eq!(line, line.trim_end(), "no blanks at the end");
                // The sample's names have other letters.
                let drawn = line.contains(['…', '▇', '█', '│', '─', '•', '▼', '└', '┴']);
                assert!(!drawn || style.unicode(), "{line}");
            }
        }
    }
}

#[test]
fn a_selection_of_sizes_is_that_of_the_totals() {
    let queries = ["--all", "only", "thread", "allocator", "range"].map(|what| {
        let mut query = Query::default();
        match what {
            "only" => query.only = vec!["random.py".parse().expect("a pattern")],
            "thread" => query.threads = vec!["loader".parse().expect("a pattern")],
            "allocator" => query.allocators = vec![Realloc],
            "range" => (query.from, query.to) = ("0.1".parse().ok(), "50%".parse().ok()),
            _ => {}
        }
        query
    });
    for query in queries {
        for builder in [sample_run(), family_run()] {
            let (_folder, path) = file_of(&builder.to_bytes());
            let mut report = Report::open_with(&path, &query).expect("the capture is sound");
            let sizes = report.allocation_sizes(&query).expect("the capture can be read");
            let (mut bytes, mut allocations) = (0, 0);
            for class in sizes.all() {
                let mean = class.amount.bytes / class.amount.allocations.max(1);
                assert!(class.amount.allocations == 0 || (class.min_bytes..=class.max_bytes).contains(&mean));
                bytes += class.amount.bytes;
                allocations += class.amount.allocations;
            }
            let total = report.total(Metric::Total);
            assert_eq!((bytes, allocations), (total.bytes, total.allocations), "{query:?}");
        }
    }
    let loader = Query { threads: vec!["loader".parse().expect("a pattern")], ..Query::default() };
    assert!(opened(&sample_run(), &loader).total(Metric::Total).bytes > 0, "the queries select something");
}
