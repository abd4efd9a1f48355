//! A list in JSON: an object for each row, written as it is computed.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::data::Datum;
use super::{List, Subject};
use crate::formatting::expected_size::ExpectedSize;
use crate::formatting::json_frames::{JsonFrame, pretty_bytes};
use crate::reading::report::Report;

/// All rows of a list, as an array.
pub(crate) struct JsonRows<'l, 'a, R>(pub &'l List<'a, R>);

/// What a row takes apart from its stack, and how far the frames are from the margin.
const FIGURES_BYTES: u64 = 200;
const FRAME_INDENTATION: u64 = 8;

impl<'a, R> List<'a, R> {
    /// How much all rows take in JSON, where that may be far more than anybody expects: where they have stacks.
    pub(crate) fn expected_json(&self) -> Option<ExpectedSize> {
        let Subject::Stack(paths, path) = &self.subject else { return None };
        let length = paths.lengths(|place| pretty_bytes(&JsonFrame::new(self.report, place), FRAME_INDENTATION));
        let bytes = self.rows.iter().map(|row| length(path(row)).saturating_add(FIGURES_BYTES));
        Some(ExpectedSize::About(bytes.fold(0, u64::saturating_add)))
    }

    /// A row alone. `names` are those of all fields.
    pub(crate) fn json_row<'n>(&self, names: &'n [&'static str], row: &R) -> JsonRow<'n, 'a> {
        JsonRow { report: self.report, names, fields: self.fields(row) }
    }
}

impl<R> Serialize for JsonRows<'_, '_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = self.0.field_names();
        let mut rows = serializer.serialize_seq(Some(self.0.rows.len()))?;
        for row in self.0.rows {
            rows.serialize_element(&self.0.json_row(&names, row))?;
        }
        rows.end()
    }
}

/// A row of a list, as an object.
pub(crate) struct JsonRow<'n, 'a> {
    report: &'a Report,
    names: &'n [&'static str],
    fields: Vec<Datum<'a>>,
}

impl Serialize for JsonRow<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(Some(self.names.len()))?;
        for (name, field) in self.names.iter().zip(&self.fields) {
            match field {
                Datum::Number(number) => row.serialize_entry(name, number)?,
                Datum::Text(text) => row.serialize_entry(name, text)?,
                Datum::Decimal(number) => row.serialize_entry(name, number)?,
                Datum::Amounts(amounts) => row.serialize_entry(name, amounts)?,
                Datum::Frames(frames) => {
                    let frames: Vec<JsonFrame> =
                        frames.iter().map(|&place| JsonFrame::new(self.report, place)).collect();
                    row.serialize_entry(name, &frames)?;
                }
            }
        }
        row.end()
    }
}
