//! Reports for a terminal, against texts that somebody has checked.

use crate::family_run::{GZIP, MAIN, family_run};
use crate::golden_text::assert_golden;
use crate::lists;
use crate::native_run::native_run;
use crate::sample_run::sample_run;
use memprof_capture::file::Fact;
use memprof_channel::object_tracing::ObjectTracing;
use memprof_replay::metric::Metric;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::stats;
use memprof_reporter::text::TextStyle;
use memprof_reporter::view::{View, ViewKind};

#[test]
fn stats_and_tables_at_several_widths() {
    let report = sample_run().report();
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        let mut out = Vec::new();
        stats::write_text(&PlaceLists::of(&report, View::default()), Metric::Peak, 5, &style, &mut out)
            .expect("memory can be written");
        let text = String::from_utf8(out).expect("the text is UTF-8");
        assert_golden(&format!("stats-{width}.txt"), &text);
        let mut out = Vec::new();
        lists::table_text(&PlaceLists::of(&report, View::default()), Metric::Leaks, 5, &style, &mut out)
            .expect("memory can be written");
        let text = String::from_utf8(out).expect("the text is UTF-8");
        assert_golden(&format!("table-leaks-{width}.txt"), &text);
    }
}

#[test]
fn native_names_at_several_widths() {
    let (report, view) = (native_run().report(), View::of(ViewKind::Native));
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        let mut out = Vec::new();
        stats::write_text(&PlaceLists::of(&report, View::default()), Metric::Peak, 20, &style, &mut out)
            .expect("memory can be written");
        lists::table_text(&PlaceLists::of(&report, view), Metric::Total, 20, &style, &mut out)
            .expect("memory can be written");
        assert_golden(&format!("native-{width}.txt"), &String::from_utf8(out).expect("the text is UTF-8"));
    }
}

#[test]
fn families_at_several_widths() {
    let report = family_run().report();
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        let mut out = Vec::new();
        stats::write_text(&PlaceLists::of(&report, View::default()), Metric::Peak, 3, &style, &mut out)
            .expect("memory can be written");
        lists::table_text(&PlaceLists::of(&report, View::default()), Metric::Leaks, 3, &style, &mut out)
            .expect("memory can be written");
        assert_golden(&format!("family-{width}.txt"), &String::from_utf8(out).expect("the text is UTF-8"));
    }
    let some = family_run().report_of(&[MAIN, GZIP]).expect("they were recorded");
    let mut out = Vec::new();
    let style = TextStyle::new(80, false);
    stats::write_text(&PlaceLists::of(&some, View::default()), Metric::Peak, 3, &style, &mut out)
        .expect("memory can be written");
    assert_golden("family-some.txt", &String::from_utf8(out).expect("the text is UTF-8"));
}

#[test]
fn what_is_said_of_python_s_allocators() {
    let texts = |version: &str, allocator: &str, traced: bool| {
        let mut builder = sample_run();
        builder.header.python_allocators_traced = if traced { ObjectTracing::Always } else { ObjectTracing::Never };
        let (version, allocator) = (version.to_owned(), allocator.to_owned());
        builder.facts = vec![Fact::Python { version, allocator, stacks: true }];
        let report = builder.report();
        let style = TextStyle::new(240, false);
        let (mut stats, mut table) = (Vec::new(), Vec::new());
        stats::write_text(&PlaceLists::of(&report, View::default()), Metric::Peak, 5, &style, &mut stats)
            .expect("it can be written");
        lists::table_text(&PlaceLists::of(&report, View::default()), Metric::Peak, 5, &style, &mut table)
            .expect("it can be written");
        [stats, table].map(|text| String::from_utf8(text).expect("the text is UTF-8"))
    };
    let [stats, table] = texts("3.11.7", "pymalloc", false);
    assert!(stats.contains("3.11.7 with pymalloc, not traced\n"), "{stats}");
    assert!(stats.contains("arenas of 1 MiB by mmap") && stats.contains("--trace-python-allocators"), "{stats}");
    assert!(table.contains("arenas of 1 MiB by mmap"), "{table}");
    // The sample's mappings are no arenas of 3.9.
    let [stats, table] = texts("3.9.18", "pymalloc_debug", false);
    assert!(stats.contains("arenas of 256 KiB by mmap") && !table.contains("arena"), "{stats}{table}");
    let [stats, table] = texts("3.12.1", "malloc", false);
    assert!(stats.contains("3.12.1 with malloc, not traced\n") && !stats.contains("arena"), "{stats}");
    assert!(!table.contains("arena"), "{table}");
    let [stats, table] = texts("3.11.7", "pymalloc", true);
    assert!(stats.contains("3.11.7 with pymalloc, traced\n") && stats.contains("were traced: what they"), "{stats}");
    assert!(!table.contains("arena"), "{table}");
    for version in ["3.14.9t", "3.13.1"] {
        let [stats, table] = texts(version, "mimalloc", false);
        assert!(stats.contains("come from mimalloc") && stats.contains("--trace-python-allocators"), "{stats}");
        assert!(table.contains("come from mimalloc") && !table.contains("arena"), "{table}");
        let [stats, table] = texts(version, "mimalloc_debug", true);
        assert!(stats.contains("(what mimalloc maps)") && !table.contains("mimalloc"), "{stats}{table}");
    }
    // What was asked for is not always to be had.
    let [stats, _] = texts("2.7.18", "", true);
    assert!(stats.contains("2.7.18, its allocators not traced\n") && !stats.contains("were traced"), "{stats}");
}

#[test]
fn no_line_is_longer_than_the_width() {
    let mut cut_off = sample_run();
    cut_off.summary = None;
    let reports = [cut_off.report(), native_run().report(), family_run().report()];
    for width in 60..=240 {
        let style = TextStyle::new(width, false);
        let mut out = Vec::new();
        for (report, kind) in reports.iter().flat_map(|report| [(report, ViewKind::Hybrid), (report, ViewKind::Native)])
        {
            let view = View::of(kind);
            for metric in [Metric::Peak, Metric::Leaks, Metric::Total] {
                stats::write_text(&PlaceLists::of(report, view), metric, 10, &style, &mut out)
                    .expect("memory can be written");
                lists::table_text(&PlaceLists::of(report, view), metric, 10, &style, &mut out)
                    .expect("memory can be written");
            }
        }
        for line in String::from_utf8(out).expect("the text is UTF-8").lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
            assert_eq!(line, line.trim_end(), "no blanks at the end");
        }
    }
}

#[test]
fn a_missing_end_is_said() {
    let mut builder = sample_run();
    builder.summary = None;
    let mut out = Vec::new();
    let style = TextStyle::new(80, false);
    stats::write_text(&PlaceLists::of(&builder.report(), View::default()), Metric::Leaks, 3, &style, &mut out)
        .expect("memory can be written");
    assert_golden("stats-cut-off.txt", &String::from_utf8(out).expect("the text is UTF-8"));
}

#[test]
fn headings_are_bold_where_that_can_be_seen() {
    let report = sample_run().report();
    let text = |emphasis| {
        let mut out = Vec::new();
        stats::write_text(
            &PlaceLists::of(&report, View::default()),
            Metric::Peak,
            5,
            &TextStyle::new(80, emphasis),
            &mut out,
        )
        .expect("it can be written");
        String::from_utf8(out).expect("the text is UTF-8")
    };
    assert!(text(true).starts_with("\x1b[1mRun\x1b[0m\n"));
    assert_eq!(text(true).replace("\x1b[1m", "").replace("\x1b[0m", ""), text(false));
}
