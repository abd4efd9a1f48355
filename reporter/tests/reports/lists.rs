//! The reports that are lists: how tests write them, and that their four formats say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::capture_builder::CaptureBuilder;
use crate::family_run::family_run;
use crate::golden_text::assert_golden;
use crate::json_schema;
use crate::native_run::native_run;
use crate::sample_run::sample_run;
use memprof_replay::allocation_sizes::AllocationSizes;
use memprof_replay::metric::Metric;
use memprof_reporter::by::By;
use memprof_reporter::expected_size::SizedWrite;
use memprof_reporter::histogram::{self, Bars};
use memprof_reporter::leaks::{self, LeakSettings};
use memprof_reporter::lines::{self, LineSelection};
use memprof_reporter::list::ListFormat;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::places_by::PlacesBy;
use memprof_reporter::query::Query;
use memprof_reporter::report::Report;
use memprof_reporter::rows::Ranking;
use memprof_reporter::summary::{self, Summary};
use memprof_reporter::table::Table;
use memprof_reporter::temporary::{self, TemporarySettings, TextLimits};
use memprof_reporter::text::TextStyle;
use memprof_reporter::view::View;
use serde_json::{Value, json};

/// JSON has no style and no limit.
pub const NONE: usize = 0;
pub const NO_LIMITS: TextLimits = TextLimits { rows: NONE, stacks: NONE, frames: NONE };

pub fn no_style() -> TextStyle {
    TextStyle::new(80, false)
}

/// The table as people see it who ask for nothing.
pub fn table_text(
    lists: &PlaceLists,
    metric: Metric,
    most: usize,
    style: &TextStyle,
    out: &mut impl SizedWrite,
) -> io::Result<()> {
    Table::of_places(lists, metric, By::default()).write(ListFormat::Text, most, style, out)
}

/// The table by line, allocator, process and thread.
pub fn table_json(lists: &PlaceLists, metric: Metric, out: &mut impl SizedWrite) -> io::Result<()> {
    let by = By { thread: true, ..By::default() };
    Table::of_places(lists, metric, by).write(ListFormat::Json, NONE, &no_style(), out)
}

pub fn summary_text(
    report: &Report,
    (view, metric): (View, Metric),
    sort: summary::SortBy,
    most: usize,
    style: &TextStyle,
    out: &mut impl SizedWrite,
) -> io::Result<()> {
    Summary::of(report, view, metric, (PlacesBy::Function, sort)).write(ListFormat::Text, most, style, out)
}

pub fn summary_json(report: &Report, view: View, metric: Metric, out: &mut impl SizedWrite) -> io::Result<()> {
    let summary = Summary::of(report, view, metric, (PlacesBy::Function, summary::SortBy::Own));
    summary.write(ListFormat::Json, NONE, &no_style(), out)
}

pub fn leaks_json(report: &Report, settings: &LeakSettings, out: &mut impl SizedWrite) -> io::Result<()> {
    leaks::write(report, settings, (NONE, NONE), (ListFormat::Json, &no_style()), out)
}

pub fn temporary_json(
    report: &Report,
    view: View,
    sort: temporary::SortBy,
    out: &mut impl SizedWrite,
) -> io::Result<()> {
    let settings = TemporarySettings { view, by: None, sort };
    temporary::write(report, settings, NO_LIMITS, (ListFormat::Json, &no_style()), out)
}

pub fn histogram_json(report: &Report, sizes: &AllocationSizes, out: &mut impl SizedWrite) -> io::Result<()> {
    histogram::write(report, sizes, (false, Bars::Allocations), (ListFormat::Json, &no_style()), out)
}

pub fn lines_json(report: &Report, view: View, metric: Metric, out: &mut impl SizedWrite) -> io::Result<()> {
    let what = (&LineSelection::default(), lines::SortBy::Line);
    lines::write(report, (view, metric), what, None, (ListFormat::Json, &no_style()), out)
}

/// All ways to list memory that can be distinguished by rows of JSON.
const BYS: [&str; 10] = [
    "package",
    "line,allocator",
    "function",
    "file",
    "module,allocator",
    "stack",
    "stack,allocator,thread",
    "allocator",
    "process",
    "function,process,thread",
];

pub fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("memory can be written");
    String::from_utf8(out).expect("it is UTF-8")
}

pub fn by_of(text: &str) -> By {
    text.parse().expect("it is well formed")
}

fn table(report: &Report, by: &str, format: ListFormat, most: usize) -> String {
    let table = Table::of(report, View::default(), Metric::Total, by_of(by));
    written(|out| table.write(format, most, &no_style(), out))
}

pub fn rows_of(json: &str, list: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(json).expect("it is JSON");
    document[list].as_array().expect("a list").clone()
}

/// A row of JSON as CSV has it: texts by their names.
pub fn as_csv(row: &Value) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (name, value) in row.as_object().expect("a row") {
        match value {
            Value::String(text) => drop(fields.insert(name.clone(), text.clone())),
            Value::Null => drop(fields.insert(name.clone(), String::new())),
            Value::Array(frames) => {
                let text = |frame: &Value, name: &str| frame[name].to_string().trim_matches('"').to_owned();
                let frame = |frame| ["function", "file", "line"].map(|name| text(frame, name)).join(";");
                fields.insert(name.clone(), frames.iter().map(frame).collect::<Vec<_>>().join("|"));
            }
            Value::Object(metrics) => {
                for (metric, amount) in metrics {
                    for what in ["bytes", "allocations"] {
                        fields.insert(format!("{name}_{metric}_{what}"), amount[what].to_string());
                    }
                }
            }
            number => drop(fields.insert(name.clone(), number.to_string())),
        }
    }
    fields
}

pub fn csv_rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    reader.deserialize().map(|row| row.expect("it is CSV")).collect()
}

#[test]
fn csv_has_what_json_has() {
    for builder in [CaptureBuilder::new(), sample_run(), native_run(), family_run()] {
        let mut report = builder.report();
        for by in BYS {
            let json = rows_of(&table(&report, by, ListFormat::Json, NONE), "rows");
            let csv = csv_rows(&table(&report, by, ListFormat::Csv, NONE));
            assert_eq!(csv, json.iter().map(as_csv).collect::<Vec<_>>(), "table by {by}");
        }
        for by in PlacesBy::ALL {
            let summary = |format| {
                let summary = Summary::of(&report, View::default(), Metric::Peak, (by, summary::SortBy::Own));
                written(|out| summary.write(format, NONE, &no_style(), out))
            };
            let json = rows_of(&summary(ListFormat::Json), "rows");
            let csv = csv_rows(&summary(ListFormat::Csv));
            assert_eq!(csv, json.iter().map(as_csv).collect::<Vec<_>>(), "summary by {by:?}");
        }
        let lines = |format| {
            let what = (&LineSelection::default(), lines::SortBy::Line);
            let shown = (View::default(), Metric::Total);
            written(|out| lines::write(&report, shown, what, None, (format, &no_style()), out))
        };
        let mut json = Vec::new();
        for file in rows_of(&lines(ListFormat::Json), "files") {
            for mut line in file["lines"].as_array().expect("lines").iter().cloned() {
                line["file"] = file["file"].clone();
                json.push(line);
            }
        }
        assert_eq!(csv_rows(&lines(ListFormat::Csv)), json.iter().map(as_csv).collect::<Vec<_>>(), "lines");
        let sizes = report.allocation_sizes(&Query::default()).expect("the capture can be read");
        let histogram =
            |format| written(|out| histogram::write(&report, &sizes, (false, Bars::Bytes), (format, &no_style()), out));
        let json = rows_of(&histogram(ListFormat::Json), "sizes");
        assert_eq!(csv_rows(&histogram(ListFormat::Csv)), json.iter().map(as_csv).collect::<Vec<_>>(), "histogram");
        let settings = LeakSettings { view: View::default(), ranking: Ranking::Bytes, suppressed: Vec::new() };
        let leaks = |format| written(|out| leaks::write(&report, &settings, (NONE, NONE), (format, &no_style()), out));
        let without_place = |row: &Value| {
            let mut row = row.clone();
            row.as_object_mut().expect("a row").remove("place");
            as_csv(&row)
        };
        let json = rows_of(&leaks(ListFormat::Json), "leaks");
        assert_eq!(csv_rows(&leaks(ListFormat::Csv)), json.iter().map(without_place).collect::<Vec<_>>(), "leaks");
    }
}

/// The finest rows put together by hand.
#[test]
fn rows_are_sums_of_finer_rows() {
    for builder in [sample_run(), native_run(), family_run()] {
        let report = builder.report();
        let finest = rows_of(&table(&report, "line,allocator,process,thread", ListFormat::Json, NONE), "rows");
        for by in [
            "line",
            "function",
            "file",
            "allocator",
            "process",
            "thread",
            "function,process",
            "line,thread",
            "file,allocator",
        ] {
            let rows = rows_of(&table(&report, by, ListFormat::Json, NONE), "rows");
            let names: Vec<&str> = by
                .split(',')
                .flat_map(|name| match name {
                    "line" => &["function", "file", "line", "kind"][..],
                    "function" => &["function", "file", "kind"],
                    "thread" => &["thread", "process"],
                    "file" => &["file"],
                    "allocator" => &["allocator"],
                    _ => &["process"],
                })
                .copied()
                .collect();
            let key = |row: &Value| -> Vec<String> {
                let text = |name: &&str| match *name {
                    // What is in no file has its name there.
                    "file" if by.starts_with("file") && row["file"] == "" => row["function"].to_string(),
                    name => row[name].to_string(),
                };
                names.iter().map(text).collect()
            };
            let mut sums: BTreeMap<Vec<String>, Sum> = BTreeMap::new();
            for row in &finest {
                let sum = sums.entry(key(row)).or_default();
                sum.bytes += row["bytes"].as_u64().expect("bytes");
                sum.allocations += row["allocations"].as_u64().expect("allocations");
                sum.processes.insert(row["process"].to_string());
                sum.threads.insert((row["process"].to_string(), row["thread"].to_string()));
            }
            assert_eq!(rows.len(), sums.len(), "{by}");
            for row in &rows {
                let sum = &sums[&key(row)];
                assert_eq!((&row["bytes"], &row["allocations"]), (&json!(sum.bytes), &json!(sum.allocations)), "{row}");
                for (name, set) in [("processes", sum.processes.len()), ("threads", sum.threads.len())] {
                    assert!(row.get(name).is_none_or(|number| *number == json!(set)), "{by}: {row}");
                }
            }
            let largest_first = |pair: &[Value]| pair[0]["bytes"].as_u64() >= pair[1]["bytes"].as_u64();
            assert!(rows.windows(2).all(largest_first), "{by}");
        }
    }
}

#[derive(Default)]
struct Sum {
    bytes: u64,
    allocations: u64,
    processes: BTreeSet<String>,
    threads: BTreeSet<(String, String)>,
}

#[test]
fn every_list_follows_its_schema() {
    for builder in [CaptureBuilder::new(), sample_run(), native_run(), family_run()] {
        let report = builder.report();
        for by in BYS {
            let json = table(&report, by, ListFormat::Json, NONE);
            json_schema::check("table.schema.json", &serde_json::from_str(&json).expect("it is JSON"));
        }
        for by in PlacesBy::ALL {
            let summary = Summary::of(&report, View::default(), Metric::Peak, (by, summary::SortBy::Own));
            let json = written(|out| summary.write(ListFormat::Json, NONE, &no_style(), out));
            json_schema::check("summary.schema.json", &serde_json::from_str(&json).expect("it is JSON"));
        }
    }
}

/// A leak in several workers is one row.
#[test]
fn a_family_in_text_and_markdown() {
    let report = family_run().report();
    let mut texts = String::new();
    for by in ["line,allocator", "function,process", "file", "package", "stack", "process", "thread", "allocator"] {
        texts += &format!("## {by}\n{}\n", table(&report, by, ListFormat::Text, 3));
    }
    assert_golden("lists.txt", &texts);
    let settings = LeakSettings { view: View::default(), ranking: Ranking::Bytes, suppressed: Vec::new() };
    let temporary = |out: &mut Vec<u8>| {
        let limits = TextLimits { rows: 2, ..NO_LIMITS };
        let settings = TemporarySettings { view: View::default(), by: None, sort: temporary::SortBy::Allocations };
        temporary::write(&report, settings, limits, (ListFormat::Markdown, &no_style()), out)
    };
    let summary = Summary::of(&report, View::default(), Metric::Peak, (PlacesBy::File, summary::SortBy::Own));
    let lines = |source: Option<&str>, out: &mut Vec<u8>| {
        let selection = source.map(|source| LineSelection::find(&report, source).expect("there is such a file"));
        let (selection, shown) = (selection.unwrap_or_default(), (View::default(), Metric::Total));
        let how = (ListFormat::Markdown, &no_style());
        lines::write(&report, shown, (&selection, lines::SortBy::Line), Some(2), how, out)
    };
    let markdown = [
        table(&report, "line,allocator", ListFormat::Markdown, 2),
        table(&report, "stack", ListFormat::Markdown, 2),
        written(|out| summary.write(ListFormat::Markdown, 2, &no_style(), out)),
        written(|out| leaks::write(&report, &settings, (2, NONE), (ListFormat::Markdown, &no_style()), out)),
        written(temporary),
        written(|out| lines(None, out)),
        written(|out| lines(Some("pool.py"), out)),
    ];
    assert_golden("lists.md", &markdown.join("\n"));
}
