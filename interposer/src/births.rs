//! What a thread is created with: where it starts, and the stack of its creator.

use core::ffi::c_void;
use core::ptr::NonNull;

use crate::memory::MappedVec;
use crate::platform::memory::{map, unmap};
use crate::platform::tls::Block;

/// Where a thread starts.
pub type StartRoutine = extern "C" fn(*mut c_void) -> *mut c_void;

/// What a thread is created with.
pub struct Birth {
    /// The program's own function.
    pub start: StartRoutine,
    /// Its argument.
    pub argument: *mut c_void,
    origin: MappedVec<u64>,
    stack: WantedStack,
}

/// The stack that a thread was to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedStack {
    /// One that begins at this address.
    Given(usize),
    /// One of at least this many bytes.
    Bytes(usize),
    /// Nobody knows.
    Unknown,
}

impl WantedStack {
    /// Where the calling thread's stack ends at the latest, if it got this one; nothing if that is not known. What
    /// glibc allots has the thread's descriptor in its last page (nptl/allocatestack.c).
    fn end(self) -> Option<usize> {
        const PAGE: usize = 4096;
        match self {
            Self::Given(start) => Some(start),
            Self::Bytes(bytes) => {
                // SAFETY: cannot fail.
                let descriptor = unsafe { libc::pthread_self() } as usize;
                (descriptor + 1).next_multiple_of(PAGE).checked_sub(bytes)
            }
            Self::Unknown => None,
        }
    }
}

/// Bytes of the mapping that holds a [`Birth`].
const BIRTH_BYTES: usize = 4096;
const _: () = assert!(size_of::<Birth>() <= BIRTH_BYTES);

impl Birth {
    /// Of a thread whose creator has this stack; nothing without memory for it.
    pub fn create(
        start: StartRoutine,
        argument: *mut c_void,
        origin: MappedVec<u64>,
        stack: WantedStack,
    ) -> Option<NonNull<Self>> {
        let place = map(BIRTH_BYTES)?.cast::<Self>();
        // SAFETY: the fresh mapping is large enough and aligned.
        unsafe { place.write(Self { start, argument, origin, stack }) };
        Some(place)
    }

    /// Releases its memory.
    ///
    /// # Safety
    /// It came from [`Self::create`], and nobody uses it any more.
    pub unsafe fn destroy(birth: NonNull<Self>) {
        // SAFETY: it is one mapping of this size, which was written when it was made.
        unsafe {
            birth.drop_in_place();
            unmap(birth.cast(), BIRTH_BYTES);
        }
    }
}

/// Where the calling thread's stack ends at the latest, as far as that is known from its birth.
pub fn end_of_stack(block: Block) -> Option<usize> {
    let birth = NonNull::new(block.birth().cast::<Birth>())?;
    // SAFETY: the block has it. Only this thread takes it, in a hook or at its end. A hook that a signal handler calls
    // while another hook is at work does not take it.
    unsafe { birth.as_ref() }.stack.end()
}

/// The stack that the calling thread was created with, taken from its block.
pub fn take_origin(block: Block) -> MappedVec<u64> {
    let birth: *mut Birth = block.replace_birth(core::ptr::null_mut()).cast();
    let Some(birth) = NonNull::new(birth) else { return MappedVec::new() };
    // SAFETY: the block had it, and has it no more: it is nobody else's.
    unsafe {
        let origin = core::mem::replace(&mut (*birth.as_ptr()).origin, MappedVec::new());
        Birth::destroy(birth);
        origin
    }
}
