//! The report `table`: memory by whatever it is asked to be listed by.

mod by;
mod columns;

use std::borrow::Cow;
use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

pub use by::{By, BySubject, InvalidBy};

use crate::formatting::expected_size::SizedWrite;
use crate::formatting::json_head::JsonHead;
use crate::formatting::report_title;
use crate::lists::list::{JsonRows, ListFormat};
use crate::naming::places_by::GroupedPlaces;
use crate::naming::view::View;
use crate::reading::pymalloc;
use crate::reading::report::Report;
use crate::sums::place_report::PlaceLists;
use crate::sums::row_places::RowPlaces;
use crate::sums::rows::{self, Row, alphabetical};
use crate::sums::stack_paths::{PathId, StackPaths};
use crate::sums::stacks::Stacks;
use crate::text::{TextStyle, write_paragraph};

/// How many rows text and Markdown have, unless asked otherwise.
pub const DEFAULT_ROWS: usize = 50;

/// The memory of a capture in rows.
pub struct Table<'a> {
    report: &'a Report,
    view: View,
    metric: Metric,
    by: By,
    row_places: Cow<'a, RowPlaces>,
    /// Where memory was allocated.
    subjects: Subjects,
    rows: Vec<Row>,
}

/// Where the memory of rows was allocated.
enum Subjects {
    Anywhere,
    Places(GroupedPlaces),
    Stacks(StackPaths),
}

const SCHEMA: &str = "memprof-table-2";

/// # memprof table --json
/// docs/metrics.md defines every figure. A row for all that --by asks for together; most bytes first.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Document<'a, R> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    /// What the rows are for: --by. Rows have the fields of these only.
    #[cfg_attr(test, schemars(extend("items" = by::names_schema())))]
    by: Vec<&'static str>,
    /// The sum of all rows.
    total: Amount,
    rows: R,
}

impl<'a> Table<'a> {
    /// By anything but stacks: lists by place do not have them, and `by` loses them.
    #[must_use]
    pub fn of_places(lists: &'a PlaceLists<'_>, metric: Metric, by: By) -> Self {
        let (report, row_places) = (lists.report, &*lists.row_places);
        let lost = report.places().lost_stack();
        let (by, rows, subjects) = match by.subject {
            BySubject::Places(places_by) => {
                let grouped = places_by.grouped(report.tables(), report.places());
                let rows = rows::rows(report, metric, by.apart(), |site| {
                    (grouped.first(row_places.of_site(site)), PathId::EMPTY)
                });
                (by, rows, Subjects::Places(grouped))
            }
            BySubject::Nothing | BySubject::Stacks => {
                let by = By { subject: BySubject::Nothing, ..by };
                (by, rows::rows(report, metric, by.apart(), |_| (lost, PathId::EMPTY)), Subjects::Anywhere)
            }
        };
        let row_places = Cow::Borrowed(row_places);
        Self { report, view: lists.view, metric, by, row_places, subjects, rows }.in_order()
    }

    /// By whole stacks, and whatever else is asked for.
    #[must_use]
    pub fn of_stacks(report: &'a Report, view: View, metric: Metric, by: By) -> Self {
        let Stacks { places, paths } = Stacks::of(report, view);
        let by = By { subject: BySubject::Stacks, ..by };
        let rows = rows::rows(report, metric, by.apart(), |site| (places.of_site(site), paths.of_site(site)));
        let (row_places, subjects) = (Cow::Owned(places), Subjects::Stacks(paths));
        Self { report, view, metric, by, row_places, subjects, rows }.in_order()
    }

    /// With most bytes first, and otherwise by name.
    fn in_order(mut self) -> Self {
        let (places, subjects) = (self.report.places(), &self.subjects);
        rows::sort_by_size(&mut self.rows, |row| match subjects {
            Subjects::Anywhere => ("", 0, ""),
            Subjects::Places(grouped) => grouped.name(places, row.key.place),
            Subjects::Stacks(_) => alphabetical(places, row.key.place),
        });
        self
    }

    /// Writes it; as text and in Markdown the first `most` rows.
    ///
    /// # Errors
    /// What `out` answers to a write.
    pub fn write(
        &self,
        format: ListFormat,
        most: usize,
        style: &TextStyle,
        out: &mut impl SizedWrite,
    ) -> io::Result<()> {
        match format {
            ListFormat::Text => self.write_text(most, style, out),
            ListFormat::Markdown => self.list().write_markdown(most, out),
            ListFormat::Csv => self.list().write_csv(out),
            ListFormat::Json => self.write_json(out),
        }
    }

    fn write_text(&self, most: usize, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
        report_title::write(self.report, self.view, self.metric, style, out)?;
        if self.rows.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        self.list().write_text(most, style, out)?;
        match pymalloc::hint(self.report, &self.row_places, self.metric) {
            Some(hint) => {
                writeln!(out)?;
                write_paragraph(&hint, 0, style, out)
            }
            None => Ok(()),
        }
    }

    fn write_json(&self, out: &mut impl SizedWrite) -> io::Result<()> {
        let list = self.list();
        list.expected_json().map_or(Ok(()), |size| out.expect(size))?;
        let document = Document {
            head: JsonHead::new(SCHEMA, self.report, self.view, self.metric),
            by: self.by.names().collect(),
            total: self.report.total(self.metric),
            rows: JsonRows(&list),
        };
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatting::json_schema::assert_in_docs;
    use crate::lists::list::{RowSchema, report_on_nothing};
    use crate::naming::places_by::PlacesBy;
    use serde_json::Value;

    #[test]
    fn the_schema_is_in_docs() {
        let report = report_on_nothing();
        let lists = PlaceLists::of(&report, View::default());
        let places = PlacesBy::ALL.map(BySubject::Places);
        let mut rows = RowSchema::new();
        for subject in [BySubject::Stacks].into_iter().chain(places).chain([BySubject::Nothing]) {
            for flags in 0..8 {
                let [allocator, process, thread] = [1, 2, 4].map(|flag| flags & flag > 0);
                let by = By { subject, allocator, process, thread };
                match subject {
                    BySubject::Stacks => rows.add(&Table::of_stacks(&report, View::default(), Metric::Peak, by).list()),
                    _ if by.names().next().is_none() => {}
                    _ => rows.add(&Table::of_places(&lists, Metric::Peak, by).list()),
                }
            }
        }
        assert_in_docs(rows.document::<Document<Value>>(), SCHEMA, &[]);
    }
}
