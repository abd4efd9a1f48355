//! What part of a capture a report is about: processes, a range of time, threads, allocators, files and modules.

mod moment;
mod path_pattern;
mod slot_filter;
mod thread_pattern;

use memprof_channel::allocator::Allocator;
use memprof_replay::recent_allocations::TEMPORARY_THRESHOLD;
use memprof_replay::replay::ReplaySettings;
use memprof_replay::time_range::TimeRange;

pub use moment::{InvalidMoment, Moment};
pub use path_pattern::{InvalidPattern, PathPattern};
pub(crate) use slot_filter::SlotFilter;
pub use thread_pattern::ThreadPattern;

use crate::formatting::size_units::seconds;
use crate::reading::run_clock::RunClock;

/// What a report is about. The default is everything.
///
/// Processes and the range of time say what is replayed: the peak is theirs. The others select from the outcome: a part
/// of what was live at that peak.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The pids of the processes; all where none is named.
    pub processes: Vec<u32>,
    /// The beginning of the range of time.
    pub from: Option<Moment>,
    /// Its end.
    pub to: Option<Moment>,
    /// The threads; all where none is named.
    pub threads: Vec<ThreadPattern>,
    /// The allocators; all where none is named.
    pub allocators: Vec<Allocator>,
    /// Only stacks with a frame in one of these files or modules.
    pub only: Vec<PathPattern>,
    /// No stack with a frame in one of these.
    pub exclude: Vec<PathPattern>,
    /// How many further allocations of its thread a temporary block may outlive.
    pub temporary_threshold: u64,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            processes: Vec::new(),
            from: None,
            to: None,
            threads: Vec::new(),
            allocators: Vec::new(),
            only: Vec::new(),
            exclude: Vec::new(),
            temporary_threshold: TEMPORARY_THRESHOLD,
        }
    }
}

impl Query {
    /// Everything that these processes did.
    #[must_use]
    pub fn of_processes(pids: &[u32]) -> Self {
        Self { processes: pids.to_vec(), ..Self::default() }
    }

    /// Whether it asks for a range of time.
    #[must_use]
    pub const fn has_range(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// Whether slots are selected after the replay.
    #[must_use]
    pub const fn filters_slots(&self) -> bool {
        !(self.threads.is_empty() && self.allocators.is_empty() && self.only.is_empty() && self.exclude.is_empty())
    }

    /// Whether what is on a stack selects slots.
    pub(crate) const fn selects_stacks(&self) -> bool {
        !(self.only.is_empty() && self.exclude.is_empty())
    }

    /// What the replay of a run of this length (in seconds) is to count.
    pub(crate) fn settings(&self, clock: &RunClock, duration_s: f64) -> ReplaySettings {
        let range = self.has_range().then(|| {
            let at = |moment: Option<Moment>, default| moment.map_or(default, |moment| moment.seconds(duration_s));
            let from = clock.stamp(at(self.from, 0.0));
            let to = self.to.map_or(memprof_channel::ids::Stamp(u64::MAX), |to| clock.stamp(to.seconds(duration_s)));
            TimeRange { from, to: to.max(from) }
        });
        ReplaySettings { range, temporary_threshold: self.temporary_threshold, bin_rows: None }
    }

    /// What is selected, in words: `1.5 s to the end; thread worker; only pandas`. Empty for everything. Processes are
    /// not mentioned: reports list them.
    pub(crate) fn in_words(&self, duration_s: f64) -> String {
        let mut parts = Vec::new();
        let moment = |moment: Moment| seconds(moment.seconds(duration_s));
        match (self.from, self.to) {
            (None, None) => {}
            (from, to) => parts.push(format!(
                "{} to {}",
                from.map_or_else(|| "the start".to_owned(), moment),
                to.map_or_else(|| "the end".to_owned(), moment),
            )),
        }
        let mut list = |what: &str, names: Vec<String>| {
            if !names.is_empty() {
                parts.push(format!("{what} {}", names.join(", ")));
            }
        };
        list("thread", self.threads.iter().map(ToString::to_string).collect());
        list("allocator", self.allocators.iter().map(|allocator| allocator.name().to_owned()).collect());
        list("only", self.only.iter().map(ToString::to_string).collect());
        list("without", self.exclude.iter().map(ToString::to_string).collect());
        if self.temporary_threshold != TEMPORARY_THRESHOLD {
            parts.push(format!("temporary up to {} further allocations", self.temporary_threshold));
        }
        parts.join("; ")
    }
}
