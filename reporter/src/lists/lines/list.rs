//! What `lines` shows of files and lines, where it is a table.

use std::io;

use memprof_replay::metric::Metric;

use super::{FileSums, LineSelection, LineSums, SortBy, files, json, text};
use crate::formatting::expected_size::SizedWrite;
use crate::lists::list::{Column, List, ListFormat, Room, Subject, SubjectName, call_columns, sum_in_words};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::text::TextStyle;

const FILE: SubjectName =
    SubjectName { name: "file", head: "File", meaning: "Its path; of what is in no file, its name in angle brackets." };
const SOURCE: SubjectName =
    SubjectName { name: "text", head: "Source", meaning: "The line itself; empty where the source may not be shown." };

/// A line that has figures, with its text as far as that is known.
struct SourceLine<'a> {
    file: &'a str,
    sums: LineSums,
    text: String,
}

/// Writes the lines of the selected file, or all files: as text and in Markdown `most` of them, or the usual number.
/// JSON and CSV have the lines of all files that are selected.
///
/// # Errors
/// What `out` answers to a write.
pub fn write(
    report: &Report,
    (view, metric): (View, Metric),
    (selection, sort): (&LineSelection, SortBy),
    most: Option<usize>,
    (format, style): (ListFormat, &TextStyle),
    out: &mut impl SizedWrite,
) -> io::Result<()> {
    match format {
        ListFormat::Text => text::write(report, (view, metric), selection, sort, most, style, out),
        ListFormat::Json => json::write(report, view, metric, selection, sort, out),
        ListFormat::Markdown if selection.file().is_none() => {
            let mut files = files(report, view, metric, selection, sort);
            files.retain(|file| !file.whole.with_callees[metric].is_zero());
            file_list(report, metric, &files).write_markdown(most.unwrap_or(super::DEFAULT_FILES), out)
        }
        ListFormat::Markdown | ListFormat::Csv => {
            let files = files(report, view, metric, selection, sort);
            let lines = source_lines(report, &files);
            let list = line_list(report, metric, &lines);
            if format == ListFormat::Csv {
                list.write_csv(out)
            } else {
                list.write_markdown(most.unwrap_or(usize::MAX), out)
            }
        }
    }
}

/// Files with their columns.
pub(super) fn file_list<'a>(report: &'a Report, metric: Metric, rows: &'a [FileSums<'a>]) -> List<'a, FileSums<'a>> {
    let mut columns = call_columns(
        metric,
        report.total(metric).bytes,
        |file: &FileSums| file.whole.own,
        |file| file.whole.with_callees,
    );
    // The lines of a file are what its figures are read by.
    columns.retain(|column| !matches!(column.room, Room::IfThereIs(_)));
    List {
        report,
        rows,
        unit: "file",
        subject: Subject::Path(FILE, Box::new(|file: &FileSums| file.name.into())),
        columns,
        sum: Box::new(move |files| sum_in_words(files.iter().map(|file| file.whole.own[metric])) + " of their own"),
        subject_needs: 0,
    }
}

fn source_lines<'a>(report: &Report, files: &[FileSums<'a>]) -> Vec<SourceLine<'a>> {
    let mut sources = report.source_lines();
    let mut lines = Vec::new();
    for file in files {
        for &sums in file.lines.iter().filter(|row| row.line > 0) {
            let text = sources.indented(file.name, sums.line).unwrap_or_default().to_owned();
            lines.push(SourceLine { file: file.name, sums, text });
        }
    }
    lines
}

fn line_list<'a>(report: &'a Report, metric: Metric, rows: &'a [SourceLine<'a>]) -> List<'a, SourceLine<'a>> {
    let mut columns = vec![
        Column::text("File", |line: &SourceLine| line.file.into()).named("file").with_room(Room::Never),
        Column::id("Line", |line: &SourceLine| line.sums.line).named("line"),
    ];
    columns.extend(call_columns(
        metric,
        report.total(metric).bytes,
        |line: &SourceLine| line.sums.own,
        |line| line.sums.with_callees,
    ));
    List {
        report,
        rows,
        unit: "line",
        subject: Subject::Name(SOURCE, Box::new(|line: &SourceLine| line.text.clone().into())),
        columns,
        sum: Box::new(move |lines| sum_in_words(lines.iter().map(|line| line.sums.own[metric])) + " of their own"),
        subject_needs: 0,
    }
}
