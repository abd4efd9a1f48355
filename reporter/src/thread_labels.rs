//! How reports name threads.

use memprof_capture::file::{Tables, Thread};
use memprof_capture::ids::ThreadId;

/// The name of every thread: its last name and its id in the kernel.
pub(crate) struct ThreadLabels {
    labels: Vec<String>,
}

impl ThreadLabels {
    /// Of all threads up to number `count`. What the file does not know is counted.
    pub(crate) fn of(tables: &Tables, count: usize) -> Self {
        let labels = (0..count.max(tables.threads.len()))
            .map(|index| match tables.threads.get(index) {
                Some(Some(Thread { tid, name })) if name.is_empty() => format!("{tid}"),
                Some(Some(Thread { tid, name })) => format!("{name} ({tid})"),
                _ => format!("thread {}", index + 1),
            })
            .collect();
        Self { labels }
    }

    /// The name of a thread.
    pub(crate) fn get(&self, thread: ThreadId) -> &str {
        self.labels.get(thread.index()).map_or("", String::as_str)
    }
}
