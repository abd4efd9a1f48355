//! The call tree as text and as JSON.

use crate::capture_builder::CaptureBuilder;
use crate::family_run::family_run;
use crate::golden_text::assert_golden;
use crate::native_run::native_run;
use crate::sample_run::sample_run;
use crate::tree_run::{MIB, options, tree_run};
use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use memprof_reporter::report::Report;
use memprof_reporter::rows::Ranking;
use memprof_reporter::text::TextStyle;
use memprof_reporter::tree::{Folding, Limits, Patterns, TreeOptions, write_json, write_text};
use memprof_reporter::view::{View, ViewKind};
use serde_json::Value;

fn text_of(report: &mut Report, options: &TreeOptions, limits: Limits, style: TextStyle) -> String {
    let mut out = Vec::new();
    write_text(report, options, limits, &style, &mut out).expect("memory can be written");
    String::from_utf8(out).expect("the text is UTF-8")
}

fn json_of(report: &mut Report, options: &TreeOptions, limits: Limits) -> Value {
    let mut out = Vec::new();
    write_json(report, options, limits, &mut out).expect("memory can be written");
    serde_json::from_slice(&out).expect("it is JSON")
}

fn amount(row: &Value, bytes: &str, allocations: &str) -> Amount {
    let number = |name: &str| row[name].as_u64().expect("a number");
    Amount { bytes: number(bytes), allocations: number(allocations) }
}

/// Checks that the rows below each row make up what it has, as far as it has rows below.
fn assert_sums(tree: &Value, what: &str) {
    let rows = tree["calls"].as_array().expect("a list");
    let mut below = vec![Amount::default(); rows.len()];
    let mut has_rows = vec![false; rows.len()];
    for (index, row) in rows.iter().enumerate().skip(1) {
        let parent = row["parent"].as_u64().expect("only the root has none") as usize;
        assert!(parent < index, "{what}: {row}");
        below[parent].add(amount(row, "bytes", "allocations"));
        has_rows[parent] = true;
    }
    assert_eq!(amount(&rows[0], "bytes", "allocations"), amount(&tree["total"], "bytes", "allocations"), "{what}");
    for (index, row) in rows.iter().enumerate().filter(|&(index, _)| has_rows[index]) {
        assert_eq!(below[index], amount(row, "bytes", "allocations"), "{what}: row {index} of {tree:#}");
    }
}

#[test]
fn the_text_at_several_widths() {
    let mut report = tree_run().report();
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        let mut text = text_of(&mut report, &options(), Limits::default(), style);
        let inverted = TreeOptions { inverted: true, metric: Metric::Total, ..options() };
        let limits = Limits { threshold_percent: 3.0, ..Limits::default() };
        text += &text_of(&mut report, &inverted, limits, style.with_unicode(false));
        let shown = Patterns { show: vec!["pandas".parse().expect("a pattern")], hide: Vec::new() };
        let by_count = TreeOptions { ranking: Ranking::Allocations, folding: Folding::Libraries(shown), ..options() };
        text += &text_of(&mut report, &by_count, Limits { calls: 12, ..Limits::NONE }, style);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(width), "{widest:?} columns for {width}:\n{text}");
        assert_golden(&format!("tree-{width}.txt"), &text);
    }
}

#[test]
fn rows_add_up_whatever_is_left_out() {
    let limits = [
        Limits::NONE,
        Limits::default(),
        Limits { threshold_percent: 20.0, ..Limits::NONE },
        Limits { calls: 5, ..Limits::NONE },
        Limits { depth: 2, ..Limits::NONE },
        Limits { depth: 0, ..Limits::NONE },
    ];
    let foldings = [Folding::Nothing, Folding::Libraries(Patterns::default())];
    for builder in [CaptureBuilder::new(), sample_run(), family_run(), native_run(), tree_run()] {
        let mut report = builder.report();
        for (limits, inverted) in limits.into_iter().flat_map(|limits| [(limits, false), (limits, true)]) {
            for (metric, folding) in Metric::ALL.into_iter().flat_map(|metric| foldings.clone().map(|f| (metric, f))) {
                for (kind, biggest) in [(ViewKind::Hybrid, None), (ViewKind::Python, Some(2)), (ViewKind::Native, None)]
                {
                    let (view, folding) = (View::of(kind), folding.clone());
                    let options = TreeOptions { view, metric, inverted, folding, biggest, ..options() };
                    assert_sums(&json_of(&mut report, &options, limits), &format!("{options:?} {limits:?}"));
                }
            }
        }
    }
}

fn functions(tree: &Value) -> Vec<&str> {
    let rows = tree["calls"].as_array().expect("a list").iter();
    rows.filter(|row| row["kind"] == "python").map(|row| row["function"].as_str().expect("a text")).collect()
}

#[test]
fn libraries_are_folded_up_to_what_they_call_back() {
    let tree = json_of(&mut tree_run().report(), &options(), Limits::NONE);
    let rows = tree["calls"].as_array().expect("a list");
    let index =
        rows.iter().position(|row| row["function"] == "read_csv").expect("the first frame of the library is shown");
    let (hidden, below) = (&rows[index + 1], &rows[index + 2..index + 4]);
    assert_eq!((hidden["kind"].as_str(), hidden["calls"].as_u64()), (Some("hidden"), Some(2)));
    assert_eq!(hidden["own_bytes"], 12 * MIB);
    assert_eq!((below[0]["function"].as_str(), below[0]["bytes"].as_u64()), (Some("convert"), Some(30 * MIB)));
    assert_eq!((below[1]["kind"].as_str(), below[1]["bytes"].as_u64()), (Some("own"), Some(12 * MIB)));
    assert!(!functions(&tree).iter().any(|name| name.starts_with("_find_and_load")), "{tree:#}");
    let everything =
        json_of(&mut tree_run().report(), &TreeOptions { folding: Folding::Nothing, ..options() }, Limits::NONE);
    assert!(functions(&everything).contains(&"_find_and_load_unlocked"));
    assert!(everything["calls"].as_array().expect("a list").iter().all(|row| row["kind"] != "hidden"));
}

#[test]
fn an_inverted_tree_begins_with_what_allocates() {
    let options = TreeOptions { inverted: true, folding: Folding::Nothing, ..options() };
    let tree = json_of(&mut tree_run().report(), &options, Limits::NONE);
    let rows = tree["calls"].as_array().expect("a list");
    let first: Vec<&str> = rows
        .iter()
        .filter(|row| row["parent"] == 0)
        .take(3)
        .map(|row| row["function"].as_str().expect("a text"))
        .collect();
    assert_eq!(first, ["convert", "__init__", "index"]);
    let chain: Vec<&str> = rows[1..8].iter().map(|row| row["function"].as_str().expect("a text")).collect();
    assert_eq!(chain, ["convert", "__init__", "_read", "read_csv", "load", "main", "<module>"]);
    assert_eq!((rows[7]["own_bytes"].as_u64(), rows[6]["own_bytes"].as_u64()), (Some(30 * MIB), Some(0)));
}

#[test]
fn only_the_ways_to_the_biggest_are_shown() {
    let options = TreeOptions { biggest: Some(1), ..options() };
    let tree = json_of(&mut tree_run().report(), &options, Limits::NONE);
    assert_eq!(functions(&tree), ["<module>", "main", "load", "read_csv", "convert"]);
}

#[test]
fn a_stack_of_any_depth_is_printed() {
    let mut builder = CaptureBuilder::new();
    let frames = [("even", "/srv/deep.py", 1), ("odd", "/srv/deep.py", 2)];
    let site = builder.deep_site(&frames, 100_000, memprof_channel::allocator::Allocator::Malloc);
    builder.allocate(0x10, 4096, site);
    let mut report = builder.report();
    let tree = json_of(&mut report, &options(), Limits::NONE);
    assert_eq!(tree["calls"].as_array().map(Vec::len), Some(100_001));
    let text = text_of(&mut report, &options(), Limits::default(), TextStyle::new(80, false));
    assert!(text.ends_with("+1 call\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("100.0%")).count(), 200);
    let recursion = [("walk", "/srv/deep.py", 7)];
    let mut builder = CaptureBuilder::new();
    let site = builder.deep_site(&recursion, 50_000, memprof_channel::allocator::Allocator::Malloc);
    builder.allocate(0x10, 4096, site);
    let text = text_of(&mut builder.report(), &options(), Limits::default(), TextStyle::new(80, false));
    assert!(text.ends_with("walk (/srv/deep.py:7) ×50,000\n"), "{text}");
}
