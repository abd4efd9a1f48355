//! What the JSON of a report begins with.

use memprof_replay::metric::Metric;
use serde::Serialize;

use crate::naming::view::View;
use crate::reading::metadata::Metadata;
use crate::reading::report::Report;

/// The name of the schema, and what the report is about.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct JsonHead<'a> {
    schema: &'static str,
    metadata: &'a Metadata,
    /// What is missing or uncertain in the capture, a sentence each.
    notes: &'a [String],
    #[serde(flatten)]
    shown: JsonShown,
}

/// What of a capture is shown: the metric and the view.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct JsonShown {
    /// What was asked for: --peak, --leaks, --total or --temporary.
    #[cfg_attr(test, schemars(extend("enum" = Metric::ALL.map(Metric::name))))]
    metric: &'static str,
    /// Which frames there are: --view.
    #[cfg_attr(test, schemars(extend("enum" = crate::naming::view::ViewKind::ALL.map(|kind| kind.name()))))]
    view: &'static str,
    /// Whether the hybrid view has the interpreter's own functions: --show-runtime.
    show_runtime: bool,
    /// Whether the views with Python's frames have those of the import machinery: --show-imports. In a tree that folds
    /// nothing, they have.
    show_imports: bool,
    /// Whose native functions are places: --places.
    #[cfg_attr(test, schemars(extend("enum" = crate::naming::view::PlacesOf::ALL.map(|of| of.name()))))]
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
