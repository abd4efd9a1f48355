//! The run in bins as a page has it: the columns of the range that is the whole run come to those of the cells.

use crate::capture_builder::{CaptureBuilder, file_of};
use crate::family_run::family_run;
use crate::page_data::data_of;
use crate::sample_run::sample_run;
use memprof_channel::allocator::Allocator;
use memprof_replay::metric::Metric;
use memprof_reporter::flamegraph;
use memprof_reporter::query::Query;
use memprof_reporter::report::{BinsWanted, Report};
use memprof_reporter::view::View;
use serde_json::Value;

fn page(builder: &CaptureBuilder, query: &Query, bins: BinsWanted) -> Value {
    let (_folder, path) = file_of(&builder.to_bytes());
    let mut report = Report::open_in_bins(&path, query, bins).expect("the capture can be reported on");
    let mut out = Vec::new();
    flamegraph::write_html(&mut report, View::default(), Metric::Peak, &mut out).expect("memory can be written");
    data_of(&String::from_utf8(out).expect("the page is UTF-8"))
}

fn numbers(column: &Value) -> Vec<i64> {
    column.as_array().expect("a column").iter().map(|number| number.as_i64().expect("a number")).collect()
}

/// Bytes and allocations, by cell.
type Amounts = Vec<(i64, i64)>;

/// A table of rows by bin: the bin and the cell of each.
fn rows(bins: &Value, name: &str) -> Vec<(usize, usize)> {
    let mut steps = numbers(&bins[format!("{name}_step")]).into_iter();
    let mut rows = Vec::new();
    for (bin, &count) in numbers(&bins[format!("{name}_rows")]).iter().enumerate() {
        let mut cell = 0;
        for step in steps.by_ref().take(count as usize) {
            cell += step;
            rows.push((bin, cell as usize));
        }
    }
    assert!(steps.next().is_none(), "all rows of {name} are of some bin");
    rows
}

fn amounts(table: &Value, prefix: &str) -> Amounts {
    let [bytes, allocations] = ["bytes", "allocations"].map(|measure| numbers(&table[format!("{prefix}_{measure}")]));
    bytes.into_iter().zip(allocations).collect()
}

fn add(sums: &mut Amounts, cell: usize, (bytes, allocations): (i64, i64), sign: i64) {
    sums[cell].0 += sign * bytes;
    sums[cell].1 += sign * allocations;
}

/// By metric (peak, leaked, total, temporary) what the whole run comes to.
fn whole_run(data: &Value) -> [Amounts; 4] {
    let bins = &data["bins"];
    let none = vec![(0, 0); numbers(&data["cells"]["node"]).len()];
    let [mut peak, mut leaked, mut total, mut temporary] = [none.clone(), none.clone(), none.clone(), none];
    let highest = numbers(&bins["highest"]);
    let most = highest.iter().max().expect("there are bins");
    let is_moment = |bin: &usize| highest[*bin] == *most && !bins["highest_at_s"][*bin].is_null();
    let top = (0..highest.len()).rev().find(is_moment).expect("the peak was reached");
    let (heads, bytes) = (numbers(&bins["allocated_head"]), numbers(&bins["allocated_bytes"]));
    let mut mixed = amounts(bins, "mixed_released").into_iter().zip(amounts(bins, "mixed_temporary"));
    for (row, (bin, cell)) in rows(bins, "allocated").into_iter().enumerate() {
        let amount = (bytes[row], heads[row] >> 2);
        let (gone, at_once) = match heads[row] & 3 {
            0 => ((0, 0), (0, 0)),
            1 => (amount, (0, 0)),
            2 => (amount, amount),
            _ => mixed.next().expect("a row for each mixed fate"),
        };
        add(&mut total, cell, amount, 1);
        add(&mut leaked, cell, amount, 1);
        add(&mut leaked, cell, gone, -1);
        add(&mut temporary, cell, at_once, 1);
        if bin < top {
            add(&mut peak, cell, amount, 1);
            add(&mut peak, cell, gone, -1);
        }
    }
    let heads = numbers(&bins["released_head"]);
    for (row, (bin, cell)) in rows(bins, "released").into_iter().enumerate() {
        let amount = amounts(bins, "released")[row];
        add(&mut leaked, cell, amount, -1);
        if heads[row] & 1 == 1 {
            add(&mut temporary, cell, amount, 1);
        }
        if bin < top {
            add(&mut peak, cell, amount, -1);
        }
    }
    for ((bin, cell), amount) in rows(bins, "ended").into_iter().zip(amounts(bins, "ended")) {
        if bin < top {
            add(&mut peak, cell, amount, -1);
        }
    }
    for ((bin, cell), amount) in rows(bins, "changed").into_iter().zip(amounts(bins, "changed")) {
        if bin == top {
            add(&mut peak, cell, amount, 1);
        }
    }
    [peak, leaked, total, temporary]
}

#[test]
fn the_whole_run_is_what_the_cells_have() {
    let only_malloc = Query { allocators: vec![Allocator::Malloc], ..Query::default() };
    for (run, query) in
        [(sample_run(), Query::default()), (family_run(), Query::default()), (family_run(), only_malloc)]
    {
        let data = page(&run, &query, BinsWanted::Always);
        assert!(data["bins"]["width_s"].as_f64().expect("a length") > 0.0);
        for (metric, sums) in Metric::ALL.into_iter().zip(whole_run(&data)) {
            assert_eq!(sums, amounts(&data["cells"], metric.name()), "{}", metric.name());
        }
    }
}

#[test]
fn pages_have_bins_where_they_are_wanted_and_possible() {
    let has_bins = |query: &Query, bins| !page(&sample_run(), query, bins)["bins"].is_null();
    assert!(!has_bins(&Query::default(), BinsWanted::Never));
    assert!(has_bins(&Query::default(), BinsWanted::WhereCheap));
    let range = Query { from: Some("10%".parse().expect("a moment")), ..Query::default() };
    assert!(!has_bins(&range, BinsWanted::Always), "the page is about one range already");
}
