//! The memory that the recorder shares with the program: an anonymous file, reachable through the recorder's own
//! descriptor while it lives, and nowhere else. Only where there is no `/proc` has it a name.

use std::env;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::process;
use std::ptr;

use memprof_channel::clock::{ClockKind, monotonic_nanoseconds};
use memprof_channel::followed::Followed;
use memprof_channel::layout::{DEFAULT_CHUNKS, DEFAULT_LIMIT, pool_bytes};
use memprof_channel::{Pool, PoolSettings};

use crate::own_limits;
use memprof_channel::object_tracing::ObjectTracing;

/// A pool, and the file that it lies in.
pub struct SharedPool {
    place: Place,
    pool: Pool,
    start: *mut libc::c_void,
    bytes: usize,
}

/// What is to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Nothing before there is a Python interpreter.
    pub python_only: bool,
    /// Native stacks.
    pub native_stacks: bool,
    /// Python's own allocators.
    pub python_allocators: ObjectTracing,
    /// Other processes than the first.
    pub followed: Followed,
}

impl SharedPool {
    /// Creates a pool for a program that this process is about to start. The calling thread lives as long as the
    /// recording.
    pub fn create(wanted: Wanted) -> io::Result<Self> {
        let chunks = chunks_within(own_limits::address_space(), own_limits::file_size());
        let bytes = pool_bytes(chunks);
        let place = Place::find()?;
        own_limits::without_file_size_limit(|| place.file().set_len(bytes as u64))?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel picks an unused range; the file has this length.
        let start =
            unsafe { libc::mmap(ptr::null_mut(), bytes, protection, libc::MAP_SHARED, place.file().as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let settings = PoolSettings {
            chunks,
            limit: DEFAULT_LIMIT.min(chunks.div_ceil(4)) as u32,
            clock: ClockKind::of_this_machine(),
            python_only: wanted.python_only,
            native_stacks: wanted.native_stacks,
            python_allocators: wanted.python_allocators,
            followed: wanted.followed,
            pid_namespace: fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino()),
        };
        // SAFETY: the mapping is fresh, zeroed, of this length, on a page, and unmapped only when `self` is dropped.
        let pool = unsafe { Pool::create(start.cast(), &settings) };
        pool.header().recorder.hold().map_err(io::Error::from_raw_os_error)?;
        Ok(Self { place, pool, start, bytes })
    }

    /// The pool. Not to be used once `self` is dropped.
    pub fn pool(&self) -> Pool {
        self.pool
    }

    /// The number by which the kernel knows the file.
    pub fn inode(&self) -> io::Result<u64> {
        Ok(self.place.file().metadata()?.ino())
    }

    /// Where other processes of this user can open it.
    pub fn path(&self) -> PathBuf {
        match &self.place {
            Place::Memory(file) => path_of(file),
            Place::Named { path, .. } => path.clone(),
        }
    }
}

/// Where the pool's file is.
enum Place {
    /// In memory. It goes with its last user.
    Memory(File),
    /// Where there is no `/proc` to reach it by: in a folder, from which it goes at the end.
    Named { file: File, path: PathBuf },
}

impl Place {
    fn find() -> io::Result<Self> {
        // SAFETY: the name is a C string; the descriptor that comes back is ours alone.
        let file = unsafe {
            let fd = libc::memfd_create(c"memprof".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            File::from_raw_fd(fd)
        };
        // The kernel makes it open to everybody. Only this user's processes can reach it as it is; they are to be the
        // only ones that it admits, too.
        file.set_permissions(Permissions::from_mode(0o600))?;
        if fs::metadata(path_of(&file)).ok().map(|file| file.ino()) == Some(file.metadata()?.ino()) {
            return Ok(Self::Memory(file));
        }
        drop(file);
        let folders = ["/dev/shm".into(), env::temp_dir()];
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        // One of that number may have been killed before it could remove its own.
        let name = format!("memprof.{}.{}", process::id(), monotonic_nanoseconds());
        for path in folders.iter().map(|folder: &PathBuf| folder.join(&name)) {
            let mut options = OpenOptions::new();
            match options.read(true).write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok(Self::Named { file, path }),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn file(&self) -> &File {
        match self {
            Self::Memory(file) | Self::Named { file, .. } => file,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Named { path, .. } = self {
            // If it cannot be removed, somebody else has.
            let _ = fs::remove_file(path);
        }
    }
}

/// Where the kernel shows a descriptor of this process.
fn path_of(file: &File) -> PathBuf {
    format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd()).into()
}

impl Drop for SharedPool {
    fn drop(&mut self) {
        self.pool.header().recorder.let_go();
        // SAFETY: the mapping is ours, and whoever had the pool from `pool` has ended.
        unsafe { libc::munmap(self.start, self.bytes) };
    }
}

/// Chunks that serve a small program well.
const FEW_CHUNKS: usize = 64;
/// So much of the program's address space is given to the channel where that is limited.
const SHARE_OF_ADDRESS_SPACE: u64 = 16;

/// How many chunks the channel has: where the program's address space, or the size of files, is limited (in bytes), it
/// is smaller. With few chunks, threads wait for the recorder sooner, and fewer threads can be recorded.
fn chunks_within(address_space: Option<u64>, file_size: Option<u64>) -> usize {
    let fitting = |bytes: u64, least: usize| {
        let fits = |&chunks: &usize| pool_bytes(chunks) as u64 <= bytes;
        let few = (1..FEW_CHUNKS).rev();
        let all = (FEW_CHUNKS..=DEFAULT_CHUNKS).rev().step_by(FEW_CHUNKS);
        all.chain(few).find(fits).unwrap_or(1).max(least)
    };
    let by_space = address_space.map_or(DEFAULT_CHUNKS, |bytes| fitting(bytes / SHARE_OF_ADDRESS_SPACE, FEW_CHUNKS));
    let by_size = file_size.map_or(DEFAULT_CHUNKS, |bytes| fitting(bytes, 1));
    by_space.min(by_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_is_as_large_as_the_limits_allow() {
        assert_eq!(chunks_within(None, None), DEFAULT_CHUNKS);
        assert_eq!(chunks_within(Some(64 << 30), Some(1 << 30)), DEFAULT_CHUNKS);
        for megabytes in [20, 60, 100, 600, 1000_u64] {
            let (bytes, chunks) = (megabytes << 20, chunks_within(Some(megabytes << 20), None));
            assert!(chunks == FEW_CHUNKS || pool_bytes(chunks) as u64 <= bytes / SHARE_OF_ADDRESS_SPACE);
            assert!(
                chunks == DEFAULT_CHUNKS || pool_bytes(chunks + FEW_CHUNKS) as u64 > bytes / SHARE_OF_ADDRESS_SPACE
            );
        }
        for kilobytes in [32, 64, 512, 900, 2000, 20_000_u64] {
            let chunks = chunks_within(None, Some(kilobytes << 10));
            assert!(pool_bytes(chunks) as u64 <= kilobytes << 10, "{chunks} in {kilobytes} KiB");
        }
        // Nothing fits: the system will say so.
        assert_eq!(chunks_within(None, Some(0)), 1);
    }
}
