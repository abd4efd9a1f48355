//! What is said where a process was asked for that was not recorded.

use std::fmt;

use memprof_replay::processes::{ProcessId, UnknownProcess};

use crate::formatting::shell_quoting::join_quoted;
use crate::naming::process_labels::ProcessLabels;
use crate::text::{harmless, keep_start};

/// At most this many processes are listed where one was asked for that was not recorded; `stats -n` lists any number.
const LISTED: usize = 40;
/// Their command lines are cut to this width.
const COMMAND_COLUMNS: usize = 100;

/// Names the processes that there are.
pub struct UnknownProcessMessage<'a>(pub &'a UnknownProcess);

impl fmt::Display for UnknownProcessMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnknownProcess { pid, recorded } = self.0;
        let labels = ProcessLabels::of_list(recorded);
        let short = |text: String| keep_start(&harmless(&text), COMMAND_COLUMNS);
        if let [only] = recorded.as_slice() {
            return write!(
                f,
                "no process {pid} was recorded, only {}: {}",
                only.pid,
                short(join_quoted(&only.command_line))
            );
        }
        write!(f, "no process {pid} was recorded; these were:")?;
        for (id, process) in (0..).map(ProcessId).zip(recorded).take(LISTED) {
            write!(f, "\n  {}  {}", process.pid, short(labels.with_beginning(id)))?;
        }
        match recorded.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
