//! The processes that fill the pool: the program, and those that it has started, where they are followed.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use memprof_channel::process_stat;
use rustc_hash::FxHashMap;

use crate::resident_set::ResidentSet;

/// A process that has been seen to record, or that may begin to.
struct Member {
    /// Its present image; 0 before it has one.
    image: u32,
    end: End,
    resident: Option<ResidentSet>,
}

/// How the end of a process shows.
enum End {
    /// This becomes readable.
    Handle(OwnedFd),
    /// No process that began at this moment has the number any more: where the system gives no handle.
    Start(u64),
    /// It had ended before it could be opened.
    Past,
}

/// All processes that record and have not ended.
#[derive(Default)]
pub struct Family {
    members: FxHashMap<u32, Member>,
    /// Those that have become another program since this was last asked for: each with the image that it ran before.
    replaced: Vec<(u32, u32)>,
}

impl Family {
    /// Notes that a process runs an image.
    pub fn note(&mut self, pid: u32, image: u32) {
        let member = self.members.entry(pid).or_insert_with(|| Member::of(pid));
        // Images are numbered in the order in which they begin; an older one may still have chunks to be taken.
        if image > member.image {
            let before = std::mem::replace(&mut member.image, image);
            if before != 0 {
                self.replaced.push((pid, before));
            }
        }
    }

    /// Notes a process that has not been seen to record, and may do so.
    pub fn expect(&mut self, pid: u32) {
        self.members.entry(pid).or_insert_with(|| Member::of(pid));
    }

    /// Takes out those that have become another program: each with the image that it ran before.
    pub fn take_replaced(&mut self) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.replaced)
    }

    /// Takes out those that have ended: each with its last image, or 0.
    pub fn take_ended(&mut self) -> Vec<(u32, u32)> {
        self.members
            .extract_if(|&pid, member| member.end.has_come(pid))
            .map(|(pid, member)| (pid, member.image))
            .collect()
    }

    /// A process that has ended is gone, whatever has been noted of it since.
    pub fn remove(&mut self, pid: u32) {
        self.members.remove(&pid);
    }

    /// The resident sets of all processes but one, in bytes, each with its image.
    pub fn resident_sets(&mut self, except: u32) -> impl Iterator<Item = (u32, u64)> + '_ {
        let others = self.members.iter_mut().filter(move |(pid, member)| **pid != except && member.image != 0);
        others.filter_map(|(_, member)| Some((member.image, member.resident.as_mut()?.bytes()?)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }
}

impl Member {
    fn of(pid: u32) -> Self {
        Self { image: 0, end: End::of(pid), resident: ResidentSet::of(pid.cast_signed()).ok() }
    }
}

impl End {
    fn of(pid: u32) -> Self {
        match open(pid.cast_signed()) {
            Ok(handle) => Self::Handle(handle),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Self::Past,
            // Too many files are open, or the system has no such handles, or does not let us have one.
            Err(_) => Self::without_handle(pid),
        }
    }

    fn without_handle(pid: u32) -> Self {
        start_of(pid).map_or(Self::Past, Self::Start)
    }

    fn has_come(&self, pid: u32) -> bool {
        match self {
            Self::Handle(handle) => {
                let mut poll = libc::pollfd { fd: handle.as_raw_fd(), events: libc::POLLIN, revents: 0 };
                // SAFETY: one structure, which the call fills; it does not wait.
                unsafe { libc::poll(&raw mut poll, 1, 0) > 0 }
            }
            Self::Start(start) => start_of(pid) != Some(*start),
            Self::Past => true,
        }
    }
}

/// A descriptor for the process.
fn open(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: a plain system call; the descriptor that comes back is ours alone (and closed on exec by definition).
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd as i32)) }
    }
}

/// When the process began, in the kernel's ticks; nothing once it has ended, even if nobody has asked yet how.
fn start_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    match process_stat::field(&stat, 3)? {
        b"Z" | b"X" => None,
        _ => process_stat::number(&stat, 22),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn processes_are_known_until_they_end() {
        let mut family = Family::default();
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        family.note(child.id(), 1);
        family.note(std::process::id(), 2);
        assert_eq!(family.take_replaced(), []);
        family.note(child.id(), 3);
        family.note(child.id(), 1);
        assert_eq!(family.take_replaced(), [(child.id(), 1)], "it has become another program");
        assert_eq!(family.take_replaced(), []);
        assert_eq!(family.take_ended(), []);
        assert!(family.resident_sets(std::process::id()).all(|(image, bytes)| image == 3 && bytes > 0));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(family.take_ended(), [(child.id(), 3)]);
        assert_eq!(family.len(), 1);
    }

    #[test]
    fn a_process_that_was_reaped_has_ended() {
        let mut family = Family::default();
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        family.note(child.id(), 7);
        assert_eq!(family.take_ended(), [(child.id(), 7)]);
    }

    #[test]
    fn a_process_that_may_record_is_waited_for() {
        let mut family = Family::default();
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        family.expect(child.id());
        assert_eq!((family.len(), family.take_ended()), (1, vec![]));
        assert_eq!(family.resident_sets(0).count(), 0, "it has no image to show it with");
        family.note(child.id(), 4);
        family.expect(child.id());
        assert_eq!(family.take_replaced(), [], "it has run nothing else");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(family.take_ended(), [(child.id(), 4)]);
    }

    #[test]
    fn an_end_shows_without_a_handle() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let end = End::without_handle(child.id());
        assert!(matches!(end, End::Start(_)) && !end.has_come(child.id()));
        let End::Start(start) = end else { panic!() };
        assert!(End::Start(start - 1).has_come(child.id()), "another process had the number before");
        child.kill().unwrap();
        // Nobody has taken note of its end; the kernel has, a moment later.
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !end.has_come(child.id()) {
            assert!(std::time::Instant::now() < limit);
        }
        child.wait().unwrap();
        assert!(end.has_come(child.id()));
        assert!(matches!(End::without_handle(child.id()), End::Past));
    }
}
