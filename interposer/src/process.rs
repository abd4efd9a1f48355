//! The process of a session, as the recorder is told.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use core::sync::atomic::{AtomicBool, AtomicU32};

use memprof_capture::channel::Pool;
use memprof_capture::channel::process::ProcessPrefix;
use memprof_capture::kept_errno::KeptErrno;
use memprof_capture::quiet_file::QuietFile;

use crate::channel::Channel;
use crate::lock::Recording;
use crate::memory::MappedVec;
use crate::stop::Stop;

/// Which image of which process records. A forked child overwrites what it got from its parent, before it has threads.
pub struct Identity {
    image: AtomicU32,
    pid: AtomicU32,
    /// The image that this one was forked from; 0 where it began as a new program.
    forked_from: AtomicU32,
    /// Whether the recorder has been told.
    told: AtomicBool,
}

/// The most bytes of arguments that are told.
const LONGEST_ARGUMENTS: usize = 16 << 10;

impl Identity {
    /// Takes the next image number of the pool.
    pub fn of_new_image(pool: &Pool, pid: u32) -> Self {
        Self {
            image: AtomicU32::new(pool.header().images.fetch_add(1, AcqRel) + 1),
            pid: AtomicU32::new(pid),
            forked_from: AtomicU32::new(0),
            told: AtomicBool::new(false),
        }
    }

    /// The image's number, from 1.
    pub fn image(&self) -> u32 {
        self.image.load(Acquire)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.pid.load(Acquire)
    }

    /// This process is a copy of the one that had this identity: takes one of its own.
    pub fn become_child(&self, pool: &Pool, pid: u32) {
        self.forked_from.store(self.image(), Release);
        self.image.store(pool.header().images.fetch_add(1, AcqRel) + 1, Release);
        self.pid.store(pid, Release);
        self.told.store(false, Release);
    }

    /// Tells the recorder, once.
    pub fn tell(&self, channel: &mut Channel, recording: &mut Recording) -> Result<(), Stop> {
        if self.told.swap(true, AcqRel) {
            return Ok(());
        }
        // SAFETY: getppid cannot fail.
        let parent = unsafe { libc::getppid() }.cast_unsigned();
        let prefix = ProcessPrefix::new(parent, self.forked_from.load(Acquire));
        let arguments = arguments()?;
        Ok(channel.writer(recording).process(&[prefix.as_bytes(), &arguments])?)
    }
}

/// This process's arguments, each with a NUL behind it; empty where `/proc` is not to be had.
fn arguments() -> Result<MappedVec<u8>, Stop> {
    let _errno = KeptErrno::new();
    let mut bytes = MappedVec::<u8>::zeroed(LONGEST_ARGUMENTS)?;
    let length = QuietFile::open(c"/proc/self/cmdline").and_then(|file| file.read(&mut bytes)).unwrap_or(0);
    bytes.truncate(length);
    Ok(bytes)
}
