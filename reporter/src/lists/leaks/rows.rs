//! `leaks --by`: the rows of `table`, without what is suppressed; docs/leaks-by.schema.json describes the JSON.

use std::io::{self, Write};

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::{LeakSettings, text};
use crate::formatting::expected_size::SizedWrite;
use crate::formatting::json_head::JsonHead;
use crate::formatting::report_title;
use crate::guards::suppressions::SuppressedLeaks;
use crate::lists::by::By;
use crate::lists::list::{JsonRows, ListFormat};
use crate::lists::table::Table;
use crate::reading::report::Report;
use crate::sums::place_report::PlaceLists;
use crate::text::TextStyle;

const SCHEMA: &str = "memprof-leaks-by-1";

/// # memprof leaks --by --json
/// docs/metrics.md defines every figure. A row for all that --by asks for together, in the order of --sort.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Document<'a, R> {
    #[serde(flatten)]
    head: JsonHead<'a>,
    /// What the rows are for: --by. Rows have the fields of these only.
    #[cfg_attr(test, schemars(extend("items" = crate::lists::by::names_schema())))]
    by: Vec<&'static str>,
    /// What the rows are sorted by: --sort.
    #[cfg_attr(test, schemars(extend("enum" = crate::sums::rows::Ranking::ALL.map(|ranking| ranking.name()))))]
    sort: &'static str,
    /// The sum of all rows.
    total: Amount,
    /// What the suppressions took out of all other figures, by suppression.
    suppressed: &'a [SuppressedLeaks],
    rows: R,
}

/// What leaked in rows, in the order that is asked for.
pub struct LeakRows<'a> {
    table: Table<'a>,
    settings: &'a LeakSettings,
}

impl<'a> LeakRows<'a> {
    /// By anything, whole stacks too.
    #[must_use]
    pub fn of(report: &'a Report, by: By, settings: &'a LeakSettings) -> Self {
        Self { table: Table::of(report, settings.view, Metric::Leaks, by).ranked(settings.ranking), settings }
    }

    /// By anything but stacks, in the view of these lists: see [`Table::of_places`].
    #[must_use]
    pub fn of_places(lists: &'a PlaceLists<'_>, by: By, settings: &'a LeakSettings) -> Self {
        Self { table: Table::of_places(lists, Metric::Leaks, by).ranked(settings.ranking), settings }
    }

    /// Writes them; as text and in Markdown the first `most`.
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
            ListFormat::Markdown => self.table.list().write_markdown(most, out),
            ListFormat::Csv => self.table.list().write_csv(out),
            ListFormat::Json => self.write_json(out),
        }
    }

    fn write_text(&self, most: usize, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
        let (report, list) = (self.table.report(), self.table.list());
        report_title::write(report, self.table.view(), Metric::Leaks, style, out)?;
        if !list.rows.is_empty() {
            writeln!(out)?;
            list.write_text(most, style, out)?;
        }
        text::write_end(report, self.settings, list.rows.is_empty(), style, out)
    }

    fn write_json(&self, out: &mut impl SizedWrite) -> io::Result<()> {
        let (report, list) = (self.table.report(), self.table.list());
        list.expected_json().map_or(Ok(()), |size| out.expect(size))?;
        let document = Document {
            head: JsonHead::new(SCHEMA, report, self.table.view(), Metric::Leaks),
            by: self.table.by_names(),
            sort: self.settings.ranking.name(),
            total: report.total(Metric::Leaks),
            suppressed: &self.settings.suppressed,
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
    use crate::naming::view::View;
    use serde_json::Value;

    #[test]
    fn the_schema_is_in_docs() {
        let report = report_on_nothing();
        let mut rows = RowSchema::new();
        for by in By::all() {
            rows.add(&Table::of(&report, View::default(), Metric::Leaks, by).list());
        }
        assert_in_docs(rows.document::<Document<Value>>(), SCHEMA, &[("metric", Metric::Leaks.name())]);
    }
}
