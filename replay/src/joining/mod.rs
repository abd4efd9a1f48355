//! Several captures as one: all their processes, on one clock.
//!
//! - [`join`]: the whole of it.
//! - `source`: one of the captures, and how its numbers and stamps are changed.
//! - `sums`: captures without events.

mod source;
mod sums;

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use memprof_capture::file::CaptureReader;
use memprof_capture::file::columns::EventBatch;
use memprof_capture::file::facts::{ClockPoint, Exit, Fact, Header, Summary};
use memprof_capture::file::{Damage, EventChunk};
use memprof_capture::os_error::in_words;
use memprof_channel::clock::ClockKind;
use memprof_channel::ids::Stamp;

use crate::event_writer::EventWriter;
use memprof_channel::object_tracing::ObjectTracing;
use source::Source;

/// A capture to be joined with others, and how many seconds after its start a moment of it is.
pub struct Joined {
    /// The capture.
    pub reader: CaptureReader,
    /// Its clock.
    pub seconds: Box<dyn Fn(Stamp) -> f64>,
}

/// Why captures were not joined.
#[derive(Debug)]
pub enum JoinError {
    /// One of them cannot be read any more.
    Read(PathBuf, io::Error),
    /// The new one cannot be written.
    Write(io::Error),
    /// They were recorded on machines with pages of different sizes.
    PageSizes(PathBuf, PathBuf),
    /// One of them is aggregated, and they ran at the same time.
    AtTheSameTime(PathBuf, PathBuf),
}

impl fmt::Display for JoinError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(out, "cannot read {}: {}", path.display(), in_words(error)),
            Self::Write(error) => write!(out, "cannot write: {}", in_words(error)),
            Self::PageSizes(one, other) => write!(
                out,
                "{} and {} are of machines with pages of different sizes, so that their mappings cannot be counted \
                 together: report on each",
                one.display(),
                other.display()
            ),
            Self::AtTheSameTime(one, other) => write!(
                out,
                "{} and {} ran at the same time, and at least one capture is aggregated: what they had together at a \
                 moment is not known; merge captures that were recorded without --aggregate",
                one.display(),
                other.display()
            ),
        }
    }
}

impl std::error::Error for JoinError {}

/// The moment at which a joined capture begins.
const START: Stamp = Stamp(1 << 20);
/// Its clock: nanoseconds.
const CLOCK: ClockKind = ClockKind::Monotonic;

/// A moment on the clock of a joined capture.
const fn point(stamp: Stamp) -> ClockPoint {
    ClockPoint { stamp, monotonic_ns: stamp.0 << CLOCK.shift() }
}

/// Writes captures as one; an aggregated one if any of them is. They are taken in the order in which they began.
/// Returns the number of bytes.
///
/// # Errors
/// See [`JoinError`].
pub fn join(captures: Vec<Joined>, out: impl Write) -> Result<u64, JoinError> {
    let mut captures = captures;
    captures.sort_by_key(|capture| capture.reader.header().start_unix_ns);
    let Some(first) = captures.first().map(|first| first.reader.header().clone()) else {
        return Err(JoinError::Write(io::Error::other("there is nothing to merge")));
    };
    for pair in captures.windows(2) {
        let [one, other] = [&pair[0].reader, &pair[1].reader];
        if one.header().page_size != other.header().page_size {
            return Err(JoinError::PageSizes(one.path().to_owned(), other.path().to_owned()));
        }
    }
    let (mut sources, mut images) = (Vec::new(), 0);
    for capture in captures {
        let source = Source::new(capture, first.start_unix_ns, images);
        images = source.last_image();
        sources.push(source);
    }
    let header = header(&first, &sources);
    if sources.iter().any(|source| source.reader.aggregate().is_some()) {
        return sums::join(&mut sources, &header, out);
    }
    let mut writer = EventWriter::new(out, &header).map_err(JoinError::Write)?;
    for source in &sources {
        writer.writer.facts(&source.processes_facts()).map_err(JoinError::Write)?;
    }
    for source in &mut sources {
        write_events(source, &mut writer)?;
    }
    let is_whole = sources.iter().all(|source| source.reader.summary().is_some());
    finish(&sources, writer, is_whole).map_err(JoinError::Write)
}

fn header(first: &Header, sources: &[Source]) -> Header {
    let any = |what: &dyn Fn(&Header) -> bool| sources.iter().any(|source| what(source.reader.header()));
    let of = |tracing| any(&|header| header.python_allocators_traced == tracing);
    let tracing = [ObjectTracing::Always, ObjectTracing::FreeThreaded].into_iter().find(|&tracing| of(tracing));
    Header {
        start: point(START),
        clock: CLOCK,
        native_stacks: any(&|header| header.native_stacks),
        python_allocators_traced: tracing.unwrap_or(ObjectTracing::Never),
        ..first.clone()
    }
}

fn write_events<W: Write>(source: &mut Source, writer: &mut EventWriter<W>) -> Result<(), JoinError> {
    let mut batch = EventBatch::default();
    let tables = source.reader.tables().clone();
    for (old, new) in source.images() {
        writer.begin_image(new).map_err(JoinError::Write)?;
        let chunks: Vec<EventChunk> =
            source.reader.event_chunks().iter().filter(|chunk| chunk.image == old).copied().collect();
        for chunk in &chunks {
            let read = source.reader.read_events(chunk, &mut batch);
            read.map_err(|error| JoinError::Read(source.reader.path().to_owned(), error))?;
            let mut events = batch.events.iter();
            for turn in &batch.turns {
                for &event in events.by_ref().take(turn.events as usize) {
                    let event = source.stamped(event);
                    let written = writer.push((&tables, &mut source.known), turn.thread, event);
                    written.map_err(JoinError::Write)?;
                }
            }
        }
    }
    Ok(())
}

fn finish<W: Write>(sources: &[Source], mut writer: EventWriter<W>, is_whole: bool) -> io::Result<u64> {
    writer.end_events()?;
    let mut file = writer.writer;
    let facts = late_facts(sources);
    if !facts.is_empty() {
        file.facts(&facts)?;
    }
    for (number, source) in sources.iter().enumerate() {
        for (image, samples) in source.resident_sets(number == 0) {
            file.rss(image, &samples)?;
        }
    }
    let summary = summary(sources).filter(|_| is_whole);
    let (_, bytes) = match &summary {
        Some(summary) => file.finish(summary)?,
        None => file.finish_without_end()?,
    };
    Ok(bytes)
}

/// What is known about modules and native stacks, and what could not be read.
fn late_facts(sources: &[Source]) -> Vec<Fact> {
    let (mut facts, mut stacks, mut damage) = (Vec::new(), None, Damage::default());
    for source in sources {
        facts.extend(source.kept_facts());
        damage.add(source.reader.damage());
        // The last one of each counts.
        let last = source.reader.facts().iter().rev().find_map(|fact| match *fact {
            Fact::NativeStacks { cut_short, unmerged, checked, differing } => {
                Some([cut_short, unmerged, checked, differing])
            }
            _ => None,
        });
        if let Some(last) = last {
            let sums = stacks.get_or_insert([0_u64; 4]);
            sums.iter_mut().zip(last).for_each(|(sum, last)| *sum = sum.saturating_add(last));
        }
    }
    facts.extend(stacks.map(|[cut_short, unmerged, checked, differing]| Fact::NativeStacks {
        cut_short,
        unmerged,
        checked,
        differing,
    }));
    if !damage.is_none() {
        let Damage { chunks, events, bytes, references } = damage;
        facts.push(Fact::Lost { chunks, events, bytes, references });
    }
    facts
}

/// The end of all, with the sums of what was counted: nothing if none has an end.
fn summary(sources: &[Source]) -> Option<Summary> {
    let ends = || sources.iter().filter_map(|source| source.reader.summary());
    let first = ends().next()?;
    let sum = |count: fn(&Summary) -> u64| ends().map(count).fold(0, u64::saturating_add);
    let failed = ends().map(|summary| summary.exit).find(|exit| *exit != Exit::Status(0));
    Some(Summary {
        end: point(sources.iter().map(Source::end).max().unwrap_or(START)),
        exit: failed.unwrap_or(first.exit),
        cpu_us: sum(|summary| summary.cpu_us),
        // That of the process with which the first one began.
        peak_rss_bytes: first.peak_rss_bytes,
        channel_waits: sum(|summary| summary.channel_waits),
        skipped_events: sum(|summary| summary.skipped_events),
        stopped: ends().find_map(|summary| summary.stopped),
        damaged_chunks: sum(|summary| summary.damaged_chunks),
    })
}
