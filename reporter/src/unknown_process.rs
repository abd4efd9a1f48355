//! What is said where a process was asked for that was not recorded.

use std::fmt;

use memprof_replay::processes::UnknownProcess;

use crate::text::{harmless, keep_start};

/// So many processes are listed where one was asked for that was not recorded; `stats -n` lists any number.
const LISTED: usize = 40;
/// Their command lines are cut to this width.
const COMMAND_COLUMNS: usize = 100;

/// Names the processes that there are.
pub struct UnknownProcessMessage<'a>(pub &'a UnknownProcess);

impl fmt::Display for UnknownProcessMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnknownProcess { pid, recorded } = self.0;
        let short = |command| keep_start(&harmless(command), COMMAND_COLUMNS);
        if let [(only, command)] = recorded.as_slice() {
            return write!(f, "no process {pid} was recorded, only {only}: {}", short(command));
        }
        write!(f, "no process {pid} was recorded; these were:")?;
        for (pid, command) in recorded.iter().take(LISTED) {
            write!(f, "\n  {pid}  {}", short(command))?;
        }
        match recorded.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
