//! A capture file: opened, replayed, and shown in every way.

use std::io::{self, sink};
use std::path::Path;

use memprof_capture::file::CaptureReader;
use memprof_capture::file::columns::EventBatch;
use memprof_capture::file::facts::ClockPoint;
use memprof_capture::file::rewrite::{Names, RewriteError, rewrite};
use memprof_channel::ids::Stamp;
use memprof_replay::aggregated_capture::write_aggregated;
use memprof_replay::joining::{JoinError, Joined, join};
use memprof_replay::metric::Metric;
use memprof_replay::processes::Processes;
use memprof_replay::time_range::TimeRange;
use memprof_replay::trimming::{Cut, trim};
use memprof_reporter::by::{By, BySubject};
use memprof_reporter::export::{FORMATS, Format, write};
use memprof_reporter::list::ListFormat;
use memprof_reporter::node_report::{NodeReport, NodesOf};
use memprof_reporter::place_report::{PlaceLists, PlaceReport};
use memprof_reporter::query::Query;
use memprof_reporter::report::{Report, ReportError};
use memprof_reporter::table::Table;
use memprof_reporter::text::TextStyle;
use memprof_reporter::view::{View, ViewKind};
use memprof_reporter::{flamegraph, stats};

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
            let message = error.to_string();
            assert!(!message.contains('\n') && message.contains("/proc/self/fd/"), "{message}");
            assert!(matches!(error, ReportError::Open(_)), "what can be opened can be read: {message}");
            return;
        }
    };
    assert!(report.damage().is_none() || !report.notes().is_empty(), "damage is reported");
    let peaks = Report::peaks(&file.path()).expect("it can be opened again");
    assert_eq!(peaks.heap_bytes, report.total(Metric::Peak).bytes, "a peak does not depend on sites");
    // One view, one export and one capture made of each input, for more inputs in the same time.
    let kinds = [ViewKind::Hybrid, ViewKind::Python, ViewKind::Native, ViewKind::Hybrid];
    let choice = bytes.len() % kinds.len();
    redo(&file.path()).expect("what can be read can be written once more");
    let sum = bytes.iter().fold(0_usize, |sum, &byte| sum.wrapping_add(byte.into()));
    derive(&file.path(), sum).expect("what can be read can be summed up, cut and merged");
    let format = FORMATS[sum % FORMATS.len()];
    // What is refused: several processes in a format of one, events where there are none. Many processes take a replay
    // each.
    let processes = report.processes().list().len();
    let is_aggregated = CaptureReader::open(&file.path()).is_ok_and(|reader| reader.aggregate().is_some());
    let most = if format.has_one_process() { 1 } else { 8 };
    if !(format.has_events() && (is_aggregated || processes > most)) {
        write(&mut report, format, View::default(), Metric::Peak, &mut sink())
            .expect("nothing refuses what is written");
    }
    show(&file.path(), &mut report, View { show_runtime: choice == 3, ..View::of(kinds[choice]) })
        .expect("nothing refuses what is written");
}

/// The capture once more, without the names of its native frames. It must not have become better or worse.
fn redo(path: &Path) -> Result<(), RewriteError> {
    let mut reader = CaptureReader::open(path).map_err(|error| RewriteError::Read(std::io::Error::other(error)))?;
    let mut copy = Vec::new();
    rewrite(path, reader.header(), Names { symbols: &[], sources: &[] }, &mut copy)?;
    let copy = MemoryFile::of(&copy).map_err(RewriteError::Write)?;
    let mut again = CaptureReader::open(&copy.path()).expect("the copy is a capture, too");
    assert_eq!(read_all(&mut reader), read_all(&mut again));
    assert_eq!((reader.header(), reader.summary()), (again.header(), again.summary()));
    Ok(())
}

/// One of the captures that are made of it. It can be opened and reported on.
fn derive(path: &Path, choice: usize) -> io::Result<()> {
    let open = || CaptureReader::open(path).map_err(io::Error::other);
    let failure = |error| match error {
        RewriteError::Read(error) | RewriteError::Write(error) => error,
    };
    let (mut reader, mut made) = (open()?, Vec::new());
    let is_aggregated = reader.aggregate().is_some();
    match choice % 3 {
        0 if is_aggregated => return Ok(()),
        0 => {
            let (processes, start) = (Processes::of(&reader), reader.header().start);
            let from = Stamp(start.stamp.0.saturating_add(2000));
            let begin = ClockPoint { stamp: from, ..start };
            let cut = Cut { range: TimeRange { from, to: Stamp(u64::MAX) }, begin: (begin, 0), end: None };
            trim(&mut reader, &processes, &cut, &mut made).map_err(failure)?;
        }
        1 => {
            let joined = |reader| Joined { reader, seconds: Box::new(|stamp: Stamp| stamp.0 as f64 * 1e-9) };
            let _bytes = match join(vec![joined(reader), joined(open()?)], &mut made) {
                Err(JoinError::AtTheSameTime(..)) if is_aggregated => return Ok(()),
                outcome => outcome.map_err(io::Error::other)?,
            };
        }
        _ => {
            write_aggregated(&mut reader, &mut made).map_err(failure)?;
        }
    }
    let file = MemoryFile::of(&made)?;
    let report = Report::open(&file.path()).expect("it is a capture, too");
    stats::write_json(&PlaceLists::of(&report, View::default()), Metric::Peak, 10, &mut sink())
}

/// How many events can be read, and how many chunks of them there are.
fn read_all(reader: &mut CaptureReader) -> (usize, usize) {
    let chunks = reader.event_chunks().to_vec();
    let (mut events, mut out) = (0, EventBatch::default());
    for chunk in &chunks {
        reader.read_events(chunk, &mut out).expect("memory can be read");
        events += out.events.len();
    }
    (events, chunks.len())
}

fn show(path: &Path, report: &mut Report, view: View) -> std::io::Result<()> {
    let style = TextStyle::new(80, false);
    let of_places = PlaceReport::open(path, &Query::default(), view).expect("it can be opened again");
    for metric in [Metric::Peak, Metric::Leaks, Metric::Total] {
        stats::write_text(&PlaceLists::of(report, view), metric, 10, &style, &mut sink())?;
        stats::write_json(&PlaceLists::of(report, view), metric, 10, &mut sink())?;
        let (lists, alone) = (PlaceLists::of(report, view), of_places.lists());
        let by = By { thread: true, ..By::default() };
        for format in [ListFormat::Text, ListFormat::Markdown, ListFormat::Csv, ListFormat::Json] {
            let [of_stacks, of_places] = [&lists, &alone].map(|lists| {
                let mut out = Vec::new();
                Table::of_places(lists, metric, by).write(format, 10, &style, &mut out).map(|()| out)
            });
            assert!(of_stacks? == of_places?, "rows by place do not depend on whether stacks are distinguished");
            let by = By { subject: BySubject::Stacks, ..by };
            Table::of(report, view, metric, by).write(format, 10, &style, &mut sink())?;
        }
    }
    flamegraph::write_report(report, view, Metric::Peak, &mut sink())?;
    flamegraph::write_html(report, view, Metric::Peak, &mut sink())?;
    let (mut tree, mut alone) = (Vec::new(), Vec::new());
    let json = Format::named("json").expect("it is a format");
    write(report, json, view, Metric::Peak, &mut tree)?;
    let (query, shown) = (Query::default(), (view.into(), Metric::Peak));
    let nodes = NodeReport::open_in_turns(path, &query, NodesOf::Export, shown, 3).expect("it can be opened again");
    nodes.write(json.of_tree().expect("it shows a tree"), &mut alone)?;
    assert!(tree == alone, "a tree does not depend on how many counters are in memory at a time");
    flamegraph::write_svg(report, view, Metric::Total, &mut sink())
}
