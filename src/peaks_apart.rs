//! The peaks of a capture that has just been recorded, found in a process of its own.
//!
//! A replay takes memory for every block that was live. Where the program has used up what there is, that may be too
//! much: then it is this process that the kernel ends, and memprof still ends as the program did.

use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::Path;

use memprof_reporter::report::{Peaks, Report};

/// What the kernel ends first, if it has to end something.
const ENDED_FIRST: &str = "1000";

/// Replays a capture. Nothing where that fails, for whatever reason.
pub fn find(path: &Path) -> Option<Peaks> {
    if fs::read_dir("/proc/self/task").map_or(0, Iterator::count) != 1 {
        // A copy of a process with threads may lack who holds its locks.
        return Report::peaks(path).ok();
    }
    let (receiver, sender) = io::pipe().ok()?;
    // SAFETY: this is the only thread, as has just been seen, and nothing here begins one: the child's memory is a
    // whole copy, with nobody missing. It does nothing but what follows, and leaves by `_exit`.
    match unsafe { libc::fork() } {
        -1 => None,
        0 => {
            drop(receiver);
            let found = send(path, sender);
            // SAFETY: `_exit` may be called anywhere; what the parent has opened is the parent's to close.
            unsafe { libc::_exit(i32::from(found.is_none())) }
        }
        child => {
            drop(sender);
            let peaks = receive(receiver);
            wait_for(child);
            peaks
        }
    }
}

/// In the child: finds the peaks, and sends them.
fn send(path: &Path, mut out: PipeWriter) -> Option<()> {
    // Where that is not allowed, or not known, the kernel decides as it would have.
    let _ = fs::write("/proc/self/oom_score_adj", ENDED_FIRST);
    let Peaks { heap_bytes, rss_bytes } = Report::peaks(path).ok()?;
    let numbers = [Some(heap_bytes), rss_bytes].into_iter().flatten();
    out.write_all(&numbers.flat_map(u64::to_le_bytes).collect::<Vec<_>>()).ok()
}

/// In the parent: what the child sends; nothing if it ended before it had sent all.
fn receive(mut receiver: PipeReader) -> Option<Peaks> {
    let mut bytes = Vec::new();
    receiver.read_to_end(&mut bytes).ok()?;
    let (numbers, rest) = bytes.as_chunks::<8>();
    let (heap_bytes, others) = numbers.split_first()?;
    let rss_bytes = others.first().copied().map(u64::from_le_bytes);
    rest.is_empty().then(|| Peaks { heap_bytes: u64::from_le_bytes(*heap_bytes), rss_bytes })
}

fn wait_for(child: libc::pid_t) {
    loop {
        let mut status = 0;
        // SAFETY: the child is this process's, nobody else waits for it, and the status has room.
        let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
        if ended != -1 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(bytes: &[u8]) -> Option<(u64, Option<u64>)> {
        let (receiver, mut sender) = io::pipe().expect("a pipe");
        sender.write_all(bytes).expect("it is read later");
        drop(sender);
        receive(receiver).map(|peaks| (peaks.heap_bytes, peaks.rss_bytes))
    }

    #[test]
    fn what_was_not_sent_to_the_end_is_not_believed() {
        let both = [7_u64.to_le_bytes(), 9_u64.to_le_bytes()].concat();
        assert_eq!(received(&both), Some((7, Some(9))));
        assert_eq!(received(&both[..8]), Some((7, None)));
        for cut in [0, 1, 7, 9, 15] {
            assert_eq!(received(&both[..cut]), None, "{cut}");
        }
    }
}
