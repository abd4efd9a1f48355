//! Why a file cannot be opened as a capture, and what the user can do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::format::FILE_VERSION;
use crate::os_error::in_words;

/// Why a file cannot be opened as a capture.
#[derive(Debug)]
pub enum OpenError {
    /// The operating system refuses.
    Io(PathBuf, io::Error),
    /// It is a folder.
    Directory(PathBuf),
    /// It is a pipe, a socket or a device.
    NoFile(PathBuf),
    /// It has no bytes.
    Empty(PathBuf),
    /// It is not a capture of memprof.
    Foreign(PathBuf),
    /// A newer memprof wrote it, in a format of this version.
    Newer(PathBuf, u32),
    /// It starts like a capture, but ends or is damaged before anything can be read.
    NoHeader(PathBuf),
    /// It is an aggregated capture whose sums are lost.
    NoSums(PathBuf),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) if error.kind() == io::ErrorKind::NotFound => {
                write!(f, "there is no file {}: check the name", path.display())
            }
            Self::Io(path, error) => write!(f, "cannot read {}: {}", path.display(), in_words(error)),
            Self::Directory(path) => {
                write!(f, "{} is a folder, not a capture: give the file that `memprof run` wrote", path.display())
            }
            Self::NoFile(path) => write!(
                f,
                "{} is a pipe or a device, not a capture: give the file that `memprof run` wrote",
                path.display()
            ),
            Self::Empty(path) => write!(f, "{} is empty: record again with `memprof run`", path.display()),
            Self::Foreign(path) => {
                write!(f, "{} is not a memprof capture: give the file that `memprof run` wrote", path.display())
            }
            Self::Newer(path, version) => write!(
                f,
                "{} has capture format {version}, newer than this memprof reads ({FILE_VERSION}): update memprof",
                path.display()
            ),
            Self::NoSums(path) => write!(
                f,
                "{} is an aggregated capture that was cut off or damaged where its sums were, and holds nothing to \
                 report: copy it again from where it was written, or record again",
                path.display()
            ),
            Self::NoHeader(path) => write!(
                f,
                "{} was cut off or damaged within its first bytes and holds nothing to report: record again",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Io(_, error) = self { Some(error) } else { None }
    }
}
