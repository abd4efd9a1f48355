//! Which memory may be read as stack. Unwinding information can be wrong, or misread after a wrong step; what it names
//! is only read if it lies in a stack, above the stack pointer.
//!
//! A thread's own stack is known. It may also run on others: a signal handler's (`sigaltstack`), a coroutine's. These
//! are looked up among the mappings and remembered. But their memory, or what lies after it, may be unmapped at any
//! time, and not only by calls that are hooked. So the kernel is asked in each walk whether it is still there.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;

use memprof_channel::kept_errno::KeptErrno;

use super::mappings::Mappings;
use crate::platform::loaded_modules::{LoadedModule, address_of};
use crate::platform::memory::mapped_bytes;
use crate::platform::{symbols, tls};

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackRegion {
    low: usize,
    high: usize,
}

impl StackRegion {
    /// No memory.
    pub const NONE: Self = Self { low: 0, high: 0 };

    /// From its first byte to one past its last one.
    #[cfg(test)]
    pub const fn new(low: usize, high: usize) -> Self {
        Self { low, high }
    }

    /// The calling thread's own stack. The C library is asked once, since it takes a lock to answer: a signal handler
    /// that interrupts that must not ask again.
    pub fn of_this_thread() -> Self {
        let block = tls::block();
        let known = Self::of_bounds(block.stack());
        if known != Self::NONE {
            return known;
        }
        let own = if is_first_thread() { first_thread_stack() } else { pthread_stack() };
        let own = own.unwrap_or(Self::NONE);
        block.set_stack((own.low, own.high));
        own
    }

    /// From its first byte to one past its last one.
    pub const fn of_bounds((low, high): (usize, usize)) -> Self {
        Self { low, high }
    }

    /// Whether a stack pointer is in it.
    #[inline]
    pub const fn contains(&self, sp: usize) -> bool {
        sp >= self.low && sp < self.high
    }

    /// Whether the hook with this stack pointer was called on it: perhaps when it had already ended, since that is how
    /// the overflow of a stack is noticed.
    pub const fn holds_hook(&self, sp: usize) -> bool {
        const BEYOND: usize = 16 * 1024;
        sp.saturating_add(BEYOND) >= self.low && sp < self.high
    }

    /// Whether two words from `address` on may be read while the stack pointer is `sp`.
    #[inline(always)]
    pub const fn may_read_two(&self, sp: usize, address: usize) -> bool {
        address >= sp && address < self.high.saturating_sub(8) && address.is_multiple_of(8)
    }

    /// Whether the word at `address` may be read while the stack pointer is `sp`.
    #[inline]
    pub const fn may_read(&self, sp: usize, address: usize) -> bool {
        address >= sp && address < self.high && address.is_multiple_of(8)
    }
}

const FOREIGN: usize = 4;

/// The stacks of a thread.
pub struct StackRegions {
    own: StackRegion,
    /// Mappings that were stacks of its.
    foreign: [StackRegion; FOREIGN],
    next: usize,
}

/// `__libc_stack_end`: the loader's note of where the first thread's stack began.
static STACK_END: AtomicUsize = AtomicUsize::new(0);

/// Looks up what must be looked up once.
pub fn prepare(modules: &[LoadedModule]) {
    let variable = address_of(modules, c"__libc_stack_end") as *const usize;
    if !variable.is_null() {
        // SAFETY: the variable, where it exists, holds a pointer.
        STACK_END.store(unsafe { variable.read() }, Relaxed);
    }
}

impl StackRegions {
    /// Those of the calling thread.
    pub fn of_this_thread() -> Self {
        let own = StackRegion::of_this_thread();
        Self { own, foreign: [StackRegion::NONE; FOREIGN], next: 0 }
    }

    /// Whether a region is the thread's own stack, which is there as long as the thread is.
    #[inline]
    pub fn is_own(&self, region: StackRegion) -> bool {
        region == self.own
    }

    /// The region that holds a stack pointer: the whole of the thread's own stack; of another one, as much as is surely
    /// there at this moment.
    #[inline]
    pub fn of(&mut self, sp: usize) -> Option<StackRegion> {
        if self.own.contains(sp) { Some(self.own) } else { self.of_another(sp) }
    }

    #[cold]
    fn of_another(&mut self, sp: usize) -> Option<StackRegion> {
        if let Some(at) = self.foreign.iter().position(|region| region.contains(sp)) {
            if let Some(present) = present_part(self.foreign[at], sp) {
                return Some(present);
            }
            self.foreign[at] = StackRegion::NONE;
        }
        let found = mapping_of(sp)?;
        self.foreign[self.next] = found;
        self.next = (self.next + 1) % FOREIGN;
        present_part(found, sp)
    }

    /// A region and what follows it, if that holds `slot` and is part of the same stack.
    pub fn beyond(&mut self, region: StackRegion, slot: usize) -> Option<StackRegion> {
        let mapping = *self.foreign.iter().find(|mapping| mapping.contains(region.low) && mapping.contains(slot))?;
        let further = (region.high..region.high.saturating_add(CHECKED_AT_ONCE)).contains(&slot);
        let more = present_part(mapping, region.high).filter(|_| further)?;
        Some(StackRegion { low: region.low, high: more.high })
    }
}

/// How much of another stack is checked in one go.
const CHECKED_AT_ONCE: usize = 256 << 10;

/// The part of a mapping from the page of `sp` on that is there; nothing if the mapping has changed.
fn present_part(mapping: StackRegion, sp: usize) -> Option<StackRegion> {
    let low = sp & !4095;
    let wanted = (mapping.high - low).min(CHECKED_AT_ONCE);
    (mapped_bytes(low, wanted) == wanted).then_some(StackRegion { low, high: low + wanted })
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
    // SAFETY: the calls fill what they are given, and the attributes are destroyed if they were made. The first one
    // waits for the thread's lock, which it cannot hold: see the hook of the same name.
    unsafe {
        if !symbols::resolve() || symbols::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let got = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut start, &raw mut bytes);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        (got == 0).then_some(StackRegion { low: start as usize, high: start as usize + bytes })
    }
}

/// The mapping that holds an address, and is readable.
fn mapping_of(address: usize) -> Option<StackRegion> {
    let mappings = Mappings::read().ok()?;
    let mapping = mappings.of(address).filter(|mapping| mapping.is_readable)?;
    Some(StackRegion { low: mapping.start, high: mapping.end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::loaded_modules::{MayAskLoader, all};

    #[test]
    fn threads_know_their_stacks() {
        let check = || {
            // SAFETY: no test loads or unloads modules.
            prepare(&all(&unsafe { MayAskLoader::new() }).unwrap());
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
    fn of_other_stacks_what_is_there_may_be_read() {
        const BYTES: usize = 1 << 20;
        let start = crate::platform::memory::map(BYTES).unwrap();
        let low = start.addr().get();
        let sp = low + BYTES / 2 + 64;
        let mut regions = StackRegions::of_this_thread();
        let region = regions.of(sp).expect("a mapping");
        assert!(region.may_read(sp, sp + 8) && region.may_read(sp, sp + CHECKED_AT_ONCE / 2));
        assert!(!region.may_read(sp, sp + CHECKED_AT_ONCE));
        let further = regions.beyond(region, sp + CHECKED_AT_ONCE).expect("the same mapping");
        assert!(further.may_read(sp, sp + CHECKED_AT_ONCE) && !regions.is_own(further));
        assert_eq!(regions.of(16), None);
        // SAFETY: nobody uses the upper quarter.
        unsafe { crate::platform::memory::unmap(start.add(BYTES / 4 * 3), BYTES / 4) };
        let region = regions.of(sp).expect("what is left of it");
        assert!(!region.contains(low + BYTES / 4 * 3), "{region:x?}");
        // SAFETY: nor the rest.
        unsafe { crate::platform::memory::unmap(start, BYTES / 4 * 3) };
        assert!(regions.of(sp).is_none_or(|region| region.low != sp & !4095 || region.high <= low + BYTES));
    }

    #[test]
    fn what_is_mapped_is_known_to_the_page() {
        let start = crate::platform::memory::map(16 * 4096).unwrap();
        // SAFETY: nobody uses that page.
        unsafe { crate::platform::memory::unmap(start.add(5 * 4096), 4096) };
        assert_eq!(mapped_bytes(start.addr().get(), 16 * 4096), 5 * 4096);
        assert_eq!(mapped_bytes(start.addr().get(), 5 * 4096), 5 * 4096);
        assert_eq!(mapped_bytes(start.addr().get() + 5 * 4096, 4096), 0);
    }
}
