//! Names that would spoil a terminal or a layout: no report lets them.

use crate::capture_builder;
use crate::capture_builder::CaptureBuilder;
use crate::lists;
use memprof_capture::file::Thread;
use memprof_channel::allocator::Allocator::Malloc;
use memprof_channel::event::Event;
use memprof_channel::ids::Address;
use memprof_replay::metric::Metric;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::report::Report;
use memprof_reporter::rows::Ranking;
use memprof_reporter::text::TextStyle;
use memprof_reporter::tree::{Folding, Limits, Patterns, TreeOptions};
use memprof_reporter::view::View;
use memprof_reporter::{stats, tree};
use unicode_width::UnicodeWidthChar;

const ODD: [&str; 14] = [
    "tab\tbed",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;title\u{7}",
    "line\nfeed\r",
    "\u{9b}2J",
    "关于内存分配的一个名字特别特别长的函数它没有尽头也没有空格",
    "e\u{301}\u{302}\u{303}\u{304}tude",
    "\u{301}begins_with_an_accent",
    "नमस\u{94d}ते",
    "👩\u{200d}👩\u{200d}👧",
    "\u{202e}txt.exe\u{202c}",
    "zero\u{200b}width",
    "\u{2028}separated\u{2029}",
    "",
];

/// A run in which everything that has a name has one of these, and one that is long.
fn odd_run() -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    let endless = "a".repeat(400);
    let names: Vec<&str> = ODD.into_iter().chain([endless.as_str()]).collect();
    builder.header.command_line = names.iter().map(|&name| name.to_owned()).collect();
    builder.threads = (5000..).zip(&names).map(|(tid, &name)| Thread { tid, name: name.to_owned() }).collect();
    for (index, name) in names.iter().enumerate() {
        let folder = format!("/srv/{name}/{name}.py");
        let frames = [("<module>", "/srv/app.py", 1), (*name, folder.as_str(), 4_000_000), (*name, folder.as_str(), 7)];
        let python = builder.site(&frames, Malloc);
        let module = builder.module(&format!("/opt/{name}.so"), false);
        let native = builder.native(Some(module), index as u64, &[(name, &folder, 12)]);
        let native = builder.site_of(&[native], Malloc);
        for site in [python, native] {
            let address = Address(site.0.into());
            let stamp = capture_builder::START + 1 + u64::from(site.0);
            let size = 1_234_567 * (u64::from(site.0) + 1);
            builder.event(index as u32, stamp, Event::Allocation { address, size, site });
        }
    }
    builder
}

fn texts(report: &mut Report, style: &TextStyle) -> Vec<(&'static str, String)> {
    let folding = Folding::Libraries(Patterns::default());
    let (view, metric) = (View::default(), Metric::Peak);
    let options = TreeOptions { view, metric, ranking: Ranking::Bytes, inverted: false, folding, biggest: None };
    let (mut stats, mut table, mut tree) = (Vec::new(), Vec::new(), Vec::new());
    stats::write_text(&PlaceLists::of(report, view), metric, 40, style, &mut stats).expect("memory can be written");
    lists::table_text(&PlaceLists::of(report, view), metric, 60, style, &mut table).expect("memory can be written");
    tree::write_text(report, &options, Limits::NONE, style, &mut tree).expect("memory can be written");
    let text = |bytes| String::from_utf8(bytes).expect("the text is UTF-8");
    vec![("stats", text(stats)), ("table", text(table)), ("tree", text(tree))]
}

#[test]
fn no_name_moves_the_cursor_or_breaks_a_line() {
    let mut report = odd_run().report();
    for width in 60..=240 {
        for (name, text) in texts(&mut report, &TextStyle::new(width, false)) {
            for line in text.lines() {
                let columns: usize = line.chars().map(|c| c.width().unwrap_or(0)).sum();
                assert!(columns <= width, "{name}: {columns} columns for {width}: {line:?}");
                let harmful = |c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c);
                assert!(!line.contains(harmful), "{name} at {width}: {line:?}");
            }
        }
    }
}

#[test]
fn numbers_are_whole_at_any_width() {
    let mut report = odd_run().report();
    // Each row of the table begins with its figures, whatever room the rest has.
    let mut figures = |width| -> Vec<String> {
        let (_, table) = texts(&mut report, &TextStyle::new(width, false)).swap_remove(1);
        let rows = table.lines().filter(|line| line.contains("iB  ") && line.contains('%'));
        rows.map(|line| line.split_whitespace().take(4).collect::<Vec<_>>().join(" ")).collect()
    };
    let wide = figures(240);
    assert_eq!(wide.len(), 30, "{wide:#?}");
    for width in [60, 61, 80, 119] {
        assert_eq!(figures(width), wide, "{width}");
    }
}
