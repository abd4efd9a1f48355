//! Pages from the kernel, asked for directly: `mmap` itself is hooked.

use core::ptr::NonNull;

use memprof_capture::quiet_file::QuietFile;

/// Maps `bytes` zeroed bytes, private to this process.
pub fn map(bytes: usize) -> Option<NonNull<u8>> {
    map_with(bytes, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
}

/// Maps `bytes` bytes of the file `fd`, shared with whoever else maps it.
pub fn map_shared(bytes: usize, fd: i32) -> Option<NonNull<u8>> {
    map_with(bytes, libc::MAP_SHARED, fd)
}

fn map_with(bytes: usize, flags: i32, fd: i32) -> Option<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: without MAP_FIXED the kernel picks an unused range; nothing that exists is touched.
    let address = unsafe { libc::syscall(libc::SYS_mmap, 0_usize, bytes, protection, flags, fd, 0_usize) };
    if address == -1 { None } else { NonNull::new(address as *mut u8) }
}

/// Gives back what [`map`] gave.
///
/// # Safety
/// `address` and `bytes` are those of a mapping that nobody uses any more.
pub unsafe fn unmap(address: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller owns the range.
    unsafe { libc::syscall(libc::SYS_munmap, address.as_ptr(), bytes) };
}

/// Makes a mapping larger, moving it if need be. What is new reads as zero.
///
/// # Safety
/// `address` and `old_bytes` are those of a mapping from [`map`], and no reference into it is alive.
pub unsafe fn grow(address: NonNull<u8>, old_bytes: usize, new_bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: the caller owns the range, and nobody refers into it.
    let moved = unsafe {
        libc::syscall(libc::SYS_mremap, address.as_ptr(), old_bytes, new_bytes, libc::MREMAP_MAYMOVE, 0_usize)
    };
    if moved == -1 { None } else { NonNull::new(moved as *mut u8) }
}

/// Lets the kernel zero a mapping in every child that gets a copy of this address space.
///
/// # Safety
/// `address` and `bytes` are those of a mapping from [`map`].
pub unsafe fn wipe_in_children(address: NonNull<u8>, bytes: usize) -> bool {
    // SAFETY: this changes what happens at fork, and nothing here and now.
    unsafe { libc::syscall(libc::SYS_madvise, address.as_ptr(), bytes, libc::MADV_WIPEONFORK) == 0 }
}

/// This process's own memory, read through the kernel: what is not mapped is an answer and no fault.
pub struct OwnMemory(QuietFile);

impl OwnMemory {
    /// Opens it; nothing where `/proc` is not to be had.
    pub fn open() -> Option<Self> {
        let _errno = KeptErrno::new();
        QuietFile::open(c"/proc/self/mem").map(Self)
    }

    /// Fills `bytes` with what is at `address`. False if not all of it is mapped.
    pub fn read(&self, address: usize, bytes: &mut [u8]) -> bool {
        let _errno = KeptErrno::new();
        self.0.read_at(bytes, address as u64) == Some(bytes.len())
    }
}

/// Writes to standard error, without buffers or formatting.
pub fn say(text: &str) {
    // SAFETY: the bytes are valid for reads of their length.
    unsafe { libc::syscall(libc::SYS_write, 2, text.as_ptr(), text.len()) };
}

/// Leaves errno as it was found, when dropped.
pub struct KeptErrno(i32);

impl KeptErrno {
    /// Remembers errno.
    pub fn new() -> Self {
        // SAFETY: errno is this thread's own and always there.
        Self(unsafe { *libc::__errno_location() })
    }
}

impl Drop for KeptErrno {
    fn drop(&mut self) {
        // SAFETY: as in `new`.
        unsafe { *libc::__errno_location() = self.0 };
    }
}
