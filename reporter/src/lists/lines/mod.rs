//! The report `lines`: what each line of a source file allocated, itself and with all that it called.

mod json;
mod list;
mod selection;
mod text;

use std::cmp::Reverse;

use memprof_replay::metric::{Metric, Sums};
use rustc_hash::FxHashMap;

pub use list::write;
pub use selection::{LineSelection, NoSuchSource};

use crate::naming::places::{PlaceId, PlaceKind, Places};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::call_sums::{CallSums, PlaceGroups};

/// How many files text and Markdown list, unless asked otherwise.
pub const DEFAULT_FILES: usize = 20;

/// What lines, or files, are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// The line's number, the file's name.
    Line,
    /// Bytes of the metric by the line itself, most first.
    Own,
    /// Bytes of the metric with all that the line called, most first.
    Total,
    /// Allocations of the metric by the line itself, most first.
    Allocations,
}

impl SortBy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Line, Self::Own, Self::Total, Self::Allocations];

    /// The name in the data of reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Own => "own",
            Self::Total => "total",
            Self::Allocations => "allocations",
        }
    }

    /// What comes first has the smallest key. Of equal keys the order stays.
    fn key(self, metric: Metric, row: &LineSums) -> Reverse<(u64, u64)> {
        let (own, total) = (row.own[metric], row.with_callees[metric]);
        Reverse(match self {
            Self::Line => (0, 0),
            Self::Own => (own.bytes, total.bytes),
            Self::Total => (total.bytes, own.bytes),
            Self::Allocations => (own.allocations, own.bytes),
        })
    }
}

/// The sums of a line, or of a whole file.
#[derive(Clone, Copy)]
struct LineSums {
    /// From 1; 0 for what is in a file, but on no line that is known.
    line: u32,
    own: Sums,
    with_callees: Sums,
}

/// A file with its lines.
struct FileSums<'a> {
    /// Its path; of what is in no file, its name in angle brackets.
    name: &'a str,
    /// Without a number.
    whole: LineSums,
    /// By number. Only those with figures.
    lines: Vec<LineSums>,
}

/// The name of the file of a place, or of the place itself where there is none.
fn file_name(places: &Places, place: PlaceId) -> &str {
    match places.file(place) {
        "" => places.function(place),
        file => file,
    }
}

/// The sums of all files that are selected, in order.
fn files<'a>(
    report: &'a Report,
    view: View,
    metric: Metric,
    selection: &LineSelection,
    sort: SortBy,
) -> Vec<FileSums<'a>> {
    let places = report.places();
    let row_places = report.row_places(view);
    let (mut numbers, mut names) = (FxHashMap::default(), Vec::new());
    let mut line_numbers: FxHashMap<(u32, u32), u32> = FxHashMap::default();
    let mut lines: Vec<(u32, u32)> = Vec::new();
    let mut by_file = PlaceGroups { of_place: Vec::with_capacity(places.len()), count: 0 };
    let mut by_line = PlaceGroups { of_place: Vec::with_capacity(places.len()), count: 0 };
    for id in places.ids() {
        if !selection.has(places, id) {
            by_file.of_place.push(None);
            by_line.of_place.push(None);
            continue;
        }
        let name = file_name(places, id);
        let file = *numbers.entry(name).or_insert_with(|| {
            names.push((name, id));
            names.len() as u32 - 1
        });
        let line = *line_numbers.entry((file, places.line(id))).or_insert_with(|| {
            lines.push((file, places.line(id)));
            lines.len() as u32 - 1
        });
        by_file.of_place.push(Some(file));
        by_line.of_place.push(Some(line));
    }
    (by_file.count, by_line.count) = (names.len(), lines.len());
    let of_files = CallSums::of(report, view, &row_places, &by_file);
    let of_lines = CallSums::of(report, view, &row_places, &by_line);
    let whole = of_files.own.into_iter().zip(of_files.with_callees);
    let mut files: Vec<(PlaceId, FileSums)> = names
        .into_iter()
        .zip(whole)
        .map(|((name, place), (own, with_callees))| {
            (place, FileSums { name, whole: LineSums { line: 0, own, with_callees }, lines: Vec::new() })
        })
        .collect();
    for ((file, line), (own, with_callees)) in
        lines.into_iter().zip(of_lines.own.into_iter().zip(of_lines.with_callees))
    {
        let sums = LineSums { line, own, with_callees };
        if !sums.with_callees.is_zero() {
            files[file as usize].1.lines.push(sums);
        }
    }
    files.retain(|(place, file)| {
        // Marks such as `<new thread>` are in no file.
        let is_mark = places.get(*place).kind == PlaceKind::Special && file.whole.own.is_zero();
        !is_mark && !file.whole.with_callees.is_zero()
    });
    let mut files: Vec<FileSums> = files.into_iter().map(|(_, file)| file).collect();
    files.sort_by(|a, b| a.name.cmp(b.name));
    files.sort_by_key(|file| sort.key(metric, &file.whole));
    for file in &mut files {
        file.lines.sort_by_key(|row| row.line);
        file.lines.sort_by_key(|row| sort.key(metric, row));
    }
    files
}
