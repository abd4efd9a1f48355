//! What most reports are asked for, in the same words: a capture, and what of it is to be shown.

use std::path::PathBuf;

use memprof_replay::metric::Metric;
use memprof_reporter::actors::Split;
use memprof_reporter::flamegraph::GraphShape;
use memprof_reporter::node_report::{NodeReport, NodesOf};
use memprof_reporter::place_report::PlaceReport;
use memprof_reporter::report::{BinsWanted, Report};
use memprof_reporter::view::View;

use super::query_args::QueryArgs;
use super::{Failure, MetricArgs, Notes, ViewArgs, open, open_nodes, open_places};

/// What a report shows.
#[derive(Clone, Debug, clap::Args)]
pub struct ShownArgs {
    /// The file that `memprof run` wrote
    pub capture: PathBuf,
    #[command(flatten)]
    pub metric: MetricArgs,
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    pub query: QueryArgs,
}

impl ShownArgs {
    /// Which memory.
    pub const fn metric(&self) -> Metric {
        self.metric.metric_for(&self.query)
    }

    /// Which frames.
    pub const fn view(&self) -> View {
        self.view.view()
    }

    /// Opens the capture.
    pub fn open(&self, notes: Notes) -> Result<Report, Failure> {
        open(&self.capture, &self.query, self.view(), notes)
    }

    /// Opens the capture for lists by place.
    pub fn open_places(&self, notes: Notes) -> Result<PlaceReport, Failure> {
        open_places(&self.capture, &self.query, self.view(), notes)
    }

    /// Opens the capture for a page, and cuts the run into bins if they are wanted.
    pub fn open_page(&self, shape: GraphShape, bins: BinsWanted) -> Result<NodeReport, Failure> {
        open_nodes(&self.capture, &self.query, NodesOf::Page, (shape, self.metric()), bins)
    }

    /// Opens the capture for a picture of the view.
    pub fn open_picture(&self, split: Split) -> Result<NodeReport, Failure> {
        self.open_nodes(NodesOf::View, split)
    }

    /// Opens the capture for an export that shows a tree.
    pub fn open_export(&self) -> Result<NodeReport, Failure> {
        self.open_nodes(NodesOf::Export, Split::ByProcess)
    }

    fn open_nodes(&self, of: NodesOf, split: Split) -> Result<NodeReport, Failure> {
        let shape = GraphShape { split, ..self.view().into() };
        open_nodes(&self.capture, &self.query, of, (shape, self.metric()), BinsWanted::Never)
    }
}
