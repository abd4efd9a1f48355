//! The options that say what part of a capture a report is about, the same for all reports.

use memprof_channel::allocator::Allocator;
use memprof_replay::recent_allocations::TEMPORARY_THRESHOLD;
use memprof_reporter::query::{Moment, PathPattern, Query, ThreadPattern};

/// Which part of the capture to show.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub struct QueryArgs {
    /// Show this process only; give it again for more [default: all that were recorded]
    #[arg(long = "process", value_name = "PID")]
    processes: Vec<u32>,
    /// Count from this moment on: seconds after the start (2.5), with a unit (250ms, 3m), or a share of the run (50%)
    #[arg(long, value_name = "T")]
    from: Option<Moment>,
    /// Count up to this moment
    #[arg(long, value_name = "T")]
    to: Option<Moment>,
    /// Show this thread only, by its id or a pattern for its name; give it again for more
    #[arg(long = "thread", value_name = "THREAD")]
    threads: Vec<ThreadPattern>,
    /// Show only what this allocator allocated; give it again for more
    #[arg(long = "allocator", value_name = "NAME", value_parser = allocator)]
    allocators: Vec<Allocator>,
    /// Show only stacks with a frame in such a file or module: a pattern for its path or, without a slash, for its name
    /// or that of a folder above it (pandas)
    #[arg(long, value_name = "PATTERN")]
    only: Vec<PathPattern>,
    /// Leave out stacks with a frame in such a file or module
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<PathPattern>,
    /// Count an allocation as temporary if it was freed before its thread made more than N others, and show
    /// temporary allocations unless something else is asked for [default: 1]
    #[arg(long = "temporary-allocation-threshold", visible_alias = "threshold", value_name = "N")]
    temporary_threshold: Option<u64>,
}

impl QueryArgs {
    /// Whether they say what is temporary, which nobody says who does not want to see that.
    pub const fn has_temporary_threshold(&self) -> bool {
        self.temporary_threshold.is_some()
    }

    /// What they ask for.
    pub fn query(&self) -> Query {
        Query {
            processes: self.processes.clone(),
            from: self.from,
            to: self.to,
            threads: self.threads.clone(),
            allocators: self.allocators.clone(),
            only: self.only.clone(),
            exclude: self.exclude.clone(),
            temporary_threshold: self.temporary_threshold.unwrap_or(TEMPORARY_THRESHOLD),
        }
    }
}

fn allocator(name: &str) -> Result<Allocator, String> {
    Allocator::ALL.into_iter().find(|allocator| allocator.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Allocator::ALL.iter().map(|allocator| allocator.name()).collect();
        format!("the allocators are {}", names.join(", "))
    })
}
