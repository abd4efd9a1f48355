//! What programs read of a list: fields with names, the subject's first.

use std::borrow::Cow;

use memprof_replay::metric::Sums;

use super::column::Shows;
use super::{Column, List, Subject};
use crate::naming::places::PlaceId;

/// A field of a row.
pub(super) enum Datum<'a> {
    Number(u64),
    Text(Cow<'a, str>),
    /// Nothing where it is not known.
    Decimal(Option<f64>),
    Amounts(Sums),
    /// A stack, the innermost place first.
    Frames(Vec<PlaceId>),
}

impl<'a, R> List<'a, R> {
    /// The columns that programs read.
    pub(super) fn data_columns(&self) -> impl Iterator<Item = (&'static str, &Column<'a, R>)> {
        self.columns.iter().filter_map(|column| Some((column.name?, column)))
    }

    /// The names of all fields, in order.
    pub(crate) fn field_names(&self) -> Vec<&'static str> {
        self.subject.field_names().into_iter().chain(self.data_columns().map(|(name, _)| name)).collect()
    }

    /// The fields of a row, in the order of their names.
    pub(super) fn fields(&self, row: &R) -> Vec<Datum<'a>> {
        let places = self.report.places();
        let function = |place| Datum::Text(places.function(place).into());
        let file = |place| Datum::Text(places.file(place).into());
        let kind = |place: PlaceId| Datum::Text(places.get(place).kind.name().into());
        let mut fields = match &self.subject {
            Subject::Place(of) => {
                let place = of(row);
                vec![function(place), file(place), Datum::Number(places.line(place).into()), kind(place)]
            }
            Subject::Function(of) => {
                let place = of(row);
                vec![function(place), file(place), kind(place)]
            }
            Subject::Stack(paths, of) => vec![Datum::Frames(paths.places(of(row)).collect())],
            Subject::Path(_, of) | Subject::Name(_, of) => vec![Datum::Text(of(row))],
            Subject::Bar(_) => Vec::new(),
        };
        for (_, column) in self.data_columns() {
            fields.push(match &column.shows {
                Shows::Bytes(of) | Shows::LastBytes(of) | Shows::Count(of) => Datum::Number(of(row)),
                Shows::Id(of) => Datum::Number(of(row).into()),
                Shows::Text(of) => Datum::Text(of(row)),
                Shows::Seconds(of) => Datum::Decimal(of(row)),
                Shows::Amounts(of) => Datum::Amounts(of(row)),
                Shows::Share(of) => {
                    let (part, whole) = of(row);
                    Datum::Decimal((whole > 0).then(|| part as f64 / whole as f64))
                }
            });
        }
        fields
    }
}
