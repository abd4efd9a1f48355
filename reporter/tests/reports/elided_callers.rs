//! Stacks of which an aggregated recording left out callers: lists by place are what they would have been, trees say
//! it, and a note says how much it is.

use memprof_capture::file::Frame;
use memprof_channel::allocator::Allocator::Malloc;
use memprof_replay::metric::Metric;
use memprof_reporter::export;
use memprof_reporter::flamegraph::GraphShape;
use memprof_reporter::node_report::{NodeReport, NodesOf};
use memprof_reporter::place_report::{PlaceLists, PlaceReport};
use memprof_reporter::query::Query;
use memprof_reporter::report::{BinsWanted, Report};
use memprof_reporter::view::{View, ViewKind};
use serde_json::Value;

use crate::capture_builder::{CaptureBuilder, aggregated, file_of};
use crate::exports::named;
use crate::lists;

/// `main` allocates itself, by way of `parse`, and by way of others that were left out.
fn capture() -> Vec<u8> {
    let mut builder = CaptureBuilder::new();
    let module = builder.module("/usr/lib/libfast.so", false);
    let main = builder.python(("main", "/srv/main.py", 3));
    let parse = builder.python(("parse", "/srv/main.py", 7));
    let grow = builder.native(Some(module), 0x100, &[("grow", "/src/grow.c", 7)]);
    let elided = builder.frame(Frame::ElidedCallers);
    let stacks = [&[main, grow][..], &[main, parse, grow], &[main, elided, parse, grow], &[elided, grow]];
    for (address, stack) in (1..).zip(stacks) {
        let site = builder.site_of(stack, Malloc);
        builder.allocate(address * 0x1000, 1 << 10, site);
    }
    aggregated(&builder.to_bytes())
}

fn rows(lists: &PlaceLists) -> Vec<(String, u64)> {
    let mut out = Vec::new();
    lists::table_json(lists, Metric::Total, &mut out).expect("memory can be written");
    let table: Value = serde_json::from_slice(&out).expect("it is JSON");
    let row = |row: &Value| {
        (row["function"].as_str().expect("a name").to_owned(), row["allocations"].as_u64().expect("a number"))
    };
    table["rows"].as_array().expect("rows").iter().map(row).collect()
}

#[test]
fn lists_by_place_do_not_show_it() {
    let (_folder, path) = file_of(&capture());
    for (kind, expected) in [
        (ViewKind::Hybrid, &[("parse", 2), ("main", 1), ("grow", 1)][..]),
        (ViewKind::Python, &[("parse", 2), ("main", 1), ("<no Python stack>", 1)]),
        (ViewKind::Native, &[("grow", 4)]),
    ] {
        let report = PlaceReport::open(&path, &Query::default(), View::of(kind)).expect("it can be opened");
        let mut found = rows(&report.lists());
        found.sort_by_key(|(name, _)| expected.iter().position(|(expected, _)| expected == name));
        assert_eq!(
            found,
            expected.iter().map(|&(name, count)| (name.to_owned(), count)).collect::<Vec<_>>(),
            "{kind:?}"
        );
        let note = "2 allocations of 2.0 KiB in all have stacks that were too rare for the recording to keep: some of their \
                    callers are left out, where trees show <callers elided>.";
        assert_eq!(report.notes(), [note]);
        let shape = GraphShape::from(View::of(kind));
        let tree = NodeReport::open(&path, &Query::default(), NodesOf::View, (shape, Metric::Total), BinsWanted::Never);
        assert_eq!(tree.expect("it can be opened").notes(), [note]);
    }
}

#[test]
fn trees_show_where_it_is() {
    let (_folder, path) = file_of(&capture());
    for (kind, expected) in [
        (
            ViewKind::Hybrid,
            ["<callers elided>;grow", "main;<callers elided>;parse;grow", "main;grow", "main;parse;grow"],
        ),
        (ViewKind::Python, ["<callers elided>", "main", "main;<callers elided>;parse", "main;parse"]),
    ] {
        let mut report = Report::open(&path).expect("it can be opened");
        let mut out = Vec::new();
        export::write(&mut report, named("collapsed"), View::of(kind), Metric::Total, &mut out)
            .expect("memory can be written");
        let text = String::from_utf8(out).expect("it is text");
        let mut stacks: Vec<String> =
            text.lines().map(|line| line.rsplit_once(' ').expect("a number").0.to_owned()).collect();
        stacks.iter_mut().for_each(|stack| *stack = without_places(stack));
        stacks.sort();
        assert_eq!(stacks, expected, "{kind:?}");
    }
}

/// Functions alone.
fn without_places(stack: &str) -> String {
    let function = |frame: &str| frame.split(" (").next().unwrap_or_default().to_owned();
    stack.split(';').map(function).collect::<Vec<_>>().join(";")
}
