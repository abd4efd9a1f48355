//! A file in memory, read as far as it is looked at.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};

/// A regular file, mapped.
#[derive(Debug)]
pub struct MappedFile {
    path: PathBuf,
    start: NonNull<u8>,
    bytes: usize,
    /// Device and inode.
    identity: (u64, u64),
}

impl MappedFile {
    /// Maps a file. What is no regular file, or is empty, is an error.
    pub fn open(path: &Path) -> io::Result<Self> {
        // A pipe without a writer would keep memprof waiting.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        Self::of(&file, path)
    }

    /// Maps an open file, which is, or was, at this path.
    pub fn of(file: &File, path: &Path) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        let bytes = usize::try_from(metadata.len()).map_err(io::Error::other)?;
        let start = map(file, bytes)?;
        Ok(Self { path: path.to_owned(), start, bytes, identity: identity(&metadata) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether both are the same file, under whatever names.
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn map(file: &File, bytes: usize) -> io::Result<NonNull<u8>> {
    if bytes == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty"));
    }
    // SAFETY: maps a file read-only at an address that the kernel chooses.
    let start = unsafe { libc::mmap(ptr::null_mut(), bytes, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| io::Error::other("the kernel mapped it at address 0"))
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping is this long and lives as long as `self`. Package managers replace files of code, they do
        // not write into them: a loader that maps the same file for programs to run relies on that, too.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `open`; nothing borrows from it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
