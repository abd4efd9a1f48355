//! A file in memory that has a path.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::PathBuf;

/// An anonymous file.
pub struct MemoryFile {
    file: File,
}

impl MemoryFile {
    /// A file with this content.
    ///
    /// # Errors
    /// When the system gives no memory.
    pub fn of(bytes: &[u8]) -> io::Result<Self> {
        // SAFETY: the name is a C string; the descriptor that comes back is ours alone.
        let mut file = unsafe {
            let fd = libc::memfd_create(c"memprof-damage".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            File::from_raw_fd(fd)
        };
        file.write_all(bytes)?;
        Ok(Self { file })
    }

    /// Where this process can open it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// Another handle.
    ///
    /// # Errors
    /// When there are no more descriptors.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}
