//! Pages from the kernel, asked for directly: `mmap` itself is hooked.

use core::ffi::CStr;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;

use memprof_channel::kept_errno::KeptErrno;
use memprof_channel::pool::futex_wait;

use super::quiet_file::QuietFile;

/// Maps `bytes` zeroed bytes, private to this process.
#[inline(always)]
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
/// some hundred MiB. Below, since a program's heap grows upwards from its end.
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

/// Nobody may touch these pages any more, whatever was in them.
///
/// # Safety
/// Nobody uses them.
#[inline(always)]
pub unsafe fn forbid(address: NonNull<u8>, bytes: usize) {
    let _errno = KeptErrno::new();
    // SAFETY: the caller says so.
    unsafe { libc::syscall(libc::SYS_mprotect, address.as_ptr(), bytes, libc::PROT_NONE) };
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

#[inline(always)]
fn map_with(bytes: usize, flags: i32, fd: i32) -> Option<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: without MAP_FIXED the kernel picks an unused range; nothing that exists is touched.
    let address = unsafe { libc::syscall(libc::SYS_mmap, 0_usize, bytes, protection, flags, fd, 0_usize) };
    if address == -1 { None } else { NonNull::new(address as *mut u8) }
}

/// Unmaps what [`map`] has mapped.
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

/// The pool that is shared with the recorder, as it is mapped here.
#[derive(Clone, Copy)]
pub struct MappedPool {
    /// Its first byte.
    pub start: NonNull<u8>,
    /// How many there are.
    pub bytes: usize,
}

impl MappedPool {
    /// Opens and maps it. Nothing if that cannot be done: another pid namespace, another user, or the recorder has
    /// ended.
    pub fn open(path: &CStr) -> Option<Self> {
        let file = QuietFile::open_to_write(path)?;
        let bytes = file.bytes()?;
        Some(Self { start: map_shared(bytes, file.descriptor())?, bytes })
    }

    /// Unmaps it.
    ///
    /// # Safety
    /// Nobody uses it any more.
    pub unsafe fn close(self) {
        // SAFETY: the caller gives it up.
        unsafe { unmap(self.start, self.bytes) };
    }

    /// Maps it a second time, elsewhere, and puts zeroed memory of this process's own in its first place. Nothing, and
    /// then the second is not done either, if that cannot be done.
    pub fn leave(self) -> Option<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let _errno = KeptErrno::new();
        // SAFETY: an old length of zero makes another mapping of the same shared pages (mremap(2)), wherever there is
        // room. Then the first one is replaced, at which nothing but the pool is.
        unsafe {
            let other = libc::syscall(
                libc::SYS_mremap,
                self.start.as_ptr(),
                0_usize,
                self.bytes,
                libc::MREMAP_MAYMOVE,
                0_usize,
            );
            let other = NonNull::new(other as *mut u8).filter(|_| other != -1)?;
            let own = libc::syscall(libc::SYS_mmap, self.start.as_ptr(), self.bytes, protection, flags, -1, 0_usize);
            if own == -1 {
                unmap(other, self.bytes);
                return None;
            }
            Some(Self { start: other, bytes: self.bytes })
        }
    }
}

/// This process's own memory, read through the kernel: what is not mapped is an answer and no fault.
pub struct OwnMemory {
    /// Nothing where `/proc` is not to be had: then it is read as another process's would be.
    file: Option<QuietFile>,
}

impl OwnMemory {
    /// Opens it.
    pub fn open() -> Self {
        let _errno = KeptErrno::new();
        Self { file: QuietFile::open(c"/proc/self/mem") }
    }

    /// Opens it for callers that read little, and often: where it can be read as another process's would be, there is
    /// nothing to open.
    pub fn open_for_little() -> Self {
        const UNKNOWN: u32 = 0;
        const YES: u32 = 1;
        const NO: u32 = 2;
        static CAN_BE_READ: AtomicU32 = AtomicU32::new(UNKNOWN);
        let unopened = Self { file: None };
        if CAN_BE_READ.load(Relaxed) == UNKNOWN {
            let (known, mut same) = (0x5a_u8, [0]);
            let works = unopened.read((&raw const known).expose_provenance(), &mut same) && same == [known];
            CAN_BE_READ.store(if works { YES } else { NO }, Relaxed);
        }
        if CAN_BE_READ.load(Relaxed) == YES { unopened } else { Self::open() }
    }

    /// Fills `bytes` with what is at `address`. False if not all of it is mapped.
    pub fn read(&self, address: usize, bytes: &mut [u8]) -> bool {
        let _errno = KeptErrno::new();
        match &self.file {
            Some(file) => {
                let wanted = bytes.len();
                file.read_at(bytes, address as u64) == Some(wanted)
            }
            None => read_as_another_s([(address, bytes)]),
        }
    }

    /// Likewise, from two places, one after the other.
    pub fn read_two(&self, first: (usize, &mut [u8]), second: (usize, &mut [u8])) -> bool {
        if self.file.is_some() {
            return self.read(first.0, first.1) && self.read(second.0, second.1);
        }
        let _errno = KeptErrno::new();
        read_as_another_s([first, second])
    }
}

/// Reads this process's memory as one would another process's.
fn read_as_another_s<const N: usize>(pieces: [(usize, &mut [u8]); N]) -> bool {
    let wanted: usize = pieces.iter().map(|(_, bytes)| bytes.len()).sum();
    let from = core::array::from_fn::<_, N, _>(|at| libc::iovec {
        iov_base: core::ptr::with_exposed_provenance_mut(pieces[at].0),
        iov_len: pieces[at].1.len(),
    });
    let to = pieces.map(|(_, bytes)| libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() });
    // SAFETY: fills at most as many bytes as there are; what it reads is for the kernel to find.
    let read =
        unsafe { libc::syscall(libc::SYS_process_vm_readv, libc::getpid(), to.as_ptr(), N, from.as_ptr(), N, 0_usize) };
    usize::try_from(read) == Ok(wanted)
}

/// Yields the processor for a moment, by a system call that every program with threads makes. Unlike `sched_yield` it
/// also lets threads of a lower priority run.
pub fn doze() {
    static NOBODY_WAKES: AtomicU32 = AtomicU32::new(0);
    let _errno = KeptErrno::new();
    futex_wait(&NOBODY_WAKES, 0, Duration::from_micros(50));
}

/// Which of these pages are mapped: how many bytes from `start`, a page's first byte, up to the first one that is not.
pub fn mapped_bytes(start: usize, bytes: usize) -> usize {
    const PAGE: usize = 4096;
    const MOST: usize = 64;
    let _errno = KeptErrno::new();
    let mut resident = [0_u8; MOST];
    let is_mapped = |pages: usize, resident: &mut [u8; MOST]| {
        // SAFETY: only asks, and writes a byte for each of at most as many pages as there are bytes.
        unsafe { libc::syscall(libc::SYS_mincore, start, pages * PAGE, resident.as_mut_ptr()) == 0 }
    };
    let all = (bytes / PAGE).min(MOST);
    if is_mapped(all, &mut resident) {
        return all * PAGE;
    }
    // The first pages of those, half as many each time until there is only one.
    let (mut mapped, mut unmapped) = (0, all);
    while mapped + 1 < unmapped {
        let middle = mapped.midpoint(unmapped);
        if is_mapped(middle, &mut resident) {
            mapped = middle;
        } else {
            unmapped = middle;
        }
    }
    mapped * PAGE
}

/// Writes to standard error, without buffers or formatting.
pub fn say(text: &str) {
    // SAFETY: the bytes are valid for reads of their length.
    unsafe { libc::syscall(libc::SYS_write, 2, text.as_ptr(), text.len()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_is_read_both_ways_and_what_is_not_there_is_not() {
        let value = 0x1234_5678_u32;
        for memory in [OwnMemory::open(), OwnMemory { file: None }] {
            let mut bytes = [0; 4];
            assert!(memory.read((&raw const value).addr(), &mut bytes));
            assert_eq!(u32::from_ne_bytes(bytes), value);
            assert!(!memory.read(16, &mut bytes));
        }
    }
}
