//! What the JSON of a report begins with.

use memprof_replay::metric::Metric;
use serde::Serialize;

use crate::naming::view::View;
use crate::reading::metadata::Metadata;
use crate::reading::report::Report;

/// The name of the schema, and what the report is about.
#[derive(Serialize)]
pub(crate) struct JsonHead<'a> {
    schema: &'static str,
    metadata: &'a Metadata,
    notes: &'a [String],
    #[serde(flatten)]
    shown: JsonShown,
}

/// What of a capture is shown: the metric and the view.
#[derive(Serialize)]
pub(crate) struct JsonShown {
    metric: &'static str,
    view: &'static str,
    show_runtime: bool,
    show_imports: bool,
    places_of: &'static str,
}

impl JsonShown {
    /// Of these.
    pub(crate) const fn of(view: View, metric: Metric) -> Self {
        Self {
            metric: metric.name(),
            view: view.kind.name(),
            show_runtime: view.show_runtime,
            show_imports: view.show_imports,
            places_of: view.places.name(),
        }
    }
}

impl<'a> JsonHead<'a> {
    /// Of a report on a metric in a view.
    pub(crate) fn new(schema: &'static str, report: &'a Report, view: View, metric: Metric) -> Self {
        Self { schema, metadata: report.metadata(), notes: report.notes(), shown: JsonShown::of(view, metric) }
    }
}
