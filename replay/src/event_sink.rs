//! Events in the order of all processes: who made them, when they are due, and who takes them.

use memprof_capture::event::{ResolvedEvent, Timed};
use memprof_channel::ids::{Stamp, ThreadId};

use crate::processes::ProcessId;

/// A thread of a process, within one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strand {
    /// The process.
    pub process: ProcessId,
    /// The number of the image in the capture.
    pub image: u32,
    /// The thread.
    pub thread: ThreadId,
    /// Counts the threads of the process, over all its images.
    pub number: u32,
    /// Whether the process began this image as a copy of its parent, with memory that is the parent's.
    pub inherits: bool,
}

/// Where merged events go.
pub trait EventSink {
    /// Takes the next events, all of them by one thread.
    fn events(&mut self, strand: &Strand, events: &[Timed<ResolvedEvent>]);

    /// A process became another program: all its memory is gone at once.
    fn start_image(&mut self, process: ProcessId, stamp: Stamp);

    /// A process ended: what was live is leaked, and gone.
    fn end_process(&mut self, process: ProcessId, stamp: Stamp);
}

/// The place of an event in the order of all events: by stamp; on a tie what deallocates comes before what allocates;
/// then by process. A process's own events stay in their order whatever their stamps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub stamp: Stamp,
    pub allocates: bool,
    /// Whether it is an event: otherwise the process becomes another program, or ends.
    pub is_event: bool,
    pub process: u32,
}

#[inline]
pub(crate) const fn due(process: u32, event: &Timed<ResolvedEvent>) -> Due {
    use ResolvedEvent::{Free, UnknownFree, Unmap};
    // A release that was not seen belongs to the allocation that follows it: nothing comes between them.
    let allocates = !matches!(event.event, Free { .. } | Unmap { .. } | UnknownFree { .. });
    Due { stamp: event.stamp, allocates, is_event: true, process }
}
