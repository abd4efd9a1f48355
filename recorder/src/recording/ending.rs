//! When the program has ended and the channel is empty: what is added to the capture, and what the user should know.

use std::sync::atomic::Ordering::Acquire;
use std::time::Duration;

use memprof_capture::file::facts::NotRecorded;
use memprof_capture::file::{Fact, Summary};
use memprof_channel::Pool;
use memprof_channel::early_stop::EarlyStop;
use memprof_channel::layout::{KNOWN_FREE_THREADED, KNOWN_PYTHONS, PoolHeader};
use memprof_channel::not_followed::NotFollowed;

use super::{Outcome, now};
use crate::drain::Drain;
use crate::output::Written;
use crate::symbols;
use crate::wait::Ended;

/// How the program ended, and what is to be added then.
pub struct Ending {
    /// The channel.
    pub pool: Pool,
    /// How it ended.
    pub end: Ended,
    /// From its start to its end.
    pub wall: Duration,
    /// Nothing where native stacks were not recorded.
    pub native: Option<NativeStacks>,
}

/// What is to be added when native stacks were recorded.
pub struct NativeStacks {
    /// When the recording began, in nanoseconds since 1970.
    pub began: u64,
    /// Where to look for names; nothing to leave them out.
    pub symbols: Option<symbols::Options>,
}

impl Ending {
    /// Ends the file.
    pub fn finish(self, mut drain: Drain) -> Outcome {
        let Self { pool, end, wall, native } = self;
        let header = pool.header();
        let summary = Summary {
            end: now(pool),
            exit: end.exit,
            cpu_us: u64::try_from(end.cpu.as_micros()).unwrap_or(u64::MAX),
            peak_rss_bytes: end.peak_rss_bytes.unwrap_or(0),
            channel_waits: header.waits.load(Acquire),
            skipped_events: header.skipped.load(Acquire),
            stopped: EarlyStop::from_number(header.stopped.load(Acquire)),
            damaged_chunks: drain.damaged_chunks(),
        };
        let mut warnings = warnings(header, drain.interpreter(), &summary);
        if let Some(NativeStacks { began, symbols }) = native {
            drain.write_native_stacks();
            drain.write_hidden_allocators();
            if let Some(options) = symbols {
                let began = i64::try_from(Duration::from_nanos(began).as_secs()).unwrap_or(0);
                warnings.extend(drain.write_symbols(began, &options));
            }
        }
        let not_recorded = not_recorded(header, &end);
        if let Some(fact) = &not_recorded {
            drain.write_not_recorded(fact);
        }
        let allocations = drain.allocations();
        let Written { bytes: file_bytes, failure } = drain.into_output().finish(&summary);
        Outcome { exit: end.exit, wall, cpu: end.cpu, allocations, file_bytes, failure, warnings, not_recorded }
    }
}

/// What the user should know of the recording, a sentence each.
fn warnings(header: &PoolHeader, interpreter: Option<&Fact>, summary: &Summary) -> Vec<String> {
    let mut warnings = Vec::new();
    if header.images.load(Acquire) == 0 {
        warnings
            .push("nothing was recorded: the program ended before it made an allocation that memprof sees".to_owned());
    }
    if let Some(Fact::Python { version, stacks: false, .. }) = interpreter {
        warnings.push(format!(
            "memprof cannot read the stacks of Python {version}: it knows the standard builds of 3.{} to 3.{}, and \
             free-threaded ones of 3.{} and later; allocations were recorded without them",
            KNOWN_PYTHONS.start(),
            KNOWN_PYTHONS.end(),
            KNOWN_FREE_THREADED.start()
        ));
    }
    if let Some(reason) = summary.stopped {
        warnings.push(format!(
            "recording stopped before the program ended: {}; what came after that is not in the capture",
            reason.in_words()
        ));
    }
    if summary.damaged_chunks > 0 {
        warnings
            .push(format!("{} chunks of events were overwritten by the program and are lost", summary.damaged_chunks));
    }
    warnings
}

/// What the program started and was not recorded.
fn not_recorded(header: &PoolHeader, end: &Ended) -> Option<NotRecorded> {
    let programs = NotFollowed::ALL.map(|reason| (reason, header.not_followed[reason as usize].load(Acquire)));
    let programs: Vec<_> = programs.into_iter().filter(|&(_, count)| count > 0).collect();
    let children = header.unrecorded_children.load(Acquire);
    // Otherwise they may have been wrappers of the one that was recorded.
    let is_target = header.attached_pid.load(Acquire) == header.target_pid.load(Acquire);
    let children_cpu = Some(end.children_cpu).filter(|_| children > 0 && is_target).unwrap_or_default();
    let children_cpu_us = u64::try_from(children_cpu.as_micros()).unwrap_or(u64::MAX);
    let allocators = header.allocators_not_hooked.load(Acquire);
    let what = NotRecorded { children, children_cpu_us, programs, allocators };
    (what != NotRecorded::default()).then_some(what)
}
