//! Files that are read within the program's own `malloc`, by system calls alone: in the C library's `open`, `read` and
//! `close` a thread can be cancelled (pthreads(7)), and in `malloc` it cannot.

use core::ffi::{CStr, c_int};

/// A file that is open. What is done with it can change errno.
#[derive(Debug)]
pub struct QuietFile {
    fd: c_int,
}

impl QuietFile {
    /// Opens it for reading; nothing where that cannot be done. Does not wait for whoever writes to it, if it is a pipe.
    #[must_use]
    pub fn open(path: &CStr) -> Option<Self> {
        Self::open_with(path, libc::O_RDONLY | libc::O_NONBLOCK)
    }

    /// Opens it for reading and writing, likewise.
    #[must_use]
    pub fn open_to_write(path: &CStr) -> Option<Self> {
        Self::open_with(path, libc::O_RDWR)
    }

    fn open_with(path: &CStr, flags: c_int) -> Option<Self> {
        let flags = flags | libc::O_CLOEXEC;
        // SAFETY: the path is a C string.
        let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags) };
        c_int::try_from(fd).ok().filter(|&fd| fd >= 0).map(|fd| Self { fd })
    }

    /// The descriptor, which stays this one's own.
    #[must_use]
    pub const fn descriptor(&self) -> c_int {
        self.fd
    }

    /// How many bytes it has, if it is an ordinary file.
    #[must_use]
    pub fn bytes(&self) -> Option<usize> {
        let mut status = core::mem::MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: fills the structure, which is valid all zero. (fstat is no place to be cancelled.)
        let status = unsafe { (libc::fstat(self.fd, status.as_mut_ptr()) == 0).then(|| status.assume_init()) }?;
        let is_file = status.st_mode & libc::S_IFMT == libc::S_IFREG;
        usize::try_from(status.st_size).ok().filter(|_| is_file)
    }

    /// Reads what comes next. Returns how many bytes that was, 0 at the end; nothing where it failed.
    pub fn read(&self, bytes: &mut [u8]) -> Option<usize> {
        // SAFETY: fills at most as many bytes as there are.
        let read = unsafe { libc::syscall(libc::SYS_read, self.fd, bytes.as_mut_ptr(), bytes.len()) };
        usize::try_from(read).ok()
    }

    /// Reads what is at `offset`.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> Option<usize> {
        // SAFETY: as above. An offset that is too large is an error.
        let read = unsafe { libc::syscall(libc::SYS_pread64, self.fd, bytes.as_mut_ptr(), bytes.len(), offset) };
        usize::try_from(read).ok()
    }
}

impl Drop for QuietFile {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours.
        unsafe { libc::syscall(libc::SYS_close, self.fd) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_and_what_is_not() {
        let file = QuietFile::open(c"/proc/self/stat").unwrap();
        let mut bytes = [0; 8];
        assert_eq!(file.read(&mut bytes), Some(8));
        let pid = std::process::id().to_string();
        assert!(bytes.starts_with(&pid.as_bytes()[..pid.len().min(8)]));
        let mut again = [0; 8];
        assert_eq!(file.read_at(&mut again, 0), Some(8));
        assert_eq!(bytes, again);
        assert!(QuietFile::open(c"/gone/file").is_none());
        assert_eq!(QuietFile::open(c"/").unwrap().read(&mut bytes), None);
    }
}
