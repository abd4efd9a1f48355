//! Leaks and temporary allocations by whatever is asked for: against the table, against the lists that nobody asks to
//! be by something else, and as texts that somebody has checked.

use std::collections::BTreeMap;

use crate::capture_builder::CaptureBuilder;
use crate::family_run::family_run;
use crate::golden_text::assert_golden;
use crate::json_schema;
use crate::lists::{NO_LIMITS, NONE, as_csv, by_of, csv_rows, leaks_json, no_style, rows_of, temporary_json, written};
use crate::native_run::native_run;
use crate::sample_run::sample_run;
use crate::terminal_reports::churning_run;
use memprof_replay::metric::Metric;
use memprof_reporter::leaks::{LeakRows, LeakSettings};
use memprof_reporter::list::ListFormat;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::report::Report;
use memprof_reporter::rows::Ranking;
use memprof_reporter::suppressions::Suppressions;
use memprof_reporter::table::Table;
use memprof_reporter::temporary::{self, SortBy, TemporarySettings, TextLimits};
use memprof_reporter::text::TextStyle;
use memprof_reporter::view::{View, ViewKind};
use serde_json::{Value, json};

const SUBJECTS: [&str; 7] = ["stack", "function", "line", "file", "module", "package", ""];

/// All that can be asked for.
fn all_bys() -> Vec<String> {
    let mut bys = Vec::new();
    for subject in SUBJECTS {
        for flags in 0..8 {
            let parts = [(1, "allocator"), (2, "process"), (4, "thread")].into_iter();
            let parts = parts.filter(|(flag, _)| flags & flag > 0).map(|(_, name)| name);
            let by: Vec<&str> = [subject].into_iter().filter(|name| !name.is_empty()).chain(parts).collect();
            bys.extend((!by.is_empty()).then(|| by.join(",")));
        }
    }
    bys
}

/// A report without the leaks that the suppressions name, and how to list them.
fn suppressed(builder: &CaptureBuilder, view: View, suppressions: &str) -> (Report, LeakSettings) {
    let mut report = builder.report();
    let suppressed = report.suppress_leaks(&Suppressions::parse(suppressions).expect("they are well formed"));
    (report, LeakSettings { view, ranking: Ranking::Bytes, suppressed })
}

/// `leaks --by`.
pub fn leaks_by(
    report: &Report,
    settings: &LeakSettings,
    by: &str,
    (format, most, style): (ListFormat, usize, &TextStyle),
) -> String {
    written(|out| LeakRows::of(report, by_of(by), settings).write(format, most, style, out))
}

/// `temporary --by`.
pub fn temporary_by(
    report: &Report,
    (view, by, sort): (View, &str, SortBy),
    limits: TextLimits,
    (format, style): (ListFormat, &TextStyle),
) -> String {
    let settings = TemporarySettings { view, by: Some(by_of(by)), sort };
    written(|out| temporary::write(report, settings, limits, (format, style), out))
}

fn table_rows(report: &Report, view: View, metric: Metric, by: &str) -> Vec<Value> {
    let table = Table::of(report, view, metric, by_of(by));
    rows_of(&written(|out| table.write(ListFormat::Json, NONE, &no_style(), out)), "rows")
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// Bytes and allocations of all.
fn sum<'a>(amounts: impl IntoIterator<Item = &'a Value>) -> Value {
    let (mut bytes, mut allocations) = (0, 0);
    for amount in amounts {
        bytes += number(amount, "bytes");
        allocations += number(amount, "allocations");
    }
    json!({ "bytes": bytes, "allocations": allocations })
}

/// In an order of their own.
fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(Value::to_string);
    rows
}

/// The same rows without some fields.
fn without(rows: &[Value], names: &[&str]) -> Vec<Value> {
    let mut rows = rows.to_vec();
    rows.iter_mut()
        .for_each(|row| row.as_object_mut().expect("a row").retain(|name, _| !names.contains(&name.as_str())));
    rows
}

/// The whole stacks that `leaks` lists, put together by hand. Nothing where they do not say what is asked for.
fn put_together(leaks: &[Value], by: &str) -> Option<BTreeMap<String, Value>> {
    let key = |leak: &Value| match by {
        "stack" => Some(json!([leak["frames"]])),
        "stack,allocator" => Some(json!([leak["frames"], leak["allocator"]])),
        "allocator" => Some(json!([leak["allocator"]])),
        "line" => Some(json!([leak["place"]["function"], leak["place"]["file"], leak["place"]["line"]])),
        "function,allocator" => Some(json!([leak["place"]["function"], leak["place"]["file"], leak["allocator"]])),
        "function" => Some(json!([leak["place"]["function"], leak["place"]["file"]])),
        _ => None,
    };
    let mut sums: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for leak in leaks {
        sums.entry(key(leak)?.to_string()).or_default().push(leak);
    }
    Some(sums.into_iter().map(|(key, leaks)| (key, sum(leaks))).collect())
}

/// The rows of a list in the same form.
fn by_key(rows: &[Value], by: &str) -> BTreeMap<String, Value> {
    let names: Vec<&str> = by
        .split(',')
        .flat_map(|name| match name {
            "stack" => &["frames"][..],
            "line" => &["function", "file", "line"],
            "function" => &["function", "file"],
            _ => &["allocator"],
        })
        .copied()
        .collect();
    let key = |row: &Value| Value::from_iter(names.iter().map(|name| row[name].clone())).to_string();
    rows.iter().map(|row| (key(row), sum([row]))).collect()
}

#[test]
fn leaks_are_the_rows_of_the_table_with_and_without_suppressions() {
    for (builder, suppressions) in
        [(sample_run(), "leak:primes\nleak:nothing"), (native_run(), "leak:pool"), (family_run(), "leak:socketserver")]
    {
        for view in [View::default(), View::of(ViewKind::Native)] {
            let before = builder.report().total(Metric::Leaks);
            for suppressions in ["", suppressions] {
                let (report, settings) = suppressed(&builder, view, suppressions);
                let total = report.total(Metric::Leaks);
                let taken: u64 = settings.suppressed.iter().map(|suppressed| suppressed.amount.bytes).sum();
                assert_eq!(total.bytes + taken, before.bytes);
                assert_eq!(taken > 0, !suppressions.is_empty(), "some leaks are suppressed");
                let stacks = rows_of(&written(|out| leaks_json(&report, &settings, out)), "leaks");
                for by in all_bys() {
                    let rows = leaks_by(&report, &settings, &by, (ListFormat::Json, NONE, &no_style()));
                    let document: Value = serde_json::from_str(&rows).expect("it is JSON");
                    let rows = rows_of(&rows, "rows");
                    assert_eq!(rows, table_rows(&report, view, Metric::Leaks, &by), "{by}");
                    assert_eq!((&sum(&rows), &document["total"]), (&json!(total), &json!(total)), "{by}");
                    assert_eq!(document["suppressed"], json!(settings.suppressed), "{by}");
                    assert_eq!(document["by"].as_array().map(Vec::len), Some(by.split(',').count()));
                    if let Some(sums) = put_together(&stacks, &by) {
                        assert_eq!(by_key(&rows, &by), sums, "{by}");
                    }
                    if !by.starts_with("stack") {
                        let lists = PlaceLists::of(&report, view);
                        let of_places = LeakRows::of_places(&lists, by_of(&by), &settings);
                        let json = written(|out| of_places.write(ListFormat::Json, NONE, &no_style(), out));
                        assert_eq!(rows_of(&json, "rows"), rows, "{by}");
                    }
                }
            }
        }
    }
}

#[test]
fn leaks_come_in_the_order_that_is_asked_for() {
    for builder in [sample_run(), native_run(), family_run()] {
        let report = builder.report();
        let mut differ = false;
        for by in all_bys() {
            let [bytes, allocations] = Ranking::ALL.map(|ranking| {
                let settings = LeakSettings { view: View::default(), ranking, suppressed: Vec::new() };
                let json = leaks_by(&report, &settings, &by, (ListFormat::Json, NONE, &no_style()));
                let document: Value = serde_json::from_str(&json).expect("it is JSON");
                assert_eq!(document["sort"], ranking.name());
                let rows = rows_of(&json, "rows");
                let falls = |pair: &[Value]| number(&pair[0], ranking.name()) >= number(&pair[1], ranking.name());
                assert!(rows.windows(2).all(falls), "{by} {ranking:?}");
                rows
            });
            differ |= bytes != allocations;
            assert_eq!(sorted(bytes), sorted(allocations), "{by}");
        }
        assert!(differ, "the order makes a difference somewhere");
    }
}

#[test]
fn temporary_allocations_are_the_rows_of_the_table_with_what_else_these_allocated() {
    for builder in [CaptureBuilder::new(), sample_run(), native_run(), family_run(), churning_run()] {
        let report = builder.report();
        for view in [View::default(), View::of(ViewKind::Native)] {
            let total = json!(report.total(Metric::Temporary));
            let places = rows_of(&written(|out| temporary_json(&report, view, SortBy::Allocations, out)), "places");
            for by in all_bys() {
                let what = (view, &*by, SortBy::Allocations);
                let rows = rows_of(&temporary_by(&report, what, NO_LIMITS, (ListFormat::Json, &no_style())), "rows");
                assert_eq!(sum(rows.iter().map(|row| &row["temporary"])), total, "{by}");
                let mut as_table = rows.clone();
                for row in &mut as_table {
                    row["bytes"] = row["temporary"]["bytes"].take();
                    row["allocations"] = row["temporary"]["allocations"].take();
                }
                let as_table = without(&as_table, &["temporary", "total", "stacks"]);
                assert_eq!(sorted(as_table), sorted(table_rows(&report, view, Metric::Temporary, &by)), "{by}");
                // How many processes and threads a row is in differs between the metrics.
                let names = |row: &Value| {
                    let names = without(
                        std::slice::from_ref(row),
                        &["temporary", "total", "stacks", "processes", "threads", "bytes", "allocations"],
                    );
                    names[0].to_string()
                };
                let all = table_rows(&report, view, Metric::Total, &by);
                let all: BTreeMap<String, Value> = all.iter().map(|row| (names(row), sum([row]))).collect();
                for row in &rows {
                    assert_eq!(row["total"], all[&names(row)], "{by}: {row}");
                    match row["stacks"].as_array() {
                        Some(stacks) => assert_eq!(sum(stacks), row["temporary"], "{by}: {row}"),
                        None => assert!(by.starts_with("stack"), "{by}"),
                    }
                }
                if by == "line" {
                    assert_eq!(without(&rows, &["processes", "threads"]), places);
                }
            }
        }
    }
}

#[test]
fn temporary_allocations_come_in_the_order_that_is_asked_for() {
    let report = churning_run().report();
    for by in all_bys() {
        for sort in SortBy::ALL {
            let what = (View::default(), &*by, sort);
            let rows = rows_of(&temporary_by(&report, what, NO_LIMITS, (ListFormat::Json, &no_style())), "rows");
            let figure = |row: &Value| match sort {
                SortBy::Allocations => number(&row["temporary"], "allocations"),
                SortBy::Bytes => number(&row["temporary"], "bytes"),
                SortBy::Share => number(&row["temporary"], "allocations") * 1000 / number(&row["total"], "allocations"),
            };
            assert!(rows.windows(2).all(|pair| figure(&pair[0]) >= figure(&pair[1])), "{by} {sort:?}");
        }
    }
}

#[test]
fn csv_has_what_json_has_and_both_follow_their_schemas() {
    for builder in [CaptureBuilder::new(), sample_run(), native_run(), family_run()] {
        let (report, settings) = suppressed(&builder, View::default(), "leak:primes");
        for by in all_bys() {
            let leaks = |format| leaks_by(&report, &settings, &by, (format, NONE, &no_style()));
            let json = leaks(ListFormat::Json);
            json_schema::check("leaks-by.schema.json", &serde_json::from_str(&json).expect("it is JSON"));
            let rows: Vec<_> = rows_of(&json, "rows").iter().map(as_csv).collect();
            assert_eq!(csv_rows(&leaks(ListFormat::Csv)), rows, "leaks by {by}");

            let what = (View::default(), &*by, SortBy::Share);
            let temporary = |format| temporary_by(&report, what, NO_LIMITS, (format, &no_style()));
            let json = temporary(ListFormat::Json);
            json_schema::check("temporary-by.schema.json", &serde_json::from_str(&json).expect("it is JSON"));
            let mut rows = rows_of(&json, "rows");
            for row in &mut rows {
                for of in ["bytes", "allocations"] {
                    row[format!("temporary_{of}")] = row["temporary"][of].take();
                    row[of] = row["total"][of].take();
                }
            }
            let rows: Vec<_> = without(&rows, &["temporary", "total", "stacks"]).iter().map(as_csv).collect();
            assert_eq!(csv_rows(&temporary(ListFormat::Csv)), rows, "temporary by {by}");
        }
    }
}

#[test]
fn leaks_by_something_at_several_widths() {
    let (sample, of_sample) = suppressed(&sample_run(), View::default(), "# known\nleak:données\nleak:nothing\n");
    let (native, of_native) = suppressed(&native_run(), View::of(ViewKind::Native), "");
    let (family, of_family) = suppressed(&family_run(), View::default(), "leak:socketserver");
    let (none, of_none) = suppressed(&sample_run(), View::default(), "leak:*");
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        let text = |report, settings, by, most| leaks_by(report, settings, by, (ListFormat::Text, most, &style));
        let all = [
            text(&sample, &of_sample, "function,thread", 3),
            text(&sample, &of_sample, "stack", 1),
            text(&native, &of_native, "module,allocator", 5),
            text(&family, &of_family, "process", 5),
            text(&none, &of_none, "package", 5),
        ];
        assert_golden(&format!("leaks-by-{width}.txt"), &all.join("\n"));
    }
}

#[test]
fn temporary_allocations_by_something_at_several_widths() {
    let (churning, family) = (churning_run().report(), family_run().report());
    let limits = TextLimits { rows: 2, stacks: 1, frames: 3 };
    for width in [60, 80, 120] {
        let style = TextStyle::new(width, false);
        let text = |report, by| {
            let what = (View::default(), by, SortBy::Allocations);
            format!("## {by}\n{}", temporary_by(report, what, limits, (ListFormat::Text, &style)))
        };
        let all = [
            text(&churning, "function"),
            text(&churning, "stack,allocator"),
            text(&churning, "allocator"),
            text(&family, "allocator"),
            text(&family, "process"),
            text(&family, "file,process,thread"),
        ];
        assert_golden(&format!("temporary-by-{width}.txt"), &all.join("\n"));
    }
}

#[test]
fn both_in_markdown() {
    let (report, settings) = suppressed(&family_run(), View::default(), "");
    let mut texts = String::new();
    for by in ["function", "stack,process", "thread"] {
        texts += &format!("## {by}\n{}\n", leaks_by(&report, &settings, by, (ListFormat::Markdown, 1, &no_style())));
        let limits = TextLimits { rows: 1, ..NO_LIMITS };
        let what = (View::default(), by, SortBy::Allocations);
        texts += &format!("{}\n", temporary_by(&report, what, limits, (ListFormat::Markdown, &no_style())));
    }
    assert_golden("lists-by.md", &texts);
}
