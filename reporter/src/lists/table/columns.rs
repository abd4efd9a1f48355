//! What a table shows of its rows.

use super::Table;
use crate::lists::list::{Column, List, sum_in_words};
use crate::sums::rows::Row;

/// The number of threads is worth a column where the subject keeps so much room.
const SUBJECT_NEEDS: usize = 40;

impl Table<'_> {
    /// Its rows with their columns.
    pub(crate) fn list(&self) -> List<'_, Row> {
        let (rows_by, whole) = (&self.rows_by, self.report().total(self.metric));
        let mut columns = vec![
            Column::bytes("Bytes", |row: &Row| row.amount.bytes)
                .named("bytes")
                .meaning("Requested bytes of the metric."),
            Column::share(move |row: &Row| (row.amount.bytes, whole.bytes)),
            Column::count("Allocs", |row: &Row| row.amount.allocations)
                .named("allocations")
                .meaning("Allocations of the metric."),
        ];
        columns.extend(rows_by.columns(&self.rows));
        List {
            report: self.report(),
            rows: &self.rows,
            unit: "row",
            subject: rows_by.subject(),
            columns,
            sum: Box::new(|rows| sum_in_words(rows.iter().map(|row| row.amount))),
            subject_needs: SUBJECT_NEEDS,
        }
    }
}
