//! A capture file: opened, replayed, and shown in every way.

use std::io::sink;

use memprof_reporter::metric::Metric;
use memprof_reporter::report::{Report, ReportError};
use memprof_reporter::text::TextStyle;
use memprof_reporter::view::{View, ViewKind};
use memprof_reporter::{flamegraph, stats, table};

use crate::memory_file::MemoryFile;

/// Every report of a capture with this content, in one of the views.
///
/// # Panics
/// When the reader or a renderer is at fault, or the system gives no memory.
pub fn run(bytes: &[u8]) {
    let file = MemoryFile::of(bytes).expect("a file in memory can be made");
    let mut report = match Report::open(&file.path()) {
        Ok(report) => report,
        Err(error) => {
            let told = error.to_string();
            assert!(!told.contains('\n') && told.contains("/proc/self/fd/"), "{told}");
            assert!(matches!(error, ReportError::Open(_)), "what can be opened can be read: {told}");
            return;
        }
    };
    assert!(report.damage().is_none() || !report.notes().is_empty(), "damage is told");
    // One view of each input, for more inputs in the same time.
    let kinds = [ViewKind::Hybrid, ViewKind::Python, ViewKind::Native, ViewKind::Hybrid];
    let choice = bytes.len() % kinds.len();
    show(&mut report, View { kind: kinds[choice], show_runtime: choice == 3 })
        .expect("nothing refuses what is written");
}

fn show(report: &mut Report, view: View) -> std::io::Result<()> {
    let style = TextStyle::new(80, false);
    for metric in [Metric::Peak, Metric::Leaks, Metric::Total] {
        stats::write_text(report, view, metric, 10, &style, &mut sink())?;
        stats::write_json(report, view, metric, 10, &mut sink())?;
        table::write_text(report, view, metric, 10, &style, &mut sink())?;
        table::write_json(report, view, metric, &mut sink())?;
    }
    table::write_html(report, view, Metric::Peak, &mut sink())?;
    flamegraph::write_html(report, view, Metric::Peak, &mut sink())?;
    flamegraph::write_svg(report, view, Metric::Total, &mut sink())
}
