//! The processes that fill the pool: the program, and those that it has started, where they are followed.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use rustc_hash::FxHashMap;

use crate::resident_set::ResidentSet;

/// A process that has been seen to record.
struct Member {
    /// Its present image.
    image: u32,
    /// Becomes readable when the process ends. Nothing when it had ended before it could be opened.
    handle: Option<OwnedFd>,
    resident: Option<ResidentSet>,
}

/// All processes that record and have not ended.
#[derive(Default)]
pub struct Family {
    members: FxHashMap<u32, Member>,
}

impl Family {
    /// Notes that a process runs an image. Returns the image that it ran before, if that was another.
    pub fn note(&mut self, pid: u32, image: u32) -> Option<u32> {
        if let Some(member) = self.members.get_mut(&pid) {
            // Images are numbered in the order in which they begin; an older one may still have chunks to be taken.
            if image <= member.image {
                return None;
            }
            return Some(std::mem::replace(&mut member.image, image));
        }
        let id = pid.cast_signed();
        self.members.insert(pid, Member { image, handle: open(id), resident: ResidentSet::of(id).ok() });
        None
    }

    /// Takes out those that have ended: each with its last image.
    pub fn take_ended(&mut self) -> Vec<(u32, u32)> {
        let mut polled: Vec<(u32, libc::pollfd)> = Vec::with_capacity(self.members.len());
        let mut ended = Vec::new();
        for (&pid, member) in &self.members {
            match &member.handle {
                Some(handle) => {
                    polled.push((pid, libc::pollfd { fd: handle.as_raw_fd(), events: libc::POLLIN, revents: 0 }));
                }
                None => ended.push(pid),
            }
        }
        for (pid, mut poll) in polled {
            // SAFETY: one structure, which the call fills; it does not wait.
            if unsafe { libc::poll(&raw mut poll, 1, 0) } > 0 {
                ended.push(pid);
            }
        }
        ended.into_iter().filter_map(|pid| Some((pid, self.members.remove(&pid)?.image))).collect()
    }

    /// The resident sets of all processes but one, in bytes, each with its image.
    pub fn resident_sets(&self, except: u32) -> impl Iterator<Item = (u32, u64)> + '_ {
        let others = self.members.iter().filter(move |&(&pid, _)| pid != except);
        others.filter_map(|(_, member)| Some((member.image, member.resident.as_ref()?.bytes()?)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }
}

/// A descriptor for the process; nothing once it has been reaped.
fn open(pid: libc::pid_t) -> Option<OwnedFd> {
    // SAFETY: a plain system call; the descriptor that comes back is ours alone (and closed on exec by definition).
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd as i32))
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
        assert_eq!(family.note(child.id(), 1), None);
        assert_eq!(family.note(std::process::id(), 2), None);
        assert_eq!(family.note(child.id(), 3), Some(1), "it has become another program");
        assert_eq!(family.note(child.id(), 1), None);
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
}
