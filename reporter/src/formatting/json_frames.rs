//! Stacks in JSON.

use serde::Serialize;

use crate::formatting::json_columns::Sequence;
use crate::naming::places::PlaceId;
use crate::reading::report::Report;

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
            function: report.places().function(place),
            file: report.places().file(place),
            line: report.places().line(place),
            kind: report.places().get(place).kind.name(),
        }
    }
}

/// What an element of a list takes in JSON with line breaks, `indentation` spaces from the margin.
pub(crate) fn pretty_bytes(element: &impl Serialize, indentation: u64) -> u64 {
    let text = serde_json::to_string_pretty(element).unwrap_or_default();
    let lines = text.lines().count() as u64;
    // A comma and a line break come between elements.
    text.len() as u64 + lines * indentation + 2
}

/// The places of a stack, in the order in which they come.
pub(crate) fn frames<'a>(
    report: &'a Report,
    places: impl Iterator<Item = PlaceId> + Clone + 'a,
) -> impl Serialize + 'a {
    Sequence(places.map(|place| JsonFrame::new(report, place)))
}
