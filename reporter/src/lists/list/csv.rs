//! A list as comma-separated values, for spreadsheets and data frames: exact bytes, a line for each row.

use std::io;

use memprof_replay::metric::Metric;

use super::column::Shows;
use super::data::Datum;
use super::{List, Subject};
use crate::formatting::csv_records::write_records;
use crate::formatting::expected_size::{ExpectedSize, SizedWrite};
use crate::naming::places::PlaceId;

/// What a row takes apart from its stack.
const FIGURES_BYTES: u64 = 50;

impl<R> List<'_, R> {
    /// Writes all rows below the names of their fields (RFC 4180).
    ///
    /// # Errors
    /// What `out` answers to a write.
    pub(crate) fn write_csv(&self, out: &mut impl SizedWrite) -> io::Result<()> {
        if let Subject::Stack(paths, path) = &self.subject {
            let length = paths.lengths(|place| self.csv_frame(place).len() as u64 + 1);
            let bytes = self.rows.iter().map(|row| length(path(row)).saturating_add(FIGURES_BYTES));
            out.expect(ExpectedSize::About(bytes.fold(0, u64::saturating_add)))?;
        }
        let texts = |row| self.fields(row).into_iter().flat_map(|field| self.csv_texts(field)).collect();
        write_records(&self.csv_names(), self.rows.iter().map(texts), out)
    }

    /// Sums by metric are two fields for each of these: `own_peak_bytes`, `own_peak_allocations`.
    fn csv_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.subject.field_names().into_iter().map(str::to_owned).collect();
        for (name, column) in self.data_columns() {
            if matches!(column.shows, Shows::Amounts(_)) {
                let of =
                    |metric: Metric| ["bytes", "allocations"].map(|what| format!("{name}_{}_{what}", metric.name()));
                names.extend(Metric::ALL.into_iter().flat_map(of));
            } else {
                names.push(name.to_owned());
            }
        }
        names
    }

    fn csv_texts(&self, field: Datum<'_>) -> Vec<String> {
        match field {
            Datum::Number(number) => vec![number.to_string()],
            Datum::Text(text) => vec![text.into_owned()],
            Datum::Decimal(number) => vec![number.map(|number| number.to_string()).unwrap_or_default()],
            Datum::Frames(frames) => {
                vec![frames.iter().map(|&place| self.csv_frame(place)).collect::<Vec<_>>().join("|")]
            }
            Datum::Amounts(amounts) => {
                let sums = Metric::ALL.into_iter().map(|metric| amounts[metric]);
                sums.flat_map(|sum| [sum.bytes, sum.allocations]).map(|number| number.to_string()).collect()
            }
        }
    }

    /// As in the CSV of `export`.
    fn csv_frame(&self, place: PlaceId) -> String {
        let places = self.report.places();
        format!("{};{};{}", places.function(place), places.file(place), places.line(place))
    }
}
