//! How reports name threads.

use memprof_capture::file::{Tables, Thread};
use memprof_channel::ids::ThreadId;
use memprof_replay::processes::{ProcessId, Processes};

/// The name of every thread: its last name and its id in the kernel.
pub(crate) struct ThreadLabels<'a> {
    tables: &'a Tables,
    processes: &'a Processes,
}

impl<'a> ThreadLabels<'a> {
    /// Of the threads of a capture.
    pub(crate) const fn of(tables: &'a Tables, processes: &'a Processes) -> Self {
        Self { tables, processes }
    }

    /// The name of a thread. What the file does not know is counted.
    pub(crate) fn get(&self, thread: ThreadId) -> String {
        match self.tables.threads.get(thread.index()) {
            Some(Some(Thread { tid, name })) if name.is_empty() => format!("{tid}"),
            Some(Some(Thread { tid, name })) => format!("{name} ({tid})"),
            _ => format!("thread {}", u64::from(thread.0) + 1),
        }
    }

    /// The name of a thread with that of its process, where there are several.
    pub(crate) fn with_process(&self, process: ProcessId, thread: ThreadId) -> String {
        let thread = self.get(thread);
        if self.processes.are_several() {
            format!("{thread} of {}", self.processes.get(process).label())
        } else {
            thread
        }
    }
}
