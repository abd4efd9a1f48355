//! Stacks in JSON.

use serde::Serialize;

use crate::json_columns::Sequence;
use crate::places::PlaceId;
use crate::report::Report;

/// A place.
#[derive(Serialize)]
pub(crate) struct JsonFrame<'a> {
    function: &'a str,
    file: &'a str,
    line: u32,
    kind: &'static str,
}

impl<'a> JsonFrame<'a> {
    /// Of a place of a report.
    pub(crate) fn new(report: &'a Report, place: PlaceId) -> Self {
        Self {
            function: report.places.function(place),
            file: report.places.file(place),
            line: report.places.line(place),
            kind: report.places.get(place).kind.name(),
        }
    }
}

/// The places of a stack, in the order in which they come.
pub(crate) fn frames<'a>(
    report: &'a Report,
    places: impl Iterator<Item = PlaceId> + Clone + 'a,
) -> impl Serialize + 'a {
    Sequence(places.map(|place| JsonFrame::new(report, place)))
}
