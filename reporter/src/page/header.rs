//! The facts about the run as pages show them.

use serde::Serialize;

use crate::metadata::Metadata;
use crate::report::Report;

/// The metadata with the notes.
#[derive(Serialize)]
pub(crate) struct PageHeader<'a> {
    #[serde(flatten)]
    metadata: &'a Metadata,
    notes: &'a [String],
}

impl<'a> PageHeader<'a> {
    /// Of a report.
    pub(crate) fn of(report: &'a Report) -> Self {
        Self { metadata: report.metadata(), notes: report.notes() }
    }
}
