//! Two captures compared: what is the same in both, what the figures add up to, and how they are printed
//! (golden/diff-*). After a change that is wanted, run the test with `MEMPROF_UPDATE_GOLDEN=1` and check the
//! difference.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::capture_builder::{CaptureBuilder, Place};
use crate::family_run;
use crate::golden_text::assert_golden;
use crate::json_schema;
use crate::page_data::data_of;
use crate::sample_run::sample_run;
use memprof_capture::file::Fact;
use memprof_channel::allocator::Allocator::{Malloc, Mmap};
use memprof_replay::metric::Metric;
use memprof_reporter::diff::{
    By, Change, Comparison, Diff, Difference, GrowthLimit, Order, Status, write_html, write_json, write_markdown,
    write_text,
};
use memprof_reporter::text::TextStyle;
use memprof_reporter::view::{View, ViewKind};
use proptest::prelude::*;
use serde_json::Value;

pub const ALL: [By; 5] = [By::Stack, By::Function, By::Line, By::Module, By::Package];

pub fn comparison(by: By, metric: Metric) -> Comparison {
    Comparison { view: View::default(), metric, by, order: Order::Difference }
}

/// Compares and hands the outcome on.
pub fn with_diff<T>(
    before: &CaptureBuilder,
    after: &CaptureBuilder,
    comparison: Comparison,
    then: impl FnOnce(&Diff) -> T,
) -> T {
    let (mut before, mut after) = (before.report(), after.report());
    then(&Diff::of(&mut before, &mut after, comparison))
}

/// What differs, by label.
fn changes(before: &CaptureBuilder, after: &CaptureBuilder, by: By) -> Vec<(String, Status, i128)> {
    with_diff(before, after, comparison(by, Metric::Total), |diff| {
        let row = |row| (diff.label(row).to_string(), row.change.status(), row.change.difference().bytes);
        diff.rows().iter().map(row).collect()
    })
}

/// A run in which these stacks allocate so much, in turn.
pub fn run(stacks: &[(&[Place], u64)]) -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    for (number, (stack, size)) in (1..).zip(stacks) {
        let site = builder.site(stack, Malloc);
        builder.allocate(number << 12, *size, site);
    }
    builder
}

#[test]
fn lines_count_only_where_asked() {
    let before = run(&[(&[("main", "a.py", 10), ("load", "a.py", 20)], 100)]);
    let after = run(&[(&[("main", "a.py", 12), ("load", "a.py", 22)], 100)]);
    for by in [By::Stack, By::Function, By::Module] {
        assert_eq!(changes(&before, &after, by), [], "{by:?}");
    }
    let by_line = [("load (a.py:20)".to_owned(), Status::Gone, -100), ("load (a.py:22)".to_owned(), Status::New, 100)];
    assert_eq!(changes(&before, &after, By::Line), by_line);
}

#[test]
fn every_status_and_what_it_sums_up_to() {
    let main: Place = ("main", "a.py", 1);
    let [gone, new, grown, shrunk, same] =
        ["gone", "new", "grown", "shrunk", "same"].map(|name| [main, (name, "a.py", 5)]);
    let before = run(&[(&gone, 10), (&grown, 20), (&shrunk, 300), (&same, 7)]);
    let after = run(&[(&new, 50), (&grown, 25), (&shrunk, 200), (&same, 7)]);
    for by in [By::Stack, By::Function] {
        let expected = [("shrunk", Status::Shrunk, -100), ("new", Status::New, 50), ("gone", Status::Gone, -10)];
        let mut expected = expected.map(|(name, status, bytes)| (format!("{name} (a.py)"), status, bytes)).to_vec();
        expected.push(("grown (a.py)".to_owned(), Status::Grown, 5));
        assert_eq!(changes(&before, &after, by), expected);
    }
    with_diff(&before, &after, comparison(By::Function, Metric::Total), |diff| {
        assert_eq!(diff.sum(Status::Unchanged).rows, 1);
        assert_eq!(diff.sum(Status::Unchanged).change.after.bytes, 7);
        assert_eq!(diff.sum(Status::Shrunk).change.difference(), Difference { bytes: -100, allocations: 0 });
        assert_eq!(diff.total().difference(), Difference { bytes: -55, allocations: 0 });
        assert!(diff.matches().is_empty());
    });
}

#[test]
fn orders() {
    let names = ["a", "b", "c"].map(|name| [(name, "f.py", 1)]);
    let before = run(&[(&names[0], 100), (&names[1], 50), (&names[2], 10)]);
    let after = run(&[(&names[0], 20), (&names[1], 110), (&names[2], 11), (&names[2], 1), (&names[2], 1)]);
    for (order, expected) in [
        (Order::Difference, "abc"),
        (Order::Growth, "bca"),
        (Order::Allocations, "cab"),
        (Order::Before, "abc"),
        (Order::After, "bac"),
    ] {
        let comparison = Comparison { order, ..comparison(By::Function, Metric::Total) };
        let found: String = with_diff(&before, &after, comparison, |diff| {
            diff.rows().iter().map(|row| diff.label(row).to_string().remove(0)).collect()
        });
        assert_eq!(found, expected, "{order:?}");
    }
}

#[test]
fn another_checkout_and_environment_are_the_same() {
    let stack = |root: &str, python: &str| {
        let file = |path: &str| path.replace("ROOT", root).replace("PYTHON", python);
        let [main, db] = ["ROOT/app/main.py", "ROOT/app/db.py"].map(file);
        let [json, init] = ["PYTHON/json/decoder.py", "PYTHON/json/__init__.py"].map(file);
        let mut builder = CaptureBuilder::new();
        for (address, path) in [(1 << 12, &main), (2 << 12, &db)] {
            let frames: [Place; 4] =
                [("<module>", path, 3), ("load", path, 9), ("loads", &init, 340), ("raw_decode", &json, 350)];
            let site = builder.site(&frames, Malloc);
            builder.allocate(address, 100, site);
        }
        builder
    };
    let before = stack("/home/ada/shop", "/usr/lib/python3.11");
    let after = stack("/srv/ci/build 7", "/opt/venv/lib/python3.12");
    for by in ALL {
        assert_eq!(changes(&before, &after, by), [], "{by:?}");
    }
    with_diff(&before, &after, comparison(By::Function, Metric::Total), |diff| {
        let folders: Vec<_> =
            diff.matches().folders.iter().map(|it| (it.before.as_str(), it.after.as_str(), it.files)).collect();
        let expected =
            [("/home/ada/shop", "/srv/ci/build 7", 2), ("/usr/lib/python3.11", "/opt/venv/lib/python3.12", 2)];
        assert_eq!(folders, expected);
    });
}

#[test]
fn a_renamed_file_is_the_same_and_said_so() {
    let file = |name: &'static str| -> [Place<'static>; 3] {
        [("<module>", "main.py", 1), ("parse", name, 10), ("tokens", name, 30)]
    };
    let (before, after) = (run(&[(&file("src/old.py"), 100)]), run(&[(&file("src/new.py"), 150)]));
    assert_eq!(changes(&before, &after, By::Function), [("tokens (src/new.py)".to_owned(), Status::Grown, 50)]);
    with_diff(&before, &after, comparison(By::Module, Metric::Total), |diff| {
        assert_eq!(diff.matches().files.len(), 1);
        assert_eq!(diff.matches().files[0].before, "src/old.py");
        let text = text_of(diff, 100);
        assert!(text.contains("src/new.py is taken for src/old.py, renamed"), "{text}");
    });
}

#[test]
fn packages_are_the_same_wherever_they_are_installed() {
    let [numpy, newer, pandas] = [
        ("dot", "/home/ada/venv/lib/python3.11/site-packages/numpy/linalg.py", 7),
        ("dot", "/opt/app/lib/python3.13/site-packages/numpy/linalg.py", 9),
        ("read", "/opt/app/lib/python3.13/site-packages/pandas/io.py", 3),
    ];
    let main = ("main", "main.py", 1);
    let before = run(&[(&[main, numpy], 100), (&[main], 10)]);
    let after = run(&[(&[main, newer], 130), (&[main, pandas], 70), (&[main, newer], 20), (&[main], 10)]);
    let expected = [("pandas".to_owned(), Status::New, 70), ("numpy".to_owned(), Status::Grown, 50)];
    assert_eq!(changes(&before, &after, By::Package), expected);
    with_diff(&before, &after, comparison(By::Package, Metric::Total), |diff| {
        assert_eq!(diff.sum(Status::Unchanged).rows, 1, "<program>");
    });
}

#[test]
fn a_moved_function_is_the_same_and_said_so() {
    // Both files stay, with a function each; `tokens` goes from one to the other.
    let stack = |file: &'static str| -> [Place<'static>; 3] {
        [("main", "main.py", 1), ("parse", "parser.py", 10), ("tokens", file, 30)]
    };
    let other: [Place; 2] = [("main", "main.py", 2), ("words", "lexer.py", 5)];
    let before = run(&[(&stack("parser.py"), 100), (&other, 1)]);
    let after = run(&[(&stack("lexer.py"), 160), (&other, 1)]);
    assert_eq!(changes(&before, &after, By::Stack), [("tokens (lexer.py)".to_owned(), Status::Grown, 60)]);
    with_diff(&before, &after, comparison(By::Function, Metric::Total), |diff| {
        let moved = &diff.matches().functions;
        assert_eq!(moved.len(), 1);
        assert_eq!((moved[0].before.as_str(), moved[0].after.as_str()), ("parser.py", "lexer.py"));
    });
}

#[test]
fn different_functions_of_one_name_stay_apart() {
    // The same name in new surroundings: other callers, other callees.
    let before = run(&[(&[("main", "m.py", 1), ("index", "a.py", 3), ("run", "a.py", 10), ("leaf", "a.py", 20)], 9)]);
    let after = run(&[(&[("main", "m.py", 1), ("query", "b.py", 4), ("run", "b.py", 10), ("tail", "b.py", 20)], 9)]);
    assert_eq!(changes(&before, &after, By::Function).len(), 2);
    with_diff(&before, &after, comparison(By::Function, Metric::Total), |diff| assert!(diff.matches().is_empty()));
}

#[test]
fn processes_of_other_numbers_are_the_same() {
    // Children that the second run starts under other numbers.
    let first = family_run::family_run();
    let mut second = family_run::family_run();
    for fact in &mut second.facts {
        if let Fact::Image { pid, .. } | Fact::Process { pid, .. } = fact {
            *pid += 1000;
        }
    }
    assert_eq!(changes(&first, &second, By::Stack), []);
}

#[test]
fn native_code_is_of_its_module() {
    let library = |folder: &str, size: u64| {
        let mut builder = CaptureBuilder::new();
        let main = builder.python(("main", "main.py", 3));
        let module = builder.module(&format!("{folder}/libz.so.1"), false);
        let inflate = builder.native(Some(module), 0x40, &[("inflate", "zlib/inflate.c", 77)]);
        let site = builder.site_of(&[main, inflate], Malloc);
        builder.allocate(1 << 12, size, site);
        builder
    };
    let comparison = Comparison { view: View::of(ViewKind::Native), ..comparison(By::Module, Metric::Peak) };
    with_diff(&library("/lib", 8), &library("/lib", 9), comparison, |diff| {
        let labels: Vec<String> = diff.rows().iter().map(|row| diff.label(row).to_string()).collect();
        assert_eq!(labels, ["/lib/libz.so.1"]);
    });
}

/// The page of the sample run before and after somebody has worked on it.
fn page() -> Vec<u8> {
    let [before, after] = worked_on();
    let (mut before, mut after) = (before.report(), after.report());
    let mut out = Vec::new();
    let shape = (View::default(), Metric::Total, false);
    write_html(&mut before, &mut after, shape, &mut out).expect("memory can be written");
    out
}

/// For tests/page/difference.test.mjs: `MEMPROF_PAGES` names the folder.
#[test]
fn a_page_for_the_browser() {
    let Some(folder) = std::env::var_os("MEMPROF_PAGES").map(PathBuf::from) else { return };
    fs::write(folder.join("difference.html"), page()).expect("the page can be written");
}

#[test]
fn the_page_has_the_amounts_of_both() {
    let page = String::from_utf8(page()).expect("it is UTF-8");
    let data = data_of(&page);
    let sum = |table: &str, column: &str| -> u64 {
        data[table][column].as_array().expect("a column").iter().map(|value| value.as_u64().expect("a number")).sum()
    };
    let [before, after] = worked_on().map(|run| run.report());
    for metric in Metric::ALL {
        let (name, totals) = (metric.name(), [before.total(metric), after.total(metric)]);
        assert_eq!(sum("before", &format!("{name}_bytes")), totals[0].bytes);
        assert_eq!(sum("before", &format!("{name}_allocations")), totals[0].allocations);
        assert_eq!(sum("cells", &format!("{name}_bytes")), totals[1].bytes);
        assert_eq!(data["before"]["totals"][name]["bytes"], totals[0].bytes);
        assert_eq!(data["totals"][name]["bytes"], totals[1].bytes);
    }
    // What was renamed is one frame.
    let functions = data["frames"]["function"].as_array().expect("a column");
    let names: Vec<&Value> =
        functions.iter().map(|name| &data["strings"][name.as_u64().expect("a number") as usize]).collect();
    for (name, times) in [("fill", 1), ("row|s", 1), ("first_try", 1), ("cached", 1), ("descend", 1)] {
        assert_eq!(names.iter().filter(|known| **known == name).count(), times, "{name}");
    }
}

fn text_of(diff: &Diff, width: usize) -> String {
    let mut out = Vec::new();
    write_text(diff, 6, &TextStyle::new(width, false), &mut out).expect("memory can be written");
    String::from_utf8(out).expect("the text is UTF-8")
}

/// The sample run before and after somebody has worked on it, elsewhere.
pub fn worked_on() -> [CaptureBuilder; 2] {
    let work = |root: &str, table: &str, sizes: [u64; 3]| {
        let (main, table) = (format!("{root}/primes/main.py"), format!("{root}/primes/{table}.py"));
        let mut builder = sample_run();
        let rows: [Place; 3] = [("<module>", &main, 33), ("fill", &table, 14), ("row|s", &table, 40)];
        let cells: [Place; 3] = [("<module>", &main, 33), ("fill", &table, 14), ("cells", &table, 50)];
        let only: [Place; 2] =
            [("<module>", &main, 35), (["first_try", "cached"][usize::from(root != "/srv")], &main, 60)];
        for (number, (stack, size)) in (1..).zip([(&rows[..], sizes[0]), (&cells, sizes[1]), (&only, sizes[2])]) {
            let site = builder.site(stack, Malloc);
            builder.allocate(number << 32, size, site);
        }
        let deep: Vec<Place> = (0..20).map(|level| ("descend", main.as_str(), 70 + level)).collect();
        let site = builder.site(&deep, Mmap);
        builder.map(0x7e00_0000_0000, sizes[0], site);
        builder
    };
    let before = work("/srv", "table", [100_000, 9_000_000, 70_000]);
    let mut after = work("/home/ada/checkouts/with a longer name", "grid", [123_456_789, 8_000_000, 9_000]);
    after.facts = vec![Fact::Python { version: "3.12.1".to_owned(), allocator: "pymalloc".to_owned(), stacks: true }];
    [before, after]
}

#[test]
fn texts_at_several_widths() {
    for (by, name) in [(By::Stack, "stack"), (By::Function, "function"), (By::Module, "module")] {
        let [before, after] = worked_on();
        with_diff(&before, &after, comparison(by, Metric::Total), |diff| {
            for width in [60, 80, 120] {
                let text = text_of(diff, width);
                let too_wide = text.lines().find(|line| line.chars().count() > width);
                assert_eq!(too_wide, None, "at {width}: {text}");
                assert_golden(&format!("diff-{name}-{width}.txt"), &text);
            }
        });
    }
}

#[test]
fn markdown_for_a_comment() {
    for (by, name) in [(By::Stack, "stack"), (By::Line, "line")] {
        let [before, after] = worked_on();
        with_diff(&before, &after, comparison(by, Metric::Total), |diff| {
            let mut out = Vec::new();
            write_markdown(diff, 4, &mut out).expect("memory can be written");
            assert_golden(&format!("diff-{name}.md"), &String::from_utf8(out).expect("the text is UTF-8"));
        });
    }
}

#[test]
fn json_follows_its_schema_and_adds_up() {
    for by in ALL {
        for metric in Metric::ALL {
            let [before, after] = worked_on();
            with_diff(&before, &after, comparison(by, metric), |diff| {
                let mut out = Vec::new();
                write_json(diff, &mut out).expect("memory can be written");
                let json: Value = serde_json::from_slice(&out).expect("it is JSON");
                json_schema::check("diff.schema.json", &json);
                let rows = json["rows"].as_array().expect("a list");
                for of in ["bytes", "allocations"] {
                    let sum: i64 = rows.iter().map(|row| row["difference"][of].as_i64().expect("a number")).sum();
                    assert_eq!(json["total"]["difference"][of], sum, "{by:?} {metric:?}");
                }
            });
        }
    }
}

#[test]
fn a_limit_is_on_the_growth_in_all() {
    let (before, after) = (run(&[(&[("f", "a.py", 1)], 100)]), run(&[(&[("f", "a.py", 1)], 106)]));
    with_diff(&before, &after, comparison(By::Function, Metric::Peak), |diff| {
        let exceeded = |limit: &str| {
            let limit: GrowthLimit = limit.parse().expect("a limit");
            limit.is_exceeded(diff.total().before.bytes, diff.total().after.bytes)
        };
        assert!(exceeded("5%") && exceeded("5"));
        assert!(!exceeded("6%") && !exceeded("6"));
        assert_eq!(diff.growth(), "6 B (+6.0%) more live at the peak than before");
    });
}

/// What a small run does: a stack, a size, and whether that is freed.
type Steps = Vec<(Vec<Place<'static>>, u64, bool)>;

/// Small runs of the same few functions in files of several folders, at several lines.
fn any_steps() -> impl Strategy<Value = Steps> {
    const FUNCTIONS: [&str; 5] = ["<module>", "load", "parse", "run", "<listcomp>"];
    const FILES: [&str; 6] = ["/a/x/m.py", "/b/x/m.py", "/a/x/n.py", "/c/n.py", "/b/x/k.py", "m.py"];
    let frame = (0..FUNCTIONS.len(), 0..FILES.len(), 1..4_u32)
        .prop_map(|(function, file, line)| (FUNCTIONS[function], FILES[file], line));
    proptest::collection::vec((proptest::collection::vec(frame, 0..5), 1..100_u64, any::<bool>()), 0..12)
}

fn capture(steps: &Steps) -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    for (number, (stack, size, is_freed)) in (1..).zip(steps) {
        let site = builder.site(stack, Malloc);
        builder.allocate(number << 12, *size, site);
        if *is_freed {
            builder.free(number << 12);
        }
    }
    builder
}

/// Compares in all ways.
fn compare_all(before: &CaptureBuilder, after: &CaptureBuilder, mut then: impl FnMut(&Diff)) {
    let (mut before, mut after) = (before.report(), after.report());
    for by in ALL {
        for metric in Metric::ALL {
            then(&Diff::of(&mut before, &mut after, comparison(by, metric)));
        }
    }
}

/// How often each change of amounts occurs (names are those of the later side), and what was taken for the same.
type Outcome = (BTreeMap<[u64; 4], usize>, Vec<(String, String)>);

fn outcome(diff: &Diff, is_back: bool) -> Outcome {
    let mut counts = BTreeMap::new();
    for row in diff.rows() {
        let Change { before, after } = row.change;
        let [first, second] = if is_back { [after, before] } else { [before, after] };
        *counts.entry([first.bytes, first.allocations, second.bytes, second.allocations]).or_default() += 1;
    }
    let folders = diff.matches().folders.iter().map(|it| (&it.before, &it.after));
    let files = diff.matches().files.iter().map(|it| (&it.before, &it.after));
    let functions = diff.matches().functions.iter().map(|it| (&it.before, &it.after));
    let pairs = folders.chain(files).chain(functions);
    let mut pairs: Vec<_> = pairs
        .map(|(before, after)| if is_back { (after.clone(), before.clone()) } else { (before.clone(), after.clone()) })
        .collect();
    pairs.sort();
    (counts, pairs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_differs_from_itself(steps in any_steps()) {
        let run = capture(&steps);
        compare_all(&run, &run, |diff| {
            assert!(diff.rows().is_empty());
            assert_eq!(diff.total().difference(), Difference::default());
            assert!(diff.matches().is_empty());
        });
    }

    #[test]
    fn rows_add_up_to_the_difference(before in any_steps(), after in any_steps()) {
        compare_all(&capture(&before), &capture(&after), |diff| {
            let (mut differences, mut changes) = (Difference::default(), Change::default());
            diff.rows().iter().for_each(|row| differences.add(row.change.difference()));
            Status::ALL.iter().for_each(|&status| changes.add(diff.sum(status).change));
            assert_eq!(differences, diff.total().difference());
            assert_eq!(changes, diff.total());
        });
    }

    #[test]
    fn changing_places_negates(before in any_steps(), after in any_steps()) {
        let (before, after) = (capture(&before), capture(&after));
        let (mut there, mut back) = (Vec::new(), Vec::new());
        compare_all(&before, &after, |diff| there.push(outcome(diff, false)));
        compare_all(&after, &before, |diff| back.push(outcome(diff, true)));
        prop_assert_eq!(there, back);
    }
}
