//! What calls are called.

use super::TreeOptions;
use super::call_tree::What;
use crate::formatting::size_units::{counted, size};
use crate::reading::report::Report;
use crate::text::keep_start;

/// What a node of the tree represents, in at most `room` columns.
#[must_use]
pub fn label(report: &Report, what: What, inverted: bool, room: usize) -> String {
    let name = match what {
        What::Call(place) => return report.location(place).fit(room),
        What::Own => own_label(inverted).to_owned(),
        What::Hidden { frames, machinery } => {
            let what = if machinery { "import frame" } else { "frame" };
            format!("[{} hidden]", counted(frames.into(), what))
        }
    };
    keep_start(&name, room)
}

/// What has nothing below it.
pub(crate) const fn own_label(inverted: bool) -> &'static str {
    if inverted { "[no caller]" } else { "[own]" }
}

/// What a tree is about.
pub(crate) fn title(report: &Report, options: &TreeOptions) -> String {
    let whole = report.total(options.metric);
    format!(
        "{} {} in {}{}{}",
        size(whole.bytes),
        options.metric.heading(),
        counted(whole.allocations, "allocation"),
        options.view.kind.heading(),
        if options.inverted { ", callers below what they called" } else { "" },
    )
}
