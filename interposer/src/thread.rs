//! What a thread keeps: its end of the channel, its last stack, the sites that it has used.

mod python_frames;

use core::mem::offset_of;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicPtr, AtomicUsize};

use memprof_channel::ChunkWriter;
use memprof_channel::allocator::Allocator;
use memprof_channel::author::Author;
use memprof_channel::ids::{Address, SiteId, Stamp};
use memprof_channel::record::Mapped;

use self::python_frames::Moment;
use crate::channel::Channel;
use crate::lock::Recording;
use crate::memory::{MappedVec, OutOfMemory};
use crate::platform::memory::{map, unmap};
use crate::platform::stacks::SpareStack;
use crate::platform::tls::{self, Activity, Block, Doing};
use crate::python::bytecode_copies::SeenCopies;
use crate::python::descriptions::Descriptions;
use crate::python::detached::CopiedFrames;
use crate::python::free_threads::OwnFreeState;
use crate::python::interpreter::{self, Interpreter};
use crate::python::thread_states::{Current, OwnState};
use crate::room;
use crate::session::{self, Session};
use crate::stacks::activations::ControlFrames;
use crate::stacks::hash::StackHash;
use crate::stacks::merged::MergedStack;
use crate::stacks::sites::SiteTable;
use crate::stop::Stop;
use crate::unwind::checking::StackChecker;
use crate::unwind::frame::FrameState;
use crate::unwind::modules::is_in_interpreter;
use crate::unwind::unloading;
use crate::unwind::unwinder::Unwinder;

/// Who calls: what it takes to find the stack.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The hook that was called, which has not returned.
    pub hook: &'a FrameState,
    /// The interpreter and what it says of its thread states; nothing where there is none, or where it must not be
    /// asked.
    pub python: Option<(&'static Interpreter, Current)>,
}

/// For which of a thread's records a state is.
#[derive(Clone, Copy)]
pub enum Level {
    /// Those of the program's own calls.
    Program,
    /// Those of signal handlers that have interrupted records.
    Handler {
        /// The level of these, from 1.
        number: u8,
        /// The state that the interrupted records are made with.
        outer: NonNull<ThreadState>,
    },
}

/// What is kept beside a state and is no part of it: handlers read it while the state is in use.
pub struct Beside {
    /// For which records the state is.
    pub level: Level,
    /// The state for handlers that interrupt records which are made with this one, once there has been one; else null.
    pub inner: AtomicPtr<ThreadState>,
    /// The stack pointer of the hook whose record was interrupted last, where `level` is that of a handler.
    interrupted: AtomicUsize,
}

impl Beside {
    /// The record that was interrupted last, where the level is that of a handler.
    pub fn interrupted(&self) -> Activity {
        Activity::in_hook(Doing::Recording, self.interrupted.load(Relaxed))
    }

    /// A handler has interrupted this record.
    pub fn set_interrupted(&self, record: Activity) {
        self.interrupted.store(record.hook_sp(), Relaxed);
    }
}

#[repr(C)]
struct Together {
    beside: Beside,
    state: ThreadState,
}

/// A recorded thread: what it needs to make a record. A signal handler that interrupts a record, and makes one itself,
/// needs another one of these: see [`interruptions`](crate::hooks::interruptions).
pub struct ThreadState {
    channel: Channel,
    /// Its state in the interpreter.
    python: OwnState,
    /// Likewise, where that has no global lock.
    free: OwnFreeState,
    /// Its frames, where they had to be copied.
    copied: CopiedFrames,
    /// The copies of bytecode that it has seen.
    seen_copies: SeenCopies,
    /// Code objects that it has seen, and not emitted yet.
    descriptions: Descriptions,
    stack: MergedStack,
    /// The way along its native frames, where these are recorded.
    unwinder: Option<Unwinder>,
    checker: Option<StackChecker>,
    sites: SiteTable,
    /// Which generation of native code the stack's frames belong to.
    generation: u64,
    /// When the memo was last brought up to date; nothing if it is not to be trusted.
    memo_is_of: Option<Moment>,
    /// Whether its name has been looked for.
    named: bool,
    /// The name, if it has one that was not emitted yet.
    name: MappedVec<u8>,
    /// What it runs on where its own stack is about to end: see [`with_room`](crate::room).
    spare_stack: Option<SpareStack>,
    /// Times that the end of the thread has been announced: see [`thread_end`](crate::thread_end).
    pub endings: u32,
}

const PAGE: usize = 4096;
/// What is emitted as the name of a thread in its handlers.
const IN_HANDLERS: &[u8] = b"in signal handlers";

impl ThreadState {
    /// Registers the calling thread with the session, in the hook with the stack pointer `hook`. It makes its first
    /// event of this level after that. `origin` is the stack of the thread that created it, where that is to be seen.
    pub fn create(
        session: &Session,
        level: Level,
        origin: MappedVec<u64>,
        hook: usize,
        recording: &mut Recording,
    ) -> Result<NonNull<Self>, Stop> {
        let create = || Self::create_here(session, level, origin, recording);
        if !room::is_short_in_handlers(tls::block(), hook) {
            return create();
        }
        let mut spare = None;
        let state = room::with_room(&mut spare, create)?;
        // SAFETY: it was just made, and nobody else knows it.
        unsafe { (*state.as_ptr()).spare_stack = spare };
        Ok(state)
    }

    fn create_here(
        session: &Session,
        level: Level,
        origin: MappedVec<u64>,
        recording: &mut Recording,
    ) -> Result<NonNull<Self>, Stop> {
        let (image, pid) = (session.identity.image(), session.identity.pid());
        let (thread, tid) = (session.next_thread(), session.identity.tid());
        let author = Author { thread, tid, image, pid, name: name_in_kernel() };
        let (stack, checker, sites) = (MergedStack::new(origin)?, StackChecker::wanted()?, SiteTable::new()?);
        let mut name = MappedVec::new();
        let named = matches!(level, Level::Handler { .. });
        if named {
            name.extend_from_slice(IN_HANDLERS)?;
        }
        let place = map(Self::bytes()).ok_or(OutOfMemory)?.cast::<Together>();
        // Made where it stays: the stack may have no room for it.
        // SAFETY: the fresh mapping is large enough and aligned to a page.
        let state = unsafe {
            place.write(Together {
                beside: Beside { level, inner: AtomicPtr::new(ptr::null_mut()), interrupted: AtomicUsize::new(0) },
                state: Self {
                    channel: Channel::new(ChunkWriter::new(session.pool(), author)),
                    python: OwnState::unknown(),
                    free: OwnFreeState::unknown(),
                    copied: CopiedFrames::new(),
                    seen_copies: SeenCopies::new(),
                    descriptions: Descriptions::new(),
                    stack,
                    unwinder: session.native_stacks.then(Unwinder::of_this_thread),
                    checker,
                    sites,
                    generation: 0,
                    memo_is_of: None,
                    named,
                    name,
                    spare_stack: None,
                    endings: 0,
                },
            });
            NonNull::new_unchecked(&raw mut (*place.as_ptr()).state)
        };
        // SAFETY: it was just made, and nobody else knows it.
        unsafe {
            if let Err(reason) = session.identity.emit(&mut (*state.as_ptr()).channel, recording) {
                Self::destroy(state);
                return Err(reason);
            }
        }
        Ok(state)
    }

    /// The calling thread's, of its present level, or null.
    #[inline(always)]
    pub fn of(block: Block) -> *mut Self {
        block.state().cast()
    }

    /// Makes it the calling thread's, or, if null, that of none, at the same level. Returns the one before.
    pub fn replace(block: Block, state: *mut Self) -> *mut Self {
        block.replace_state(state.cast()).cast()
    }

    const fn bytes() -> usize {
        size_of::<Together>().next_multiple_of(PAGE)
    }

    fn together(state: NonNull<Self>) -> NonNull<Together> {
        // SAFETY: every state is part of such a structure, at this place.
        unsafe { state.byte_sub(offset_of!(Together, state)).cast() }
    }

    /// What is kept beside a state.
    ///
    /// # Safety
    /// `state` came from [`Self::create`], and is destroyed after the last use of what is returned.
    pub unsafe fn beside<'a>(state: NonNull<Self>) -> &'a Beside {
        // SAFETY: it is there as long as the state. Nobody has a reference to both.
        unsafe { &(*Self::together(state).as_ptr()).beside }
    }

    /// Hands over what the thread has recorded, at all levels, and releases its memory.
    ///
    /// # Safety
    /// `state` came from [`Self::create`], and nobody uses it any more.
    pub unsafe fn destroy(state: NonNull<Self>) {
        // SAFETY: the caller gives it up, and with it the state of the next level; it is one mapping of this size.
        unsafe {
            if let Some(inner) = NonNull::new(Self::beside(state).inner.load(Relaxed)) {
                Self::destroy(inner);
            }
            (*state.as_ptr()).channel.seal();
            state.drop_in_place();
            unmap(Self::together(state).cast(), Self::bytes());
        }
    }

    /// Hands over what the thread has recorded, at this level and those above.
    ///
    /// # Safety
    /// `state` came from [`Self::create`], is the calling thread's, and no record is made with it now.
    pub unsafe fn seal(state: NonNull<Self>) {
        // SAFETY: the caller vouches for it, and the next level makes no record then either.
        unsafe {
            (*state.as_ptr()).channel.seal();
            if let Some(inner) = NonNull::new(Self::beside(state).inner.load(Relaxed)) {
                Self::seal(inner);
            }
        }
    }

    /// What it was doing will never go on: hands over what it has recorded, and nobody waits for it.
    ///
    /// # Safety
    /// As for [`Self::seal`].
    pub unsafe fn give_up(state: NonNull<Self>) {
        // SAFETY: the caller's contract.
        unsafe {
            (*state.as_ptr()).python.give_up();
            Self::seal(state);
        }
    }

    /// See [`Channel::abandon`].
    ///
    /// # Safety
    /// As there.
    pub unsafe fn abandon(state: NonNull<Self>, scratch: NonNull<u64>) {
        // SAFETY: the caller's contract.
        unsafe { Channel::abandon(&raw mut (*state.as_ptr()).channel, scratch) };
    }

    /// Does something with the state where there is room for it: its own stack is about to end.
    #[inline(always)]
    pub fn with_room<R>(&mut self, act: impl FnOnce(&mut Self) -> R) -> R {
        let mut spare = self.spare_stack.take();
        let result = room::with_room(&mut spare, || act(self));
        self.spare_stack = spare;
        result
    }

    /// Stamps a release that can be recorded only after it: see [`ChunkWriter::hold`].
    #[inline]
    pub fn hold(&mut self, recording: &mut Recording) -> Result<Stamp, Stop> {
        Ok(self.channel.writer(recording).hold()?)
    }

    /// That release has been recorded, or there was none.
    #[inline]
    pub fn let_go(&mut self) {
        self.channel.let_go();
    }

    /// Records a heap block.
    #[inline(always)]
    pub fn allocation(
        &mut self,
        caller: &Caller<'_>,
        at: Address,
        size: u64,
        by: Allocator,
        recording: &mut Recording,
    ) -> Result<(), Stop> {
        let site = self.site(caller, by, recording)?;
        let stamp = self.channel.stamp();
        Ok(self.channel.writer(recording).allocation(stamp, at, size, site)?)
    }

    /// Records a heap block that was given another size in place.
    #[inline]
    pub fn resize(
        &mut self,
        caller: &Caller<'_>,
        at: Address,
        size: u64,
        by: Allocator,
        recording: &mut Recording,
    ) -> Result<(), Stop> {
        let site = self.site(caller, by, recording)?;
        let stamp = self.channel.stamp();
        Ok(self.channel.writer(recording).resize(stamp, at, size, site)?)
    }

    /// Records a mapping.
    pub fn map(
        &mut self,
        caller: &Caller<'_>,
        at: Address,
        size: u64,
        by: Allocator,
        shows: Mapped,
        recording: &mut Recording,
    ) -> Result<(), Stop> {
        let site = self.site(caller, by, recording)?;
        let stamp = self.channel.stamp();
        Ok(self.channel.writer(recording).map(stamp, at, size, site, shows)?)
    }

    /// Records that who may touch a range has changed.
    pub fn protect(
        &mut self,
        caller: &Caller<'_>,
        at: Address,
        size: u64,
        by: Allocator,
        recording: &mut Recording,
    ) -> Result<(), Stop> {
        let site = self.site(caller, by, recording)?;
        let stamp = self.channel.stamp();
        Ok(self.channel.writer(recording).protect(stamp, at, size, site)?)
    }

    /// Records that what a range (address and size) showed was moved to another one after the moment `before`: two
    /// events, and no other between them.
    pub fn remap(
        &mut self,
        caller: &Caller<'_>,
        before: Stamp,
        (old, gone): (Address, u64),
        (at, size): (Address, u64),
        by: Allocator,
        recording: &mut Recording,
    ) -> Result<(), Stop> {
        let site = self.site(caller, by, recording)?;
        self.channel.writer(recording).moves(before, old, gone)?;
        let stamp = self.channel.stamp();
        Ok(self.channel.writer(recording).map(stamp, at, size, site, Mapped::Memory)?)
    }

    /// Records that a heap block is about to be freed.
    #[inline]
    pub fn free(&mut self, at: Address, recording: &mut Recording) -> Result<(), Stop> {
        let stamp = self.channel.stamp();
        Ok(self.channel.writer(recording).free(stamp, at)?)
    }

    /// Records that a heap block was freed after the moment `before`.
    #[inline]
    pub fn freed(&mut self, before: Stamp, at: Address, recording: &mut Recording) -> Result<(), Stop> {
        Ok(self.channel.writer(recording).free(before, at)?)
    }

    /// Records that a range was unmapped.
    pub fn unmap(&mut self, stamp: Stamp, at: Address, size: u64, recording: &mut Recording) -> Result<(), Stop> {
        Ok(self.channel.writer(recording).unmap(stamp, at, size)?)
    }

    /// The number of the present stack with this allocator. (Its result fits into a register, that of what it calls
    /// does not.)
    #[inline(never)]
    fn site(&mut self, caller: &Caller<'_>, allocator: Allocator, recording: &mut Recording) -> Result<SiteId, Stop> {
        let hash = self.update_stack(caller, recording)?;
        // Allocators have small codes, frames have large keys: the two cannot be mistaken for each other.
        let hash = hash.with(u64::from(allocator.code()) | 1 << 63);
        match self.sites.get(hash) {
            Some(number) => Ok(SiteId(number)),
            None => self.emit_site(hash, allocator, recording),
        }
    }

    /// Brings the stack up to date, and returns its hash.
    #[inline(always)]
    fn update_stack(&mut self, caller: &Caller<'_>, recording: &mut Recording) -> Result<StackHash, Stop> {
        let mut control = None;
        if let Some((interpreter, current)) = caller.python {
            control = self.update_python(interpreter, current, recording)?;
        } else if interpreter::present().is_some() {
            self.stack.clear_python();
        }
        if self.unwinder.is_some() {
            self.update_native(caller.hook, interpreter::present(), control, recording)
        } else {
            Ok(self.stack.python_hash())
        }
    }

    #[inline(always)]
    fn update_native(
        &mut self,
        hook: &FrameState,
        interpreter: Option<&'static Interpreter>,
        control: Option<(usize, usize)>,
        recording: &mut Recording,
    ) -> Result<StackHash, Stop> {
        let Some(unwinder) = &mut self.unwinder else { return Ok(self.stack.python_hash()) };
        let generation = unloading::generation();
        if generation != self.generation || !unloading::is_settled() {
            self.generation = generation;
            self.stack.clear_native();
        }
        self.stack.update_native(&mut unwinder.walk(recording), hook)?;
        if let Some(checker) = &mut self.checker {
            checker.check(self.stack.native(), self.channel.header());
        }
        let Some(interpreter) = interpreter else { return Ok(self.stack.native_hash(generation)) };
        let control = match control {
            Some((innermost, outermost)) => {
                ControlFrames { innermost, outermost, stack: unwinder.stack_of(hook.sp), sp: hook.sp }
            }
            None => ControlFrames::NONE,
        };
        // SAFETY: the stack is the calling thread's.
        Ok(unsafe { self.stack.join(&interpreter.activations, control, generation)? })
    }

    /// Emits a site that the recorder does not know.
    #[cold]
    #[inline(never)]
    fn emit_site(&mut self, hash: StackHash, allocator: Allocator, recording: &mut Recording) -> Result<SiteId, Stop> {
        let findings = self.stack.emit(&mut self.channel, recording)?;
        let header = self.channel.header();
        if findings.cut_short {
            header.cut_short.fetch_add(1, Relaxed);
        }
        if findings.unmerged {
            header.unmerged.fetch_add(1, Relaxed);
        }
        if let Some(interpreter) = interpreter::present()
            && self.stack.outermost_python().is_some()
        {
            session::note_running_interpreter(interpreter);
        }
        if !self.name.is_empty() {
            self.channel.writer(recording).name(&self.name)?;
            self.name = MappedVec::new();
        }
        let site = SiteId(self.sites.insert_new(hash));
        self.channel.writer(recording).site(site, allocator)?;
        Ok(site)
    }

    /// The present stack as that of a thread's creator; nothing if the creator is the Python interpreter.
    pub fn as_origin(
        &mut self,
        caller: &Caller<'_>,
        recording: &mut Recording,
    ) -> Result<Option<MappedVec<u64>>, Stop> {
        self.update_stack(caller, recording)?;
        let native = self.stack.native();
        match native.len().checked_sub(1) {
            Some(last) if !is_in_interpreter(native.frame(last).address.lookup()) => {
                Ok(Some(self.stack.as_origin(&mut self.channel, recording)?))
            }
            _ => Ok(None),
        }
    }

    /// The program has given the thread the name that the kernel now has for it. That is its name from now on, whatever
    /// Python calls it.
    pub fn renamed(&mut self, recording: &mut Recording) -> Result<(), Stop> {
        (self.named, self.name) = (true, MappedVec::new());
        let name = name_in_kernel();
        let length = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        Ok(self.channel.writer(recording).name(&name[..length])?)
    }
}

/// What the kernel calls the calling thread, up to the first NUL.
fn name_in_kernel() -> [u8; 16] {
    let mut name = [0; 16];
    // SAFETY: PR_GET_NAME fills 16 bytes.
    unsafe {
        libc::syscall(libc::SYS_prctl, libc::PR_GET_NAME, name.as_mut_ptr());
    }
    name
}
