//! Stacks in JSON.

use serde::Serialize;

use crate::formatting::json_columns::Sequence;
use crate::naming::places::PlaceId;
use crate::reading::report::Report;

/// A place.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Frame"))]
pub(crate) struct JsonFrame<'a> {
    /// co_name of a Python function, the demangled name of a native one, or a name in angle brackets.
    function: &'a str,
    /// co_filename; of a native function its source file or else its module; empty for names in angle brackets.
    file: &'a str,
    /// 0 where it is not known, or there is none.
    line: u32,
    /// What the place is: Python code, native code, the interpreter's own native code, or a name in angle brackets.
    #[cfg_attr(test, schemars(extend("enum" = crate::naming::places::PlaceKind::IN_STACKS)))]
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
