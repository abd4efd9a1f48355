//! The memory that the recorder shares with the program: an anonymous file, reachable through the recorder's own
//! descriptor while it lives, and nowhere else.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::ptr;

use memprof_capture::channel::layout::{DEFAULT_CHUNKS, DEFAULT_LIMIT, pool_bytes};
use memprof_capture::channel::{Pool, PoolSettings};
use memprof_capture::clock::ClockKind;

use crate::file_size_limit;

/// A pool, and the file that it lies in.
pub struct SharedPool {
    file: File,
    pool: Pool,
    start: *mut libc::c_void,
}

/// What is to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Nothing before there is a Python interpreter.
    pub python_only: bool,
    /// Native stacks.
    pub native_stacks: bool,
    /// Python's own allocators.
    pub python_allocators: bool,
    /// The processes that the program starts.
    pub follow_fork: bool,
}

impl SharedPool {
    /// Creates a pool for a program that this process is about to start. The calling thread lives as long as the recording.
    pub fn create(wanted: Wanted) -> io::Result<Self> {
        let bytes = pool_bytes(DEFAULT_CHUNKS);
        // SAFETY: the name is a C string; the descriptor that comes back is ours alone.
        let file = unsafe {
            let fd = libc::memfd_create(c"memprof".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            File::from_raw_fd(fd)
        };
        // The kernel makes it open to everybody. Only this user's processes can reach it as it is; they are to be the only
        // ones that it admits, too.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file_size_limit::lifted(|| file.set_len(bytes as u64))?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel picks an unused range; the file has this length.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let settings = PoolSettings {
            chunks: DEFAULT_CHUNKS,
            limit: DEFAULT_LIMIT as u32,
            clock: ClockKind::of_this_machine(),
            python_only: wanted.python_only,
            native_stacks: wanted.native_stacks,
            python_allocators: wanted.python_allocators,
            follow_fork: wanted.follow_fork,
            pid_namespace: fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino()),
        };
        // SAFETY: the mapping is fresh, zeroed, of this length, on a page, and unmapped only when `self` is dropped.
        let pool = unsafe { Pool::create(start.cast(), &settings) };
        pool.header().recorder.hold().map_err(io::Error::from_raw_os_error)?;
        Ok(Self { file, pool, start })
    }

    /// The pool. Not to be used once `self` is dropped.
    pub fn pool(&self) -> Pool {
        self.pool
    }

    /// The number by which the kernel knows the file.
    pub fn inode(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.ino())
    }

    /// Where other processes of this user can open it.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}

impl Drop for SharedPool {
    fn drop(&mut self) {
        self.pool.header().recorder.let_go();
        // SAFETY: the mapping is ours, and whoever had the pool from `pool` has ended.
        unsafe { libc::munmap(self.start, pool_bytes(DEFAULT_CHUNKS)) };
    }
}
