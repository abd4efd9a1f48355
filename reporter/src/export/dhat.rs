//! The format of Valgrind's DHAT, version 2, for its viewer `dh_view.html`: a program point for each stack.
//!
//! Source: the comment on the format in `dhat/dh_main.c` of Valgrind. What it calls t-gmax is our peak, times are
//! microseconds.

use std::io;

use memprof_channel::ids::Stamp;
use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::event_places::EventPlaces;
use super::format::{Format, Metrics, Processes, Source};
use super::frames::Frames;
use super::lifetimes::{LifetimeSink, Live, replay_lifetimes};
use super::stack_lengths::list_lengths;
use crate::formatting::expected_size::{ByteCount, ExpectedSize, SizedWrite};
use crate::formatting::json_columns::Sequence;
use crate::naming::places::{PlaceId, Places};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::reading::run_clock::RunClock;
use crate::sums::node::NodeId;

/// What lives shorter than this is short-lived, in microseconds: as much as dhat-rs takes for it.
const SHORT_LIVED: u64 = 10;

#[derive(Serialize)]
struct Profile<'a, P> {
    #[serde(rename = "dhatFileVersion")]
    version: u32,
    mode: &'static str,
    verb: &'static str,
    /// Lifetimes are known.
    bklt: bool,
    /// Accesses are not.
    bkacc: bool,
    tu: &'static str,
    #[serde(rename = "Mtu")]
    mtu: &'static str,
    tuth: u64,
    cmd: &'a str,
    pid: u32,
    tg: u64,
    te: u64,
    pps: P,
    ftbl: Vec<String>,
}

/// A program point. Of each pair, bytes and blocks.
#[derive(Serialize)]
struct ProgramPoint {
    /// All that were allocated.
    tb: u64,
    tbk: u64,
    /// The sum of their lifetimes.
    tl: u64,
    /// When it had most bytes.
    mb: u64,
    mbk: u64,
    /// At the peak of all.
    gb: u64,
    gbk: u64,
    /// At the end.
    eb: u64,
    ebk: u64,
    /// The innermost frame first.
    fs: Vec<u32>,
}

/// What a replay finds out about one point beyond the sums.
#[derive(Clone, Copy, Default)]
struct Course {
    live: Amount,
    most: Amount,
    lifetimes: u64,
}

/// By node.
struct Courses {
    clock: RunClock,
    of_node: Vec<Course>,
}

impl Courses {
    fn course(&mut self, live: &Live) -> &mut Course {
        &mut self.of_node[live.node.index()]
    }
}

impl LifetimeSink for Courses {
    fn begin(&mut self, _: Stamp, live: &Live) -> io::Result<()> {
        let course = self.course(live);
        course.live.add(Amount { bytes: live.size, allocations: 1 });
        if course.live.bytes > course.most.bytes || course.most.is_zero() {
            course.most = course.live;
        }
        Ok(())
    }

    fn shrink(&mut self, _: Stamp, live: &Live, bytes: u64) -> io::Result<()> {
        let course = self.course(live);
        course.live.bytes = course.live.bytes.saturating_sub(bytes);
        Ok(())
    }

    fn end(&mut self, at: Stamp, live: &Live) -> io::Result<()> {
        let course = self.course(live);
        course.live.bytes = course.live.bytes.saturating_sub(live.size);
        course.live.allocations = course.live.allocations.saturating_sub(1);
        self.survive(at, live)
    }

    fn survive(&mut self, at: Stamp, live: &Live) -> io::Result<()> {
        let lifetime = microseconds(&self.clock, at).saturating_sub(microseconds(&self.clock, live.began));
        let course = self.course(live);
        course.lifetimes = course.lifetimes.saturating_add(lifetime);
        Ok(())
    }
}

/// Since the start of the run.
fn microseconds(clock: &RunClock, at: Stamp) -> u64 {
    (clock.seconds(at) * 1e6).round() as u64
}

/// See [`Format`].
pub(super) static FORMAT: Format = Format {
    name: "dhat",
    help: "Valgrind's DHAT's, with lifetimes: for dh_view.html",
    extension: "json",
    metrics: Metrics::All,
    processes: Processes::One,
    source: Source::Events(write),
};

/// Writes the process of a report, which must be the only one.
///
/// # Errors
/// What `out` answers to a write, or the capture to a read.
fn write(report: &mut Report, view: View, out: &mut dyn SizedWrite) -> io::Result<()> {
    let places = EventPlaces::of(report, view);
    let tree = &places.tree;
    let courses = Courses { clock: *report.clock(), of_node: vec![Course::default(); tree.nodes().len()] };
    let courses = replay_lifetimes(report, &places, courses)?;
    let report = &*report;
    let [totals, peaks, leaks] = [Metric::Total, Metric::Peak, Metric::Leaks].map(|metric| tree.own(metric));
    let frames = Frames::of(tree, report.places(), |_, _| true);
    // Number 0 is the root of DHAT's own.
    let number = |place| frames.number(place) + 1;
    let point = |(node, course): (NodeId, &Course), fs| {
        let [total, peak, leaked] = [&totals, &peaks, &leaks].map(|amounts| amounts[node.index()]);
        ProgramPoint {
            tb: total.bytes,
            tbk: total.allocations,
            tl: course.lifetimes,
            mb: course.most.bytes,
            mbk: course.most.allocations,
            gb: peak.bytes,
            gbk: peak.allocations,
            eb: leaked.bytes,
            ebk: leaked.allocations,
            fs,
        }
    };
    let of_nodes = (0..).map(NodeId).zip(&courses.of_node);
    let used = of_nodes.filter(|(node, _)| !totals[node.index()].is_zero());
    let without_stacks = profile(report, &frames, used.clone().map(|of_node| point(of_node, Vec::new())));
    let bytes = ByteCount::of(|count| Ok(serde_json::to_writer(count, &without_stacks)?))? + 1;
    let stacks = list_lengths(tree, |node| number(tree.nodes()[node.index()].place));
    let bytes = used.clone().map(|(node, _)| stacks[node.index()]).fold(bytes, u64::saturating_add);
    out.expect(ExpectedSize::Exactly(bytes))?;
    let points = used.map(|of_node| point(of_node, tree.path(of_node.0).map(number).collect()));
    serde_json::to_writer(&mut *out, &profile(report, &frames, points))?;
    writeln!(out)
}

fn profile<'a, P>(report: &'a Report, frames: &Frames, points: P) -> impl Serialize + use<'a, P>
where
    P: Iterator<Item = ProgramPoint> + Clone,
{
    let names = frames.places().iter().map(|&place| frame_name(report.places(), place));
    Profile {
        version: 2,
        mode: "heap",
        verb: "Allocated",
        bklt: true,
        bkacc: false,
        tu: "µs",
        mtu: "s",
        tuth: SHORT_LIVED,
        cmd: &report.metadata().command_line,
        pid: report.metadata().pid,
        tg: microseconds(report.clock(), report.aggregate().run.peak_at),
        te: microseconds(report.clock(), report.end()),
        pps: Sequence(points),
        ftbl: std::iter::once("[root]".to_owned()).chain(names).collect(),
    }
}

/// A frame as Valgrind names it: an address, which a place has none of, the function and where that is.
fn frame_name(places: &Places, place: PlaceId) -> String {
    let (function, file, line) = (places.function(place), places.file(place), places.line(place));
    match (file, line) {
        ("", _) => format!("0x0: {function} (in ???)"),
        (file, 0) => format!("0x0: {function} (in {file})"),
        (file, line) => format!("0x0: {function} ({file}:{line})"),
    }
}
