//! Thread states of an interpreter without a global lock: which of them may be read, and how.
//!
//! A thread is *attached* while it runs Python, and detaches where it would release the lock. Nothing is collected
//! before all attached threads have stopped at a place of their own choice ("stop the world"). Sources:
//! Python/pystate.c, Python/gc_free_threading.c, Python/pylifecycle.c.
//!
//! - **Attached**: its state is current, and says so. (A thread that is about to attach has made its state current
//!   already.) Its frames and their code are read where they lie, as with the lock. That the state itself is there is
//!   proved once, through the kernel; from then on only its own thread deletes it, which first makes it current no
//!   more, or it is deleted while Python ends.
//! - **Detached**: it may lose its state, and once Python ends the collector does not visit its frames any more, whose
//!   references to code objects are not counted. So all is read through the kernel, and checked once more when it has
//!   been read: a state that is in its interpreter's list, and is neither about to go nor shut out, was there all the
//!   time, and so was what its frames refer to. (No hook is called when the state is freed where its memory is
//!   mimalloc's.)

use core::sync::atomic::Ordering::{Acquire, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, fence};

use super::interpreter::Interpreter;
use super::layout::{ATTACHED, FreeThreading, SHUT_OUT, Top};
use super::thread_states::{Current, Reading, Words};
use crate::platform::memory::OwnMemory;
use crate::stacks::memo::FrameAddress;

/// What is known of an interpreter without a global lock.
pub struct FreeThreads {
    layout: FreeThreading,
    /// Where it says which thread state is ending Python.
    ending: &'static AtomicUsize,
    /// Whether it was doing so when that was last read.
    was_ending: AtomicBool,
    /// How often it has begun to.
    endings: AtomicU32,
}

impl FreeThreads {
    /// Of the interpreter whose `_PyRuntime` is here.
    ///
    /// # Safety
    /// It has this layout, and stays.
    pub unsafe fn new(layout: FreeThreading, runtime: usize) -> Self {
        // SAFETY: the caller vouches for the field, an aligned pointer that CPython reads and writes atomically.
        let ending = unsafe { &*((runtime + layout.runtime_ending) as *const AtomicUsize) };
        Self { layout, ending, was_ending: AtomicBool::new(false), endings: AtomicU32::new(0) }
    }

    /// A code object is about to be deallocated. Many are while Python ends, so that this sees it.
    pub fn note_deallocation(&self) {
        self.note_ending();
        // A thread makes a code object known first, and checks after that whether it is alive. So what follows sees
        // what was made known of an object that was found alive.
        fence(SeqCst);
    }

    /// The state that is ending Python, or 0. Counts how often it has begun to.
    #[inline]
    fn note_ending(&self) -> usize {
        let ending = self.ending.load(SeqCst);
        if (ending != 0) != self.was_ending.load(Acquire) && !self.was_ending.swap(ending != 0, SeqCst) {
            self.endings.fetch_add(1, SeqCst);
        }
        ending
    }

    /// Whether no state but this one may end Python now. Where code objects are immortal (3.13, once there was a second
    /// thread), it is here that it is seen to end.
    #[inline]
    fn is_ended_by_no_other_than(&self, state: usize) -> bool {
        let ending = self.note_ending();
        ending == 0 || ending == state
    }

    /// What a state says of itself, and whether it is in its interpreter's list. Where its link was when it was last
    /// read saves the time to ask for it.
    fn read(&self, interpreter: &Interpreter, state: usize, last: Link) -> Option<Seen> {
        let layout = &interpreter.layout;
        let Top::Field(top) = layout.top else { return None };
        let base = layout.base_frame.unwrap_or(top);
        let (flags, attachment) = (self.layout.state_flags, self.layout.state_attachment);
        let offsets = [top, base, layout.state_interpreter, layout.state_thread, self.layout.state_previous];
        let end = offsets.into_iter().chain([flags, attachment]).max().map_or(0, |last| last + size_of::<usize>());
        let mut bytes = [0; MOST_OF_A_STATE];
        let bytes = bytes.get_mut(..end)?;
        let mut linked = [0; size_of::<usize>()];
        let memory = OwnMemory::open_for_little();
        let was_read = match last {
            Link::Unknown => memory.read(state, bytes),
            Link::At(link) => memory.read_two((state, bytes), (link, &mut linked)) || memory.read(state, bytes),
        };
        if !was_read {
            return None;
        }
        let word = |at: usize| usize::from_ne_bytes(bytes[at..at + size_of::<usize>()].try_into().unwrap_or_default());
        let bits = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap_or_default());
        let of = word(layout.state_interpreter);
        let link = match word(self.layout.state_previous) {
            0 => of.wrapping_add(layout.interpreter_states),
            previous => previous.wrapping_add(layout.state_next),
        };
        let seen = Seen {
            interpreter: of,
            thread: word(layout.state_thread),
            top: word(top),
            base: if layout.base_frame.is_some() { word(base) } else { 0 },
            is_attached: bits(attachment) == ATTACHED && bits(flags) & self.layout.active != 0,
            is_going: bits(attachment) == SHUT_OUT || bits(flags) & self.layout.going != 0,
            link: Link::At(link),
        };
        let is_linked = last == Link::At(link) && usize::from_ne_bytes(linked) == state;
        (is_linked || self.is_listed(interpreter, memory, state, of)).then_some(seen)
    }

    /// Whether a state of this interpreter is in its list.
    fn is_listed(&self, interpreter: &Interpreter, memory: OwnMemory, state: usize, of: usize) -> bool {
        // Others come and go meanwhile: what is read of one that goes may be anything.
        const ATTEMPTS: usize = 8;
        let (layout, words) = (&interpreter.layout, Words(memory));
        let head = of.wrapping_add(layout.interpreter_states);
        (0..ATTEMPTS).any(|_| {
            let link = match words.at(state.wrapping_add(self.layout.state_previous)) {
                Some(0) => words.at(head),
                Some(previous) => words.at(previous.wrapping_add(layout.state_next)),
                None => None,
            };
            // Who puts another one before it changes its link first, and the other's a moment later.
            link == Some(state) || words.list_has(head, layout.state_next, state)
        })
    }
}

/// More than what is read of a state.
const MOST_OF_A_STATE: usize = 512;

/// Where a state is in the list of its interpreter: the word that leads to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Unknown,
    At(usize),
}

/// What a state says of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    interpreter: usize,
    thread: usize,
    top: FrameAddress,
    base: FrameAddress,
    is_attached: bool,
    is_going: bool,
    link: Link,
}

impl Seen {
    /// Whether it was the same at another time. Its neighbours may have changed.
    fn is_as(&self, other: &Self) -> bool {
        *self == Self { link: self.link, ..*other }
    }
}

/// What a thread knows of its own state.
pub struct OwnFreeState {
    /// Where the last one is that was seen, or 0.
    state: usize,
    /// Whether it has been proved to be there, and how often Python had ended then.
    proved: Option<u32>,
    link: Link,
    changes: u32,
}

impl OwnFreeState {
    /// Nothing.
    pub const fn unknown() -> Self {
        Self { state: 0, proved: None, link: Link::Unknown, changes: 0 }
    }

    /// How often the thread has got another state. (One that takes the place of another is not always noticed.)
    #[inline]
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// The thread's state, if it is attached.
    #[inline]
    pub fn attached(
        &mut self,
        interpreter: &Interpreter,
        free: &FreeThreads,
        Current(state): Current,
    ) -> Option<Reading> {
        if state == 0 {
            return None;
        }
        let is_known = state == self.state && self.proved == Some(free.endings.load(Acquire));
        if !is_known && !self.prove(interpreter, free, state) {
            return None;
        }
        // A thread that wanted to attach while another one ended Python hangs, with its state current and soon gone.
        if !free.is_ended_by_no_other_than(state) {
            return None;
        }
        // SAFETY: it is there: it was, and is current.
        let reading = unsafe { Reading::of_current(state) };
        // SAFETY: every state of this layout has this field.
        let is_attached = unsafe { reading.field::<u32>(free.layout.state_attachment) } == ATTACHED;
        (is_attached && interpreter.is_trusted(Current(state))).then_some(reading)
    }

    /// Finds out whether the state that is current is there.
    #[cold]
    #[inline(never)]
    fn prove(&mut self, interpreter: &Interpreter, free: &FreeThreads, state: usize) -> bool {
        self.note(state);
        let endings = free.endings.load(Acquire);
        let seen = free.read(interpreter, state, Link::Unknown);
        let is_there = seen.is_some_and(|seen| seen.is_attached && free.is_ended_by_no_other_than(state));
        if is_there {
            self.proved = Some(endings);
        }
        is_there
    }

    fn note(&mut self, state: usize) {
        if state != self.state {
            *self = Self { state, proved: None, link: Link::Unknown, changes: self.changes.wrapping_add(1) };
        }
    }

    /// The thread's state, if it has one and is detached.
    pub fn detached(
        &mut self,
        interpreter: &'static Interpreter,
        free: &'static FreeThreads,
        Current(current): Current,
    ) -> Option<Detached> {
        let state = if current != 0 { current } else { interpreter.own_state() };
        if state == 0 {
            return None;
        }
        self.note(state);
        let thread = Detached::read(interpreter, free, state, self.link)?;
        self.link = thread.seen.link;
        Some(thread)
    }
}

/// A detached thread's own state, as it was seen. Nothing of it is read but through the kernel.
pub struct Detached {
    interpreter: &'static Interpreter,
    free: &'static FreeThreads,
    state: usize,
    seen: Seen,
}

impl Detached {
    fn read(interpreter: &'static Interpreter, free: &'static FreeThreads, state: usize, link: Link) -> Option<Self> {
        let seen = free.read(interpreter, state, link)?;
        // SAFETY: pthread_self cannot fail.
        let me = unsafe { libc::pthread_self() } as usize;
        let is_there = seen.thread == me && !seen.is_going && free.is_ended_by_no_other_than(state);
        is_there.then_some(Self { interpreter, free, state, seen })
    }

    /// Whether it is there, as it was seen. If so, it was there all the time: only its own thread makes a state that is
    /// its own, and has been here. So what was read of it meanwhile is true, and the code objects of its frames are
    /// alive.
    pub fn is_there(&self) -> bool {
        let now = Self::read(self.interpreter, self.free, self.state, self.seen.link);
        now.is_some_and(|now| now.seen.is_as(&self.seen))
    }

    /// Its innermost frame, and the one that ends its chain without being part of it, or 0.
    pub fn frames(&self) -> (FrameAddress, FrameAddress) {
        (if self.seen.top == self.seen.base { 0 } else { self.seen.top }, self.seen.base)
    }
}
