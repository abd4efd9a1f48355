//! What a thread keeps: its end of the channel, its last stack, the sites that it has used.

use core::sync::atomic::Ordering::Relaxed;

use memprof_capture::allocator::Allocator;
use memprof_capture::channel::ChunkWriter;
use memprof_capture::channel::writer::Author;
use memprof_capture::early_stop::EarlyStop;
use memprof_capture::ids::{Address, SiteId, Stamp};

use crate::memory::{MappedVec, OutOfMemory};
use crate::platform::memory::{map, unmap};
use crate::python::frames::{WithFrames, control_frame, starts_thread, top_frame, with_frames};
use crate::python::interpreter::Interpreter;
use crate::python::thread_names::push_name;
use crate::session::Session;
use crate::stacks::activations::ControlFrames;
use crate::stacks::hash::StackHash;
use crate::stacks::memo::{FrameAddress, FrameChain, StackMemo};
use crate::stacks::merged::MergedStack;
use crate::stacks::sites::SiteTable;
use crate::unwind::checking::StackChecker;
use crate::unwind::frame::FrameState;
use crate::unwind::modules::is_in_interpreter;
use crate::unwind::unloading;
use crate::unwind::unwinder::Unwinder;

/// Why recording cannot go on in this process. A type of this crate's own, so that its errors turn into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop(pub EarlyStop);

impl From<EarlyStop> for Stop {
    fn from(reason: EarlyStop) -> Self {
        Self(reason)
    }
}

impl From<OutOfMemory> for Stop {
    fn from(_: OutOfMemory) -> Self {
        Self(EarlyStop::OutOfMemory)
    }
}

/// A recorded thread.
pub struct ThreadState {
    writer: ChunkWriter,
    interpreter: Option<&'static Interpreter>,
    stack: MergedStack,
    /// The way along its native frames, where these are recorded.
    unwinder: Option<Unwinder>,
    checker: Option<StackChecker>,
    sites: SiteTable,
    /// Which generation of native code the stack's frames belong to.
    generation: u64,
    /// Deaths of code objects when the memo was last brought up to date.
    deaths: u32,
    /// Whether its name has been looked for.
    named: bool,
    /// Times that the end of the thread has been announced: see [`Self::end`].
    pub endings: u32,
}

const PAGE: usize = 4096;

impl ThreadState {
    /// Registers the calling thread with the session. It makes its first event after that. `origin` is the stack of the
    /// thread that created it, where that is to be seen.
    pub fn create(session: &Session, origin: MappedVec<u64>) -> Result<*mut Self, Stop> {
        let (image, pid) = (session.identity.image(), session.identity.pid());
        let mut author = Author { thread: session.next_thread(), tid: 0, image, pid, name: [0; 16] };
        // SAFETY: gettid has no arguments; PR_GET_NAME fills 16 bytes.
        unsafe {
            author.tid = libc::syscall(libc::SYS_gettid) as u32;
            libc::syscall(libc::SYS_prctl, libc::PR_GET_NAME, author.name.as_mut_ptr());
        }
        let mut state = Self {
            writer: ChunkWriter::new(session.pool, author),
            interpreter: session.interpreter,
            stack: MergedStack::new(origin)?,
            unwinder: session.native_stacks.then(Unwinder::of_this_thread),
            checker: StackChecker::wanted()?,
            sites: SiteTable::new()?,
            generation: 0,
            deaths: 0,
            named: false,
            endings: 0,
        };
        session.identity.tell(&mut state.writer)?;
        let place = map(Self::bytes()).ok_or(OutOfMemory)?.cast::<Self>().as_ptr();
        // SAFETY: the fresh mapping is large enough and aligned to a page.
        unsafe { place.write(state) };
        Ok(place)
    }

    const fn bytes() -> usize {
        size_of::<Self>().next_multiple_of(PAGE)
    }

    /// Hands over what the thread has recorded and gives its memory back.
    ///
    /// # Safety
    /// `state` came from [`Self::create`], and nobody uses it any more.
    pub unsafe fn destroy(state: *mut Self) {
        // SAFETY: the caller gives it up; it is one mapping of this size.
        unsafe {
            (*state).seal();
            core::ptr::drop_in_place(state);
            if let Some(start) = core::ptr::NonNull::new(state) {
                unmap(start.cast(), Self::bytes());
            }
        }
    }

    /// Hands over what the thread has recorded.
    pub fn seal(&mut self) {
        self.writer.seal();
    }

    /// Dates a release that can be recorded only after it: see [`ChunkWriter::hold`].
    #[inline]
    pub fn hold(&mut self) -> Result<Stamp, Stop> {
        Ok(self.writer.hold()?)
    }

    /// That release has been recorded, or there was none.
    #[inline]
    pub fn let_go(&mut self) {
        self.writer.let_go();
    }

    /// Records a heap block. `hook` is the state of the hook that was called, which has not returned.
    #[inline]
    pub fn allocation(&mut self, hook: &FrameState, at: Address, size: u64, by: Allocator) -> Result<(), Stop> {
        let site = self.site(hook, by)?;
        let stamp = self.writer.date();
        Ok(self.writer.allocation(stamp, at, size, site)?)
    }

    /// Records a heap block that was given another size in place.
    #[inline]
    pub fn resize(&mut self, hook: &FrameState, at: Address, size: u64, by: Allocator) -> Result<(), Stop> {
        let site = self.site(hook, by)?;
        let stamp = self.writer.date();
        Ok(self.writer.resize(stamp, at, size, site)?)
    }

    /// Records a mapping.
    pub fn map(&mut self, hook: &FrameState, at: Address, size: u64, by: Allocator) -> Result<(), Stop> {
        let site = self.site(hook, by)?;
        let stamp = self.writer.date();
        Ok(self.writer.map(stamp, at, size, site)?)
    }

    /// Records that a heap block is about to be given back.
    #[inline]
    pub fn free(&mut self, at: Address) -> Result<(), Stop> {
        let stamp = self.writer.date();
        Ok(self.writer.free(stamp, at)?)
    }

    /// Records that a heap block was given back after the moment `before`.
    #[inline]
    pub fn freed(&mut self, before: Stamp, at: Address) -> Result<(), Stop> {
        Ok(self.writer.free(before, at)?)
    }

    /// Records that a range was unmapped.
    pub fn unmap(&mut self, stamp: Stamp, at: Address, size: u64) -> Result<(), Stop> {
        Ok(self.writer.unmap(stamp, at, size)?)
    }

    /// The number of the present stack with this allocator.
    #[inline]
    fn site(&mut self, hook: &FrameState, allocator: Allocator) -> Result<SiteId, Stop> {
        let hash = self.update_stack(hook)?;
        // Allocators have small codes, frames have large keys: the two cannot be mistaken for each other.
        let hash = hash.with(u64::from(allocator.code()) | 1 << 63);
        match self.sites.get(hash) {
            Some(number) => Ok(SiteId(number)),
            None => self.tell_site(hash, allocator),
        }
    }

    /// Brings the stack up to date, and returns its hash.
    #[inline]
    fn update_stack(&mut self, hook: &FrameState) -> Result<StackHash, Stop> {
        let mut state = 0;
        if let Some(interpreter) = self.interpreter {
            let deaths = interpreter.codes.deaths();
            if deaths != self.deaths {
                self.deaths = deaths;
                self.stack.python.forget();
            }
            state = interpreter.thread_state();
            // SAFETY: it is the calling thread's own state.
            let top = if state == 0 { 0 } else { unsafe { top_frame(&interpreter.layout, state) } };
            with_frames(interpreter, &mut self.writer, Update { memo: &mut self.stack.python, top })?;
        }
        if self.unwinder.is_some() { self.update_native(hook, state) } else { Ok(self.stack.python.hash()) }
    }

    #[inline]
    fn update_native(&mut self, hook: &FrameState, state: usize) -> Result<StackHash, Stop> {
        let Some(unwinder) = &mut self.unwinder else { return Ok(self.stack.python.hash()) };
        let generation = unloading::generation();
        if generation != self.generation || !unloading::is_settled() {
            self.generation = generation;
            self.stack.native.forget();
        }
        self.stack.native.update(unwinder, hook)?;
        if let Some(checker) = &mut self.checker {
            checker.check(&self.stack.native, self.writer.pool().header());
        }
        let mut changed = None;
        if let Some(interpreter) = self.interpreter {
            let MergedStack { activations, python, .. } = &mut self.stack;
            let stack = unwinder.stack_of(hook.sp);
            let control = match interpreter.layout.control_frame {
                Some(offset) if state != 0 => ControlFrames {
                    // SAFETY: it is a field of the calling thread's own state.
                    innermost: unsafe { control_frame(state, offset) },
                    outermost: state + interpreter.layout.control_root,
                    stack,
                    sp: hook.sp,
                },
                _ => ControlFrames::NONE,
            };
            // SAFETY: the stack is the thread's; the memo was just updated.
            changed = unsafe { activations.update(&interpreter.activations, control, python)? };
        }
        Ok(self.stack.hash(changed, generation))
    }

    /// Tells the recorder about a site that it does not know.
    #[cold]
    #[inline(never)]
    fn tell_site(&mut self, hash: StackHash, allocator: Allocator) -> Result<SiteId, Stop> {
        // What can fail comes first, so that both sides count alike.
        self.sites.reserve()?;
        let findings = self.stack.tell(&mut self.writer)?;
        let header = self.writer.pool().header();
        if findings.cut_short {
            header.cut_short.fetch_add(1, Relaxed);
        }
        if findings.unmerged {
            header.unmerged.fetch_add(1, Relaxed);
        }
        if let Some(interpreter) = self.interpreter {
            crate::session::note_running_interpreter(interpreter);
            self.tell_name(interpreter)?;
        }
        self.writer.site(allocator)?;
        Ok(SiteId(self.sites.insert_new(hash)))
    }

    /// The present stack as that of a thread's creator; nothing if the creator is the Python interpreter.
    pub fn as_origin(&mut self, hook: &FrameState) -> Result<Option<MappedVec<u64>>, Stop> {
        self.update_stack(hook)?;
        match self.stack.native.len().checked_sub(1) {
            Some(last) if !is_in_interpreter(self.stack.native.frame(last).address.lookup()) => {
                Ok(Some(self.stack.as_origin(&mut self.writer)?))
            }
            _ => Ok(None),
        }
    }
}

impl ThreadState {
    /// Tells the recorder what Python calls the thread, once it runs Python code.
    fn tell_name(&mut self, interpreter: &Interpreter) -> Result<(), Stop> {
        let Some(frame) = self.stack.python.outermost().filter(|_| !self.named) else { return Ok(()) };
        self.named = true;
        let mut name = MappedVec::new();
        // SAFETY: the frame is in the thread's present chain.
        if unsafe { starts_thread(&interpreter.layout, frame) } && push_name(&interpreter.layout, frame, &mut name)? {
            self.writer.name(&name)?;
        }
        Ok(())
    }
}

struct Update<'a> {
    memo: &'a mut StackMemo,
    top: FrameAddress,
}

impl WithFrames<Result<(), Stop>> for Update<'_> {
    #[inline(always)]
    fn call<C: FrameChain<Error = Stop>>(self, chain: &mut C) -> Result<(), Stop> {
        self.memo.update(chain, self.top)
    }
}
