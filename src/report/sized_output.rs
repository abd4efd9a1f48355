//! Where a report goes that may be far larger than its capture: a disk is not filled by surprise.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use memprof_reporter::expected_size::{ExpectedSize, SizedWrite};
use memprof_reporter::size_units::size;

/// No file becomes larger than this unless its capture is, or the user says that it may.
const USUAL: u64 = 1 << 30;

/// How large something may become.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    /// What surprises nobody; nothing where any size is as well.
    usual: Option<u64>,
    /// What the disk has left; nothing where there is no disk.
    free: Option<u64>,
}

impl Room {
    /// That of an open file, for a report on a capture. What is no file, such as a pipe, has all the room there is.
    pub(super) fn of(file: impl AsFd, capture: &Path, force: bool) -> Self {
        let file = file.as_fd();
        let is_file = file.try_clone_to_owned().and_then(|file| File::from(file).metadata());
        if !is_file.is_ok_and(|metadata| metadata.is_file()) {
            return Self::default();
        }
        let capture_bytes = capture.metadata().map_or(0, |metadata| metadata.len());
        Self { usual: (!force).then_some(USUAL.max(capture_bytes)), free: free_bytes(file) }
    }

    fn admit(self, expected: ExpectedSize) -> Result<(), TooLarge> {
        let (ExpectedSize::Exactly(bytes) | ExpectedSize::About(bytes) | ExpectedSize::Unpacked(bytes)) = expected;
        match self {
            // How much a disk needs for what is packed is not known.
            Self { free: Some(free), .. } if bytes > free && !matches!(expected, ExpectedSize::Unpacked(_)) => {
                Err(TooLarge::ForDisk { expected, free })
            }
            Self { usual: Some(usual), .. } if bytes > usual => Err(TooLarge::Unusual(expected)),
            _ => Ok(()),
        }
    }
}

/// How much the user may still write to the disk that a file is on, where the system says.
fn free_bytes(file: impl AsRawFd) -> Option<u64> {
    let mut answer = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the descriptor is open, and the structure of the right type.
    let asked = unsafe { libc::fstatvfs(file.as_raw_fd(), answer.as_mut_ptr()) };
    // SAFETY: all-zero bytes are a valid statvfs, and the call can only have overwritten them with one.
    let answer = unsafe { answer.assume_init() };
    // Some file systems have no size.
    (asked == 0 && answer.f_blocks > 0).then(|| answer.f_bavail.saturating_mul(answer.f_frsize))
}

/// Why a report is not written: the middle of a sentence, after the name of the file.
#[derive(Clone, Copy, Debug)]
pub enum TooLarge {
    /// Nobody would expect that much.
    Unusual(ExpectedSize),
    /// It is more than was expected, and the rest is still to come.
    Already(u64),
    /// The disk has no room for it.
    ForDisk {
        /// The report.
        expected: ExpectedSize,
        /// What the disk has left, in bytes.
        free: u64,
    },
}

impl TooLarge {
    /// What a writer's error says, if it says this.
    pub(super) fn in_error(error: &io::Error) -> Option<Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref()).copied()
    }

    /// Whether the disk is the reason.
    pub(super) const fn is_for_disk(self) -> bool {
        matches!(self, Self::ForDisk { .. })
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unusual(expected) | Self::ForDisk { expected, .. }) = self else {
            let Self::Already(bytes) = self else { return Ok(()) };
            return write!(f, "would have more than {}", size(*bytes));
        };
        match *expected {
            ExpectedSize::Exactly(bytes) => write!(f, "would have {}", size(bytes))?,
            ExpectedSize::About(bytes) => write!(f, "would have about {}", size(bytes))?,
            ExpectedSize::Unpacked(bytes) => write!(f, "would have {} when it is unpacked", size(bytes))?,
        }
        match self {
            Self::ForDisk { free, .. } => write!(f, ", and its disk has {} left", size(*free)),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for TooLarge {}

/// Takes what there is room for.
pub(super) struct SizedOutput<W> {
    out: W,
    room: Room,
    written: u64,
}

impl<W: Write> SizedOutput<W> {
    pub(super) const fn new(out: W, room: Room) -> Self {
        Self { out, room, written: 0 }
    }
}

impl<W: Write> Write for SizedOutput<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(usual) = self.room.usual.filter(|&usual| self.written + bytes.len() as u64 > usual) {
            return Err(io::Error::other(TooLarge::Already(usual)));
        }
        let taken = self.out.write(bytes)?;
        self.written += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> SizedWrite for SizedOutput<W> {
    fn expect(&mut self, size: ExpectedSize) -> io::Result<()> {
        self.room.admit(size).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_room_of_its_disk_and_a_pipe_all() {
        let file = tempfile::tempfile().expect("a temporary file can be made");
        let room = Room::of(&file, Path::new("nowhere"), false);
        assert_eq!(room.usual, Some(USUAL));
        assert!(room.free.is_some_and(|free| free > 0));
        let mut out = SizedOutput::new(&file, room);
        out.expect(ExpectedSize::Exactly(1000)).expect("there is room");
        let refused = out.expect(ExpectedSize::Unpacked(u64::MAX)).expect_err("too much");
        assert!(matches!(TooLarge::in_error(&refused), Some(TooLarge::Unusual(_))));
        let forced = SizedOutput::new(&file, Room::of(&file, Path::new("nowhere"), true));
        let refused = { forced }.expect(ExpectedSize::About(1 << 60)).expect_err("no disk has that");
        assert!(TooLarge::in_error(&refused).is_some_and(TooLarge::is_for_disk));
        let (_reader, writer) = io::pipe().expect("a pipe can be made");
        let mut pipe = SizedOutput::new(&writer, Room::of(&writer, Path::new("nowhere"), false));
        pipe.expect(ExpectedSize::Exactly(u64::MAX)).expect("a pipe takes what comes");
    }

    #[test]
    fn what_was_not_expected_ends_at_the_same_limit() {
        let room = Room { usual: Some(10), free: None };
        let mut out = SizedOutput::new(Vec::new(), room);
        out.write_all(b"0123456789").expect("there is room");
        let refused = out.write_all(b"x").expect_err("too much");
        assert_eq!(TooLarge::in_error(&refused).expect("it says so").to_string(), "would have more than 10 B");
    }
}
