//! Thread states of the interpreter (`PyThreadState`), and whether they are alive.
//!
//! The interpreter says which state is a thread's own. But that may be an address where nothing is any more.
//! While Python ends, the states of daemon threads are freed, and `PyThreadState_Delete` frees that of any thread. So a
//! state is read in two cases only:
//!
//! - **It is current in the calling thread**: this thread holds the interpreter's lock, and only who holds it deletes
//!   states.
//! - **It is not, but it is watched.** A watched state is known by the block that it lies in. Whoever frees that block
//!   comes through a hook ([`release_block`]); before the real function is called, the state is marked dead, and
//!   whoever is reading it is waited for. That a state lives when watching it begins is proved by its being current,
//!   or, where the interpreter does not say that of the calling thread (an older version, or without the lock), by its
//!   being in its interpreter's list *after* that: it is taken out of the list before it is freed. The list is read
//!   through the kernel.
//!
//! Where frames are no objects they lie in mappings of their own, chunks, which go before the state does. The newest
//! one goes first. It is watched likewise ([`release_range`]), and the state says which it is, or that they have gone.

use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize};

use super::interpreter::Interpreter;
use super::layout::Layout;
use super::sources::value;
use crate::address_table::{AddressTable, NotInserted};
use crate::lock::{AnyLock, Lock, Recording, wait_until};
use crate::platform::memory::{OwnMemory, map};
use crate::platform::tls;

/// A state that is watched, or a place for one.
#[repr(C)]
struct Watched {
    /// Where it is; 0 when it has been deleted.
    state: AtomicUsize,
    /// The block that it lies in.
    block: AtomicUsize,
    /// The thread that it belongs to, by the address of its block.
    owner: AtomicUsize,
    /// The chunk that its innermost frames are in, where that is watched; else 0.
    chunk: AtomicUsize,
    /// How many readers it has now that are not known to hold the interpreter's lock.
    readers: AtomicU32,
    unused: u32,
}

const PAGE: usize = 4096;
const IN_A_PAGE: usize = PAGE / size_of::<Watched>();
const MOST_PAGES: usize = 4096;

/// All places, in pages that are never unmapped.
static PAGES: [AtomicPtr<Watched>; MOST_PAGES] = [const { AtomicPtr::new(core::ptr::null_mut()) }; MOST_PAGES];
/// How many places there have been.
static PLACES: AtomicU32 = AtomicU32::new(0);
/// Held while a place is taken.
static TAKING: Lock<()> = Lock::new((), || ());
/// From the blocks that watched states lie in to their places.
static BLOCKS: AddressTable = AddressTable::new(64);

/// How many bytes of their own Python's debug hooks put before a block that they allocate (Objects/obmalloc.c).
const DEBUG_BYTES: usize = 16;

/// The locks of this file.
pub fn locks() -> [&'static dyn AnyLock; 2] {
    [&TAKING, BLOCKS.lock()]
}

/// A forked child has the state of one thread, and watches it from scratch.
///
/// # Safety
/// The process has one thread, and that is not in this file.
pub unsafe fn renew() {
    for place in 0..PLACES.load(Acquire) {
        let watched = watched(place);
        watched.state.store(0, SeqCst);
        watched.readers.store(0, SeqCst);
        watched.chunk.store(0, SeqCst);
    }
    // SAFETY: the caller says so.
    unsafe {
        TAKING.renew();
        BLOCKS.renew();
    }
}

fn watched(place: u32) -> &'static Watched {
    let page = PAGES[place as usize / IN_A_PAGE].load(Acquire);
    // SAFETY: places below their number lie in pages that were mapped, zeroed, before the number was raised, and stay.
    unsafe { &*page.add(place as usize % IN_A_PAGE) }
}

/// Takes a place that is free.
fn take_place(state: usize, block: usize, recording: &mut Recording) -> Result<u32, NotInserted> {
    let _held = TAKING.lock(recording)?;
    let used = PLACES.load(Acquire);
    let free = (0..used).find(|&place| watched(place).state.load(Acquire) == 0);
    let place = free.unwrap_or(used);
    if place == used {
        let page = PAGES.get(used as usize / IN_A_PAGE).ok_or(NotInserted::OutOfMemory)?;
        if page.load(Acquire).is_null() {
            page.store(map(PAGE).ok_or(NotInserted::OutOfMemory)?.cast().as_ptr(), SeqCst);
        }
        PLACES.store(used + 1, SeqCst);
    }
    let watched = watched(place);
    watched.owner.store(tls::block().addr(), Relaxed);
    watched.block.store(block, Relaxed);
    watched.chunk.store(0, Relaxed);
    watched.state.store(state, SeqCst);
    Ok(place)
}

/// Whether a state lies in this block.
#[inline(always)]
pub fn is_block(block: usize) -> bool {
    BLOCKS.get(block).is_some()
}

/// The program is about to deallocate this block.
#[cold]
pub fn release_block(block: usize) {
    if let Some(place) = BLOCKS.get(block) {
        mark_deleted(place);
    }
}

/// A state is about to be deleted.
#[cold]
fn mark_deleted(place: u32) {
    let watched = watched(place);
    let block = watched.block.load(Acquire);
    BLOCKS.remove(block);
    BLOCKS.remove(block.wrapping_sub(DEBUG_BYTES));
    watched.state.store(0, SeqCst);
    watched.wait_for_readers();
}

/// The program is about to unmap these addresses.
#[inline]
pub fn release_range(range: Range<usize>) {
    for place in 0..PLACES.load(Acquire) {
        let watched = watched(place);
        if range.contains(&watched.chunk.load(SeqCst)) {
            watched.chunk.store(0, SeqCst);
            watched.wait_for_readers();
        }
    }
}

impl Watched {
    /// Waits for whoever still reads; nobody begins to. The thread itself may be one of them, if a signal handler
    /// deallocates its memory: it never reads again.
    fn wait_for_readers(&self) {
        if self.owner.load(Acquire) != tls::block().addr() {
            wait_until(|| self.readers.load(SeqCst) == 0);
        }
    }

    /// The state that lives here, if it does and is the calling thread's, for reading.
    fn read(&'static self, state: usize) -> Option<Reading> {
        self.readers.fetch_add(1, SeqCst);
        let reading = Reading { state, watched: Some(self) };
        self.is_own(state).then_some(reading)
    }

    /// Whether this state lives here, and is the calling thread's.
    #[inline]
    fn is_own(&self, state: usize) -> bool {
        self.state.load(SeqCst) == state && self.owner.load(Relaxed) == tls::block().addr()
    }
}

/// The right to read a thread state, its frames, and the code objects that these keep alive: all of them are there as
/// long as this exists. They are the calling thread's own, so that nobody else changes them.
pub struct Reading {
    state: usize,
    /// Where others see that it is being read, unless the calling thread holds the interpreter's lock.
    watched: Option<&'static Watched>,
}

impl Reading {
    /// Of this state.
    ///
    /// # Safety
    /// It is current in the calling thread, which has the interpreter's lock, as long as this exists.
    #[inline]
    pub unsafe fn of_current(state: usize) -> Self {
        Self { state, watched: None }
    }

    /// Where the state is.
    #[inline]
    pub fn state(&self) -> usize {
        self.state
    }

    /// A field of the state.
    ///
    /// # Safety
    /// A thread state of this interpreter has a field of this type at `offset`.
    #[inline(always)]
    pub unsafe fn field<T: Copy>(&self, offset: usize) -> T {
        // SAFETY: the state is there, and the caller vouches for the field; CPython aligns its fields naturally.
        // Volatile, since who ends the interpreter may change it.
        unsafe { ((self.state + offset) as *const T).read_volatile() }
    }

    /// The address in a field of the state. Python's debug hooks fill what they free with bytes that are no address,
    /// before they free it: then there is none.
    ///
    /// # Safety
    /// As [`Self::field`], for an address.
    #[inline(always)]
    pub unsafe fn address(&self, offset: usize) -> usize {
        const FREED: usize = usize::from_ne_bytes([0xdd; size_of::<usize>()]);
        // SAFETY: the caller's contract.
        let address = unsafe { self.field(offset) };
        if address == FREED { 0 } else { address }
    }

    /// Whether the frames are there: watches the chunk of the innermost ones.
    fn has_frames(&self, layout: &Layout) -> bool {
        let (Some(watched), Some(offset)) = (self.watched, layout.state_chunk) else { return true };
        // SAFETY: it is the offset of a pointer.
        let present = || unsafe { self.field::<usize>(offset) };
        let chunk = present();
        if chunk == 0 || watched.chunk.load(Acquire) == chunk {
            return chunk != 0;
        }
        watched.chunk.store(chunk, SeqCst);
        // The state says that it has none before they go. If it still has this one, they go through `release_range`.
        present() == chunk
    }
}

impl Drop for Reading {
    #[inline]
    fn drop(&mut self) {
        if let Some(watched) = self.watched {
            watched.readers.fetch_sub(1, SeqCst);
        }
    }
}

/// The state that the interpreter says is current, by [`Interpreter::current_state`]; 0 where none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Current(pub usize);

/// What a thread knows of its own state.
pub struct OwnState {
    /// Where it is, if it has been seen to be alive; else 0.
    state: usize,
    /// Where it is watched.
    place: Option<&'static Watched>,
    /// A state that is not to be read before it has been current in this thread: it is dead, or another thread's.
    refused: usize,
}

impl OwnState {
    /// Nothing.
    pub const fn unknown() -> Self {
        Self { state: 0, place: None, refused: 0 }
    }

    /// What the thread was doing here will never go on.
    pub fn give_up(&self) {
        if let Some(watched) = self.place {
            watched.readers.store(0, SeqCst);
        }
    }

    /// The thread's own state, if it has one that is alive.
    #[inline]
    pub fn read(
        &mut self,
        interpreter: &Interpreter,
        Current(current): Current,
        recording: &mut Recording,
    ) -> Option<Reading> {
        // In older versions that is the state of whichever thread has the lock. This thread's is known. But it may have
        // been deleted, and another thread's may have been created at its address, and be watched in its place.
        if current != 0 && current == self.state && self.place.is_some_and(|watched| watched.is_own(current)) {
            // SAFETY: it lives here, and the interpreter says that it is current.
            return Some(unsafe { Reading::of_current(current) });
        }
        self.find(interpreter, current, recording)
    }

    #[cold]
    #[inline(never)]
    fn find(&mut self, interpreter: &Interpreter, current: usize, recording: &mut Recording) -> Option<Reading> {
        if !interpreter.is_trusted(Current(current)) {
            return None;
        }
        let layout = &interpreter.layout;
        if interpreter.has_own_current && current != 0 {
            // SAFETY: the state is current in this thread, and the field is there.
            let (reading, of_state) = unsafe {
                let reading = Reading::of_current(current);
                let of_state = reading.field::<usize>(layout.state_interpreter);
                (reading, of_state)
            };
            return self.watch(current, of_state, layout, recording).map(|_| reading);
        }
        match interpreter.own_state() {
            0 => {
                self.refused = 0;
                None
            }
            state => self.read_without_lock(state, interpreter, recording),
        }
    }

    /// Begins to watch a state.
    fn watch(
        &mut self,
        state: usize,
        interpreter: usize,
        layout: &Layout,
        recording: &mut Recording,
    ) -> Option<&'static Watched> {
        let is_part = layout.interpreter_bytes.is_some_and(|bytes| state.wrapping_sub(interpreter) < bytes);
        let block = if is_part { block_of(interpreter, layout) } else { state };
        // One that was watched at this address and whose deletion nobody saw.
        if let Some(place) = BLOCKS.get(block) {
            mark_deleted(place);
        }
        let place = take_place(state, block, recording).ok()?;
        let inserted = BLOCKS
            .insert(block, place, recording, || true)
            .and_then(|_| BLOCKS.insert(block.wrapping_sub(DEBUG_BYTES), place, recording, || true));
        if inserted.is_err() {
            mark_deleted(place);
            return None;
        }
        let watched = watched(place);
        *self = Self { state, place: Some(watched), refused: 0 };
        Some(watched)
    }

    /// The state is not known to be current in this thread.
    fn read_without_lock(
        &mut self,
        state: usize,
        interpreter: &Interpreter,
        recording: &mut Recording,
    ) -> Option<Reading> {
        if state == self.refused {
            return None;
        }
        let known = self.place.filter(|_| self.state == state);
        let known = known.and_then(|watched| watched.read(state));
        let reading = match known.or_else(|| self.begin_without_lock(state, interpreter, recording)) {
            Some(reading) => reading,
            None => return self.refuse(state),
        };
        reading.has_frames(&interpreter.layout).then_some(reading)
    }

    fn refuse(&mut self, state: usize) -> Option<Reading> {
        *self = Self { refused: state, ..Self::unknown() };
        None
    }

    /// Begins to watch a state that may be dead, and proves that it is not.
    fn begin_without_lock(
        &mut self,
        state: usize,
        interpreter: &Interpreter,
        recording: &mut Recording,
    ) -> Option<Reading> {
        let layout = &interpreter.layout;
        let memory = Words(OwnMemory::open());
        let of_state = memory.at(state + layout.state_interpreter)?;
        let watched = self.watch(state, of_state, layout, recording)?;
        let reading = watched.read(state)?;
        let is_listed = memory.list_has(of_state + layout.interpreter_states, layout.state_next, state);
        // SAFETY: pthread_self cannot fail.
        let me = unsafe { libc::pthread_self() } as usize;
        (is_listed && memory.at(state + layout.state_thread) == Some(me)).then_some(reading)
    }
}

/// The block that an interpreter lies in. Before an interpreter without a block of its own, as the first one is, there
/// is some other word.
fn block_of(interpreter: usize, layout: &Layout) -> usize {
    const MOST_BEFORE: usize = 256;
    let before = interpreter.wrapping_sub(size_of::<usize>());
    let stored = if layout.interpreter_in_block { Words(OwnMemory::open()).at(before) } else { None };
    stored.filter(|&block| block <= before && interpreter - block <= MOST_BEFORE).unwrap_or(interpreter)
}

/// Words of this process's memory, read through the kernel.
pub struct Words(pub OwnMemory);

impl Words {
    /// The word at an address.
    pub fn at(&self, address: usize) -> Option<usize> {
        value(&self.0, address)
    }

    /// Whether a list has this element. The address of the first one is at `head`, that of each next one in the element
    /// before.
    pub fn list_has(&self, head: usize, next: usize, element: usize) -> bool {
        const MOST: usize = 1 << 20;
        let mut at = self.at(head);
        for _ in 0..MOST {
            match at {
                None | Some(0) => return false,
                Some(found) if found == element => return true,
                Some(found) => at = self.at(found.wrapping_add(next)),
            }
        }
        false
    }
}
