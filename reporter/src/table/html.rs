//! `table --html`: a page with all rows, to sort and filter.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::LOST_ALLOCATOR;
use crate::json_columns::Sequence;
use crate::page::{PageHeader, PageParts, write_page};
use crate::pymalloc;
use crate::report::Report;
use crate::rows::Row;
use crate::strings::{StringId, Strings};
use crate::view::View;

const PARTS: PageParts = PageParts {
    template: include_str!("../../../templates/table.html"),
    styles: &[include_str!("../../../templates/page.css"), include_str!("../../../templates/table.css")],
    scripts: &[
        include_str!("../../../templates/data.js"),
        include_str!("../../../templates/common.js"),
        include_str!("../../../templates/table.js"),
    ],
};

#[derive(Serialize)]
struct TablePage<'a, S, R> {
    schema: &'static str,
    header: PageHeader<'a>,
    metric: &'static str,
    view: &'static str,
    show_runtime: bool,
    total: Amount,
    strings: S,
    rows: R,
}

#[derive(Serialize)]
struct RowColumns<F, P, L, K, A, B, N, T, W> {
    function: F,
    file: P,
    line: L,
    kind: K,
    allocator: A,
    bytes: B,
    allocations: N,
    thread: T,
    /// The pid.
    process: W,
}

/// The texts of a row, by number.
struct RowTexts {
    function: StringId,
    file: StringId,
    allocator: StringId,
    thread: StringId,
}

/// Writes the page.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_html(report: &Report, view: View, metric: Metric, out: &mut impl Write) -> io::Result<()> {
    let row_places = report.row_places(view);
    let rows = report.rows(&row_places, metric);
    let hint = pymalloc::hint(report, &row_places, &rows, metric);
    let threads = report.thread_labels();
    let mut strings = Strings::default();
    let mut texts_of = |row: &Row| RowTexts {
        function: strings.intern(report.places.function(row.place)),
        file: strings.intern(report.places.file(row.place)),
        allocator: strings.intern(row.allocator.map_or(LOST_ALLOCATOR, |allocator| allocator.name())),
        thread: strings.intern(&threads.with_process(row.process, row.thread)),
    };
    let texts: Vec<RowTexts> = rows.iter().map(&mut texts_of).collect();
    let page = TablePage {
        schema: "memprof-table-1",
        header: PageHeader::of(report, hint),
        metric: metric.name(),
        view: view.kind.name(),
        show_runtime: view.show_runtime,
        total: report.total(metric),
        strings: Sequence(strings.iter()),
        rows: RowColumns {
            function: Sequence(texts.iter().map(|texts| texts.function.0)),
            file: Sequence(texts.iter().map(|texts| texts.file.0)),
            line: Sequence(rows.iter().map(|row| report.places.line(row.place))),
            kind: Sequence(rows.iter().map(|row| report.places.get(row.place).kind as u8)),
            allocator: Sequence(texts.iter().map(|texts| texts.allocator.0)),
            bytes: Sequence(rows.iter().map(|row| row.amount.bytes)),
            allocations: Sequence(rows.iter().map(|row| row.amount.allocations)),
            thread: Sequence(texts.iter().map(|texts| texts.thread.0)),
            process: Sequence(rows.iter().map(|row| report.processes().get(row.process).pid)),
        },
    };
    let title = format!("memprof table: {}", report.metadata().command_line);
    write_page(&PARTS, &title, &page, out)
}
