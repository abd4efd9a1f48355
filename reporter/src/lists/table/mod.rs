//! The report `table`: memory by whatever it is asked to be listed by.

mod columns;

use std::borrow::Cow;
use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use crate::formatting::expected_size::SizedWrite;
use crate::formatting::json_head::JsonHead;
use crate::formatting::report_title;
use crate::lists::by::{By, RowsBy};
use crate::lists::list::{JsonRows, ListFormat};
use crate::naming::view::View;
use crate::reading::pymalloc;
use crate::reading::report::Report;
use crate::sums::place_report::PlaceLists;
use crate::sums::rows::{Ranking, Row};
use crate::text::{TextStyle, write_paragraph};

/// How many rows text and Markdown have, unless asked otherwise.
pub const DEFAULT_ROWS: usize = 50;

/// The memory of a capture in rows.
pub struct Table<'a> {
    view: View,
    metric: Metric,
    rows_by: RowsBy<'a>,
    rows: Vec<Row>,
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
    #[cfg_attr(test, schemars(extend("items" = crate::lists::by::names_schema())))]
    by: Vec<&'static str>,
    /// The sum of all rows.
    total: Amount,
    rows: R,
}

impl<'a> Table<'a> {
    /// By anything but stacks: lists by place do not have them, and `by` loses them. Most bytes come first.
    #[must_use]
    pub fn of_places(lists: &'a PlaceLists<'_>, metric: Metric, by: By) -> Self {
        let rows_by = RowsBy::of_places(lists.report, Cow::Borrowed(&*lists.row_places), by);
        Self::of_rows(rows_by, lists.view, metric)
    }

    /// By anything, whole stacks too. Most bytes come first.
    #[must_use]
    pub fn of(report: &'a Report, view: View, metric: Metric, by: By) -> Self {
        Self::of_rows(RowsBy::of(report, view, by), view, metric)
    }

    fn of_rows(rows_by: RowsBy<'a>, view: View, metric: Metric) -> Self {
        let rows = rows_by.rows(metric, Ranking::Bytes);
        Self { view, metric, rows_by, rows }
    }

    /// The same rows in another order.
    pub(crate) fn ranked(mut self, ranking: Ranking) -> Self {
        self.rows_by.sort(&mut self.rows, ranking);
        self
    }

    /// The report whose memory it has.
    pub(crate) const fn report(&self) -> &'a Report {
        self.rows_by.report
    }

    /// Which frames are places, or in stacks.
    pub(crate) const fn view(&self) -> View {
        self.view
    }

    /// The names of what its rows are for.
    pub(crate) fn by_names(&self) -> Vec<&'static str> {
        self.rows_by.by.names().collect()
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
        report_title::write(self.report(), self.view, self.metric, style, out)?;
        if self.rows.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        self.list().write_text(most, style, out)?;
        match pymalloc::hint(self.report(), &self.rows_by.row_places, self.metric) {
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
            head: JsonHead::new(SCHEMA, self.report(), self.view, self.metric),
            by: self.by_names(),
            total: self.report().total(self.metric),
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
    use serde_json::Value;

    #[test]
    fn the_schema_is_in_docs() {
        let report = report_on_nothing();
        let mut rows = RowSchema::new();
        for by in By::all() {
            rows.add(&Table::of(&report, View::default(), Metric::Peak, by).list());
        }
        assert_in_docs(rows.document::<Document<Value>>(), SCHEMA, &[]);
    }
}
