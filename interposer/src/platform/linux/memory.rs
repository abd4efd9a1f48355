//! Pages from the kernel, asked for directly: `mmap` itself is hooked.

use core::ptr::NonNull;

use memprof_capture::kept_errno::KeptErrno;
use memprof_capture::quiet_file::QuietFile;

/// Maps `bytes` zeroed bytes, private to this process.
pub fn map(bytes: usize) -> Option<NonNull<u8>> {
    map_with(bytes, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
}

/// Maps `bytes` bytes of the file `fd`, shared with whoever else maps it.
pub fn map_shared(bytes: usize, fd: i32) -> Option<NonNull<u8>> {
    map_with(bytes, libc::MAP_SHARED, fd)
}

/// Maps the first `bytes` bytes of the file `fd` to be read.
#[cfg(target_arch = "x86_64")]
pub fn map_file(bytes: usize, fd: i32) -> Option<NonNull<u8>> {
    // SAFETY: without MAP_FIXED the kernel picks an unused range; nothing that exists is touched.
    let address =
        unsafe { libc::syscall(libc::SYS_mmap, 0_usize, bytes, libc::PROT_READ, libc::MAP_PRIVATE, fd, 0_usize) };
    if address == -1 { None } else { NonNull::new(address as *mut u8) }
}

/// Maps `bytes` zeroed bytes below an address, near enough for a relative jump from there and from what follows within
/// some hundred MiB. Below, since a program's heap grows behind it.
#[cfg(target_arch = "x86_64")]
pub fn map_near(bytes: usize, address: usize) -> Option<NonNull<u8>> {
    const STEP: usize = 1 << 20;
    const STEPS: usize = 1500;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let _errno = KeptErrno::new();
    (1..=STEPS).map_while(|step| (address & !4095).checked_sub(step * STEP).filter(|&at| at > 0)).find_map(|at| {
        // SAFETY: the flag forbids to replace what exists; a kernel that does not know it picks an unused range.
        let got = unsafe { libc::syscall(libc::SYS_mmap, at, bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        let start = NonNull::new(got as *mut u8).filter(|_| got != -1)?;
        if start.as_ptr().addr() != at {
            // SAFETY: it was just mapped.
            unsafe { unmap(start, bytes) };
            return None;
        }
        Some(start)
    })
}

/// Lets pages be read and executed, and written to or not. False if the system does not allow that.
///
/// # Safety
/// Nobody needs these pages to be anything else.
#[cfg(target_arch = "x86_64")]
pub unsafe fn protect_code(address: usize, bytes: usize, writable: bool) -> bool {
    let (start, end) = (address & !4095, (address + bytes).next_multiple_of(4096));
    let writing = if writable { libc::PROT_WRITE } else { 0 };
    let _errno = KeptErrno::new();
    // SAFETY: the caller knows these pages.
    unsafe { libc::syscall(libc::SYS_mprotect, start, end - start, libc::PROT_READ | libc::PROT_EXEC | writing) == 0 }
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
