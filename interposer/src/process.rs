//! The process of a session, as it is described to the recorder.

use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use core::sync::atomic::{AtomicBool, AtomicU32};

use memprof_channel::Pool;
use memprof_channel::kept_errno::KeptErrno;
use memprof_channel::process::ProcessPrefix;
use memprof_channel::process_stat;

use crate::channel::Channel;
use crate::lock::Recording;
use crate::memory::MappedVec;
use crate::platform::quiet_file::QuietFile;
use crate::stop::Stop;

/// Which image of which process records. A forked child overwrites what it got from its parent, before it has threads.
pub struct Identity {
    image: AtomicU32,
    /// The process, as it knows itself.
    pid: AtomicU32,
    /// And as the recorder knows it.
    seen_pid: AtomicU32,
    /// The process that started it, likewise.
    seen_parent: AtomicU32,
    /// The image that this one was forked from; 0 where it began as a new program.
    forked_from: AtomicU32,
    /// Whether its description has been emitted.
    is_emitted: AtomicBool,
}

/// The most bytes of arguments that are emitted.
const LONGEST_ARGUMENTS: usize = 16 << 10;

impl Identity {
    /// Takes the next image number of the pool.
    pub fn of_new_image(pool: &Pool, ids: Ids) -> Self {
        Self {
            image: AtomicU32::new(pool.header().images.fetch_add(1, AcqRel) + 1),
            pid: AtomicU32::new(own_pid()),
            seen_pid: AtomicU32::new(ids.pid),
            seen_parent: AtomicU32::new(ids.parent),
            forked_from: AtomicU32::new(0),
            is_emitted: AtomicBool::new(false),
        }
    }

    /// The image's number, from 1.
    pub fn image(&self) -> u32 {
        self.image.load(Acquire)
    }

    /// Whether it is that of the calling process, and not of one that this was forked from.
    pub fn is_own(&self) -> bool {
        self.pid.load(Acquire) == own_pid()
    }

    /// The process, as the recorder knows it.
    pub fn pid(&self) -> u32 {
        self.seen_pid.load(Acquire)
    }

    /// The calling thread, as the recorder knows it.
    pub fn tid(&self) -> u32 {
        let is_seen_otherwise = self.pid() != self.pid.load(Acquire);
        is_seen_otherwise.then(seen_tid).flatten().unwrap_or_else(own_tid)
    }

    /// This process is a copy of the one that had this identity: takes one of its own.
    pub fn become_child(&self, pool: &Pool, ids: Ids) {
        self.forked_from.store(self.image(), Release);
        self.image.store(pool.header().images.fetch_add(1, AcqRel) + 1, Release);
        self.pid.store(own_pid(), Release);
        self.seen_pid.store(ids.pid, Release);
        self.seen_parent.store(ids.parent, Release);
        self.is_emitted.store(false, Release);
    }

    /// Emits its description, once.
    pub fn emit(&self, channel: &mut Channel, recording: &mut Recording) -> Result<(), Stop> {
        if self.is_emitted.swap(true, AcqRel) {
            return Ok(());
        }
        let prefix = ProcessPrefix::new(self.seen_parent.load(Acquire), self.forked_from.load(Acquire));
        let arguments = arguments()?;
        Ok(channel.writer(recording).process(&[prefix.as_bytes(), &arguments])?)
    }
}

/// The numbers of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Its own.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
}

impl Ids {
    /// This process's, as the recorder sees it: as `/proc` has them, which belongs to one pid namespace, whoever reads
    /// it. Where it is not to be had, those that the process has for itself.
    pub fn seen() -> Self {
        let _errno = KeptErrno::new();
        let mut bytes = [0; 256];
        let length = QuietFile::open(c"/proc/self/stat").and_then(|file| file.read(&mut bytes)).unwrap_or(0);
        Self::parse(&bytes[..length]).unwrap_or_else(|| {
            // SAFETY: getppid cannot fail.
            Self { pid: own_pid(), parent: unsafe { libc::getppid() }.cast_unsigned() }
        })
    }

    /// From `/proc/PID/stat` (proc(5)).
    fn parse(stat: &[u8]) -> Option<Self> {
        let pid = number(stat.split(|&byte| byte == b' ').next()?)?;
        Some(Self { pid, parent: process_stat::number(stat, 4)? })
    }
}

/// Whether the numbers in `/proc` mean something else to the recorder than to this process: a forked child that has
/// moved to another pid namespace, with a `/proc` of its own.
pub fn is_out_of_sight(pool: &Pool, channel: &CStr) -> bool {
    let _errno = KeptErrno::new();
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the path is a C string; fills the structure, which is valid all zero.
    let known = unsafe {
        (libc::stat(c"/proc/self/ns/pid".as_ptr(), status.as_mut_ptr()) == 0).then(|| status.assume_init().st_ino)
    };
    let of_recorder = pool.header().pid_namespace;
    // The channel is below the recorder's own folder there.
    known.is_some_and(|own| of_recorder != 0 && own != of_recorder) && QuietFile::open_to_write(channel).is_none()
}

fn own_pid() -> u32 {
    // SAFETY: getpid cannot fail.
    unsafe { libc::getpid() }.cast_unsigned()
}

fn own_tid() -> u32 {
    // SAFETY: gettid has no arguments.
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

/// As `/proc` has it: see [`Ids::seen`].
fn seen_tid() -> Option<u32> {
    let _errno = KeptErrno::new();
    let mut link = [0_u8; 64];
    // SAFETY: fills at most as many bytes as there are.
    let length = unsafe { libc::readlink(c"/proc/thread-self".as_ptr(), link.as_mut_ptr().cast(), link.len()) };
    let link = link.get(..usize::try_from(length).ok()?)?;
    number(link.rsplit(|&byte| byte == b'/').next()?)
}

fn number(digits: &[u8]) -> Option<u32> {
    str::from_utf8(digits).ok()?.parse().ok()
}

/// This process's arguments, each followed by a NUL; empty where `/proc` is not to be had.
fn arguments() -> Result<MappedVec<u8>, Stop> {
    let _errno = KeptErrno::new();
    let mut bytes = MappedVec::<u8>::zeroed(LONGEST_ARGUMENTS)?;
    let length = QuietFile::open(c"/proc/self/cmdline").and_then(|file| file.read(&mut bytes)).unwrap_or(0);
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_after_any_name() {
        assert_eq!(Ids::parse(b"12 (a) b (c) S 7 12 12 0"), Some(Ids { pid: 12, parent: 7 }));
        assert_eq!(Ids::parse(b"12 (a"), None);
        assert_eq!(Ids::parse(b""), None);
        // SAFETY: cannot fail.
        let parent = unsafe { libc::getppid() }.cast_unsigned();
        assert_eq!(Ids::seen(), Ids { pid: std::process::id(), parent });
        assert_eq!(seen_tid(), Some(own_tid()));
    }
}
