//! Which memory may be read as stack. Unwinding information can be wrong, or misread after a wrong step; what it names is
//! only read if it lies in a stack, above the stack pointer.
//!
//! A thread's own stack is known. It may also run on others: a signal handler's (`sigaltstack`), a coroutine's. These are
//! looked up in `/proc/self/maps` and remembered until the program unmaps something.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use memprof_capture::kept_errno::KeptErrno;
use memprof_capture::quiet_file::QuietFile;

use crate::platform::real;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackRegion {
    low: usize,
    high: usize,
}

impl StackRegion {
    /// No memory.
    pub const NONE: Self = Self { low: 0, high: 0 };

    /// From its first byte to behind its last one.
    #[cfg(test)]
    pub const fn new(low: usize, high: usize) -> Self {
        Self { low, high }
    }

    /// The calling thread's own stack.
    pub fn of_this_thread() -> Self {
        let own = if is_first_thread() { first_thread_stack() } else { pthread_stack() };
        own.unwrap_or(Self::NONE)
    }

    /// Whether a stack pointer is in it.
    #[inline]
    pub const fn contains(&self, sp: usize) -> bool {
        sp >= self.low && sp < self.high
    }

    /// Whether the word at `address` may be read while the stack pointer is `sp`.
    #[inline]
    pub const fn may_read(&self, sp: usize, address: usize) -> bool {
        address >= sp && address < self.high && address.is_multiple_of(8)
    }
}

/// How often the program has unmapped memory.
static UNMAPPINGS: AtomicU32 = AtomicU32::new(0);

/// The program unmaps something, or maps something over it.
#[inline]
pub fn note_unmapping() {
    UNMAPPINGS.fetch_add(1, AcqRel);
}

const FOREIGN: usize = 4;

/// The stacks of a thread.
pub struct StackRegions {
    own: StackRegion,
    foreign: [StackRegion; FOREIGN],
    next: usize,
    unmappings: u32,
}

/// `__libc_stack_end`: the loader's note of where the first thread's stack began.
static STACK_END: AtomicUsize = AtomicUsize::new(0);

/// Looks up what must be looked up once.
pub fn prepare() {
    // SAFETY: the name is a C string; the variable, where it exists, holds a pointer.
    unsafe {
        let variable = libc::dlsym(libc::RTLD_DEFAULT, c"__libc_stack_end".as_ptr()).cast::<usize>();
        if !variable.is_null() {
            STACK_END.store(variable.read(), Relaxed);
        }
    }
}

impl StackRegions {
    /// Those of the calling thread.
    pub fn of_this_thread() -> Self {
        let own = StackRegion::of_this_thread();
        Self { own, foreign: [StackRegion::NONE; FOREIGN], next: 0, unmappings: UNMAPPINGS.load(Acquire) }
    }

    /// The region that holds a stack pointer.
    #[inline]
    pub fn of(&mut self, sp: usize) -> Option<StackRegion> {
        if self.own.contains(sp) { Some(self.own) } else { self.of_another(sp) }
    }

    #[cold]
    fn of_another(&mut self, sp: usize) -> Option<StackRegion> {
        let unmappings = UNMAPPINGS.load(Acquire);
        if unmappings != self.unmappings {
            self.unmappings = unmappings;
            self.foreign = [StackRegion::NONE; FOREIGN];
        }
        if let Some(known) = self.foreign.iter().find(|region| region.contains(sp)) {
            return Some(*known);
        }
        let found = mapping_of(sp)?;
        self.foreign[self.next] = found;
        self.next = (self.next + 1) % FOREIGN;
        Some(found)
    }
}

fn is_first_thread() -> bool {
    // SAFETY: neither can fail.
    unsafe { libc::getpid() == libc::syscall(libc::SYS_gettid) as libc::pid_t }
}

/// The first thread's stack grows as far down as its limit allows; nothing else is mapped there.
fn first_thread_stack() -> Option<StackRegion> {
    const UNLIMITED: usize = 1 << 36;
    let high = STACK_END.load(Relaxed);
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: the structure is filled by the call.
    let limit = unsafe {
        if high == 0 || libc::getrlimit(libc::RLIMIT_STACK, limit.as_mut_ptr()) != 0 {
            return None;
        }
        limit.assume_init().rlim_cur
    };
    let room = usize::try_from(limit).unwrap_or(UNLIMITED).min(UNLIMITED);
    // What the loader notes is where the arguments begin.
    Some(StackRegion { low: high.saturating_sub(room), high: high + 8 })
}

fn pthread_stack() -> Option<StackRegion> {
    let _errno = KeptErrno::new();
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::zeroed();
    let (mut start, mut bytes) = (core::ptr::null_mut::<c_void>(), 0);
    // SAFETY: the calls fill what they are given, and the attributes are destroyed if they were made. The first one waits
    // for the thread's lock, which it cannot hold: see the hook of the same name.
    unsafe {
        if !real::resolve() || real::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let got = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut start, &raw mut bytes);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        (got == 0).then_some(StackRegion { low: start as usize, high: start as usize + bytes })
    }
}

/// The mapping that holds an address, and is readable.
fn mapping_of(address: usize) -> Option<StackRegion> {
    let _errno = KeptErrno::new();
    let mut search = MapsSearch { address, line: [0; 64], used: 0, found: None };
    let mut bytes = [0; 512];
    let maps = QuietFile::open(c"/proc/self/maps")?;
    while search.found.is_none() {
        match maps.read(&mut bytes) {
            Some(length @ 1..) => search.take(&bytes[..length]),
            _ => break,
        }
    }
    search.found
}

/// Looks through `/proc/self/maps` (proc(5)) piece by piece: `start-end rwxp ...`.
struct MapsSearch {
    address: usize,
    /// The beginning of the present line.
    line: [u8; 64],
    used: usize,
    found: Option<StackRegion>,
}

impl MapsSearch {
    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                let region = parse_line(&self.line[..self.used]);
                self.used = 0;
                if let Some(region) = region
                    && region.contains(self.address)
                {
                    self.found = Some(region);
                    return;
                }
            } else if self.used < self.line.len() {
                self.line[self.used] = byte;
                self.used += 1;
            }
        }
    }
}

fn parse_line(line: &[u8]) -> Option<StackRegion> {
    let dash = line.iter().position(|&byte| byte == b'-')?;
    let blank = line.iter().position(|&byte| byte == b' ')?;
    let (low, high) = (hexadecimal(line.get(..dash)?)?, hexadecimal(line.get(dash + 1..blank)?)?);
    (*line.get(blank + 1)? == b'r').then_some(StackRegion { low, high })
}

fn hexadecimal(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0_usize, |number, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(number.checked_mul(16)? | digit as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_know_their_stacks() {
        let check = || {
            prepare();
            let local = 0_u64;
            let sp = &raw const local as usize & !7;
            let mut regions = StackRegions::of_this_thread();
            assert!(regions.own.contains(sp), "{:?} {sp:x}", regions.own);
            let region = regions.of(sp).unwrap();
            assert!(region.may_read(sp, sp + 64) && !region.may_read(sp, sp - 8) && !region.may_read(sp, sp + 1));
            assert!(!region.may_read(sp, region.high));
        };
        std::thread::spawn(check).join().unwrap();
        check();
    }

    #[test]
    fn other_stacks_are_looked_up_among_the_mappings() {
        let heap = vec![0_u64; 100_000];
        let sp = &raw const heap[50_000] as usize;
        let mut regions = StackRegions::of_this_thread();
        let region = regions.of(sp).expect("a mapping");
        assert!(region.may_read(sp, &raw const heap[99_999] as usize));
        assert_eq!(regions.foreign[0], region);
        assert_eq!(regions.of(16), None);
        note_unmapping();
        assert_eq!(regions.of(sp).map(|again| again.contains(sp)), Some(true));
    }

    #[test]
    fn lines_come_in_pieces() {
        let text = b"00400000-00401000 r--p 0 0 0 /a\n00500000-00600000 ---p 0 0 0\n7f00-8000 rw-p 00000000 00:00 0\n";
        for pieces in 1..40 {
            let mut search = MapsSearch { address: 0x7f08, line: [0; 64], used: 0, found: None };
            text.chunks(pieces).for_each(|piece| search.take(piece));
            assert_eq!(search.found, Some(StackRegion { low: 0x7f00, high: 0x8000 }));
        }
        assert_eq!(parse_line(b"00500000-00600000 ---p"), None);
        assert_eq!(parse_line(b"garbage"), None);
    }
}
