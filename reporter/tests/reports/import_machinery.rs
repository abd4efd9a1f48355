//! All lists name one place for one allocation: the innermost Python frame that is not the import machinery's, unless
//! that is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::capture_builder::{CaptureBuilder, Place};
use crate::json_schema;
use crate::lists;
use memprof_capture::file::Frame;
use memprof_channel::allocator::Allocator::Malloc;
use memprof_replay::metric::Metric;
use memprof_reporter::check::{self, Budget, Outcome, Rules};
use memprof_reporter::diff::{self, By, Comparison, Diff, Order};
use memprof_reporter::leaks::LeakSettings;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::rows::Ranking;
use memprof_reporter::suppressions::Suppressions;
use memprof_reporter::view::{View, ViewKind};
use memprof_reporter::{stats, temporary};
use proptest::prelude::*;
use serde_json::Value;

const NEW_THREAD: &str = "<new thread>";
const NO_PYTHON: &str = "<no Python stack>";
const NO_NATIVE: &str = "<no native stack>";
const RUN: Place = ("run", "/srv/app/run.py", 10);
const LOAD: Place = ("load", "/srv/app/load.py", 20);
const MODULE: Place = ("<module>", "/srv/venv/lib/python3.11/site-packages/numpy/_core/multiarray.py", 11);
const FIND: Place = ("_find_and_load", "<frozen importlib._bootstrap>", 30);
const START: Place = ("run_module", "/usr/lib/python3.9/runpy.py", 40);
const GROW: Place = ("grow", "/srv/app/grow.c", 50);
const THREAD: Place = (NEW_THREAD, "", 0);
/// No two of them have the same function or the same line.
const PLACES: [Place; 7] = [RUN, LOAD, MODULE, FIND, START, GROW, THREAD];
const MACHINERY: [Place; 2] = [FIND, START];

/// The outermost frame first.
type Stack = Vec<Place<'static>>;

fn is_python(place: &Place) -> bool {
    ![GROW, THREAD].contains(place)
}

fn is_shown(place: &Place, view: View) -> bool {
    match view.kind {
        ViewKind::Native => !is_python(place),
        _ if MACHINERY.contains(place) => view.show_imports,
        ViewKind::Python => is_python(place),
        ViewKind::Hybrid => true,
    }
}

/// Where a list has it, by the words of docs/metrics.md.
fn place(stack: &[Place<'static>], view: View) -> &'static str {
    let native = stack.iter().rfind(|place| **place == GROW);
    if view.kind == ViewKind::Native {
        return native.map_or(NO_NATIVE, |place| place.0);
    }
    let thread = stack.iter().rposition(|place| *place == THREAD);
    let from = thread.filter(|_| view.kind == ViewKind::Hybrid).map_or(0, |at| at + 1);
    let python = || stack[from..].iter().filter(|place| is_python(place));
    let outside = python().rfind(|place| view.show_imports || !MACHINERY.contains(place));
    let native = native.filter(|_| view.kind == ViewKind::Hybrid);
    outside.or(python().next_back()).or(native).map_or(NO_PYTHON, |place| place.0)
}

/// Each stack keeps this many bytes, and before that had a byte that it freed at once.
fn capture(stacks: &[(Stack, u64)]) -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    let module = builder.module("/srv/app/grow.so", false);
    let sites: Vec<_> = stacks
        .iter()
        .map(|(stack, _)| {
            let frames: Vec<_> = stack
                .iter()
                .map(|&place| match place {
                    THREAD => builder.frame(Frame::ThreadStart),
                    GROW => builder.native(Some(module), 0x100, &[GROW]),
                    place => builder.python(place),
                })
                .collect();
            builder.site_of(&frames, Malloc)
        })
        .collect();
    builder.header.native_stacks = true;
    for &site in &sites {
        builder.allocate(16, 1, site).free(16);
    }
    for ((address, site), (_, size)) in (1..).zip(sites).zip(stacks) {
        builder.allocate(address << 16, *size, site);
    }
    builder
}

fn json(schema: &str, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Value {
    let mut out = Vec::new();
    write(&mut out).expect("memory can be written");
    let json = serde_json::from_slice(&out).expect("it is JSON");
    json_schema::check(schema, &json);
    json
}

type Sums = BTreeMap<String, u64>;

/// By the name in each row, the sum of a figure.
fn sums(rows: &Value, name: &str, figure: &str) -> Sums {
    let mut sums = Sums::new();
    for row in rows.as_array().expect("rows") {
        let name = row.pointer(name).and_then(Value::as_str).unwrap_or_else(|| panic!("{row} has no {name}"));
        let bytes = row.pointer(figure).and_then(Value::as_u64).unwrap_or_else(|| panic!("{row} has no {figure}"));
        *sums.entry(name.to_owned()).or_default() += bytes;
    }
    sums.retain(|_, bytes| *bytes > 0);
    sums
}

/// The lines of all files, by the functions that they are of.
fn sums_of_lines(lines: &Value, figure: &str) -> Sums {
    let mut found = Sums::new();
    for file in lines["files"].as_array().expect("files") {
        let of_lines = file["lines"].as_array().expect("lines");
        for line in of_lines {
            let number = line["line"].as_u64().expect("a number");
            let place = PLACES.iter().find(|place| u64::from(place.2) == number).expect("it is of the capture");
            found.insert(place.0.to_owned(), line.pointer(figure).and_then(Value::as_u64).expect("a figure"));
        }
        if of_lines.is_empty() {
            let name = file["file"].as_str().expect("a name").to_owned();
            found.insert(name, file.pointer(figure).and_then(Value::as_u64).expect("a figure"));
        }
    }
    found.retain(|_, bytes| *bytes > 0);
    found
}

/// What each list has at its places.
fn lists(builder: &CaptureBuilder, view: View) -> Vec<(&'static str, Sums)> {
    let metric = Metric::Peak;
    let (mut report, mut nothing) = (builder.report(), CaptureBuilder::new().report());
    let of_places = PlaceLists::of(&report, view);
    let table = json("table.schema.json", |out| lists::table_json(&of_places, metric, out));
    assert_eq!(table["show_imports"], view.show_imports);
    let stats = json("stats.schema.json", |out| stats::write_json(&of_places, metric, 1000, out));
    let summary = json("summary.schema.json", |out| lists::summary_json(&report, view, metric, out));
    let lines = json("lines.schema.json", |out| lists::lines_json(&report, view, metric, out));
    let settings = LeakSettings { view, ranking: Ranking::Bytes, suppressed: Vec::new() };
    let leaks = json("leaks.schema.json", |out| lists::leaks_json(&report, &settings, out));
    let mut found = vec![
        ("table", sums(&table["rows"], "/function", "/bytes")),
        ("stats", sums(&stats["top_by_peak_bytes"], "/function", "/bytes")),
        ("summary", sums(&summary["rows"], "/function", "/own/peak/bytes")),
        ("lines", sums_of_lines(&lines, "/own/peak/bytes")),
        ("leaks", sums(&leaks["leaks"], "/place/function", "/bytes")),
    ];
    let mut budget = Budget::default();
    budget.limits.set(check::Figure::Peak, Some(0));
    let rules = Rules {
        budget,
        growth: vec![(check::Figure::Peak, "1B".parse().expect("a limit"))],
        suppressions: Suppressions::default(),
        view,
        sites: 1000,
    };
    let outcome = Outcome::of(&mut report, Some(&mut nothing), &rules);
    let checked = json("check.schema.json", |out| check::write_json(&report, &outcome, out));
    for (name, limit) in [("check", 0), ("check of a growth", 1)] {
        found.push((name, sums(&checked["limits"][limit]["sites"], "/frames/0/function", "/bytes")));
    }
    for (name, by) in [("diff by function", By::Function), ("diff by line", By::Line)] {
        let comparison = Comparison { view, metric, by, order: Order::Difference };
        let diff = Diff::of(&mut nothing, &mut report, comparison);
        let diff = json("diff.schema.json", |out| diff::write_json(&diff, out));
        assert_eq!(diff["show_imports"], view.show_imports);
        found.push((name, sums(&diff["rows"], "/function", "/after/bytes")));
    }
    found
}

/// What each function is in the stacks of, or the place of: its total in `summary`.
fn totals(stacks: &[(Stack, u64)], view: View) -> Sums {
    let mut totals = Sums::new();
    for (stack, bytes) in stacks {
        let mut functions: BTreeSet<&str> = stack.iter().filter(|it| is_shown(it, view)).map(|it| it.0).collect();
        functions.remove(NEW_THREAD);
        functions.insert(place(stack, view));
        functions.into_iter().for_each(|function| *totals.entry(function.to_owned()).or_default() += bytes);
    }
    totals
}

/// The functions of each stack that a list shows, the innermost first. The place is among them.
fn shown(stacks: &[(Stack, u64)], view: View) -> BTreeMap<Vec<String>, u64> {
    let mut found = BTreeMap::new();
    for (stack, bytes) in stacks {
        let place = place(stack, view);
        let at = stack.iter().rposition(|it| it.0 == place);
        let is_listed = |(index, it): &(usize, &Place)| is_shown(it, view) || Some(*index) == at;
        let functions = stack.iter().enumerate().rev().filter(is_listed).map(|(_, it)| it.0.to_owned());
        let mut functions: Vec<String> = functions.collect();
        if functions.is_empty() {
            functions.push(place.to_owned());
        }
        *found.entry(functions).or_default() += bytes;
    }
    found
}

fn names(frames: &Value) -> Vec<String> {
    let name = |frame: &Value| frame["function"].as_str().expect("a name").to_owned();
    frames.as_array().expect("frames").iter().map(name).collect()
}

fn all_views() -> impl Iterator<Item = View> {
    let kinds = [ViewKind::Hybrid, ViewKind::Python, ViewKind::Native];
    kinds.into_iter().flat_map(|kind| [View::of(kind), View::of(kind).with_imports()])
}

fn assert_lists(stacks: &[(Stack, u64)]) {
    let builder = capture(stacks);
    for view in all_views() {
        let (mut expected, mut times) = (Sums::new(), Sums::new());
        for (stack, bytes) in stacks {
            *expected.entry(place(stack, view).to_owned()).or_default() += bytes;
            *times.entry(place(stack, view).to_owned()).or_default() += 1;
        }
        for (list, found) in lists(&builder, view) {
            assert_eq!(found, expected, "{list} in {view:?}");
        }
        let report = builder.report();
        let order = temporary::SortBy::Bytes;
        let once = json("temporary.schema.json", |out| lists::temporary_json(&report, view, order, out));
        assert_eq!(sums(&once["places"], "/function", "/temporary/bytes"), times, "temporary in {view:?}");
        let summary = json("summary.schema.json", |out| lists::summary_json(&report, view, Metric::Peak, out));
        let mut found = sums(&summary["rows"], "/function", "/with_callees/peak/bytes");
        found.remove(NEW_THREAD);
        assert_eq!(found, totals(stacks, view), "totals in {view:?}");
        let settings = LeakSettings { view, ranking: Ranking::Bytes, suppressed: Vec::new() };
        let leaks = json("leaks.schema.json", |out| lists::leaks_json(&report, &settings, out));
        let mut found = BTreeMap::new();
        for leak in leaks["leaks"].as_array().expect("leaks") {
            *found.entry(names(&leak["frames"])).or_default() += leak["bytes"].as_u64().expect("a number");
        }
        assert_eq!(found, shown(stacks, view), "stacks in {view:?}");
    }
}

#[test]
fn what_a_module_allocates_when_it_is_imported_is_its_own() {
    let import = [FIND, MODULE, FIND, GROW];
    let stacks = [
        ([&[START, RUN][..], &import].concat(), 1 << 10),
        (vec![START, RUN, FIND], 1 << 11),
        (vec![START, FIND], 1 << 12),
        (vec![START, RUN, THREAD, FIND, GROW], 1 << 13),
        (vec![FIND, THREAD, GROW], 1 << 14),
    ];
    let places = |view| stacks.iter().map(|(stack, _)| place(stack, view)).collect::<Vec<_>>();
    assert_eq!(places(View::default()), [MODULE.0, RUN.0, FIND.0, FIND.0, GROW.0]);
    assert_eq!(places(View::default().with_imports()), [FIND.0, FIND.0, FIND.0, FIND.0, GROW.0]);
    assert_eq!(places(View::of(ViewKind::Python)), [MODULE.0, RUN.0, FIND.0, RUN.0, FIND.0]);
    assert_lists(&stacks);
}

/// `diff --by stack` has the stacks that a view shows, too.
#[test]
fn stacks_that_differ_in_their_imports_are_one() {
    let stacks =
        [(vec![RUN, FIND, MODULE], 1 << 10), (vec![RUN, START, FIND, MODULE], 1 << 11), (vec![START, FIND], 1 << 12)];
    let rows = |view| {
        let (mut nothing, mut report) = (CaptureBuilder::new().report(), capture(&stacks).report());
        let comparison = Comparison { view, metric: Metric::Peak, by: By::Stack, order: Order::After };
        let diff = Diff::of(&mut nothing, &mut report, comparison);
        let diff = json("diff.schema.json", |out| diff::write_json(&diff, out));
        let rows = diff["rows"].as_array().expect("rows").iter();
        rows.map(|row| (names(&row["stack"]), row["after"]["bytes"].as_u64().expect("bytes")))
            .collect::<BTreeMap<_, _>>()
    };
    for view in [View::default(), View::default().with_imports()] {
        assert_eq!(rows(view), shown(&stacks, view), "{view:?}");
    }
    assert_eq!(rows(View::default()).len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn every_list_has_the_same_places(
        stacks in prop::collection::vec((prop::collection::vec(prop::sample::select(&PLACES[..]), 0..7), 2..1_000_000_u64), 1..12)
    ) {
        assert_lists(&stacks);
    }
}
