//! What a thread keeps: its end of the channel, its last stack, the sites that it has used.

use memprof_capture::allocator::Allocator;
use memprof_capture::channel::ChunkWriter;
use memprof_capture::channel::record::ChannelFrame;
use memprof_capture::channel::writer::Author;
use memprof_capture::early_stop::EarlyStop;
use memprof_capture::ids::{Address, SiteId, Stamp};

use crate::memory::{MappedVec, OutOfMemory};
use crate::platform::memory::{map, unmap};
use crate::python::frames::{WithFrames, starts_thread, top_frame, with_frames};
use crate::python::interpreter::Interpreter;
use crate::python::thread_names::push_name;
use crate::session::Session;
use crate::stacks::memo::{CodePosition, FrameAddress, FrameChain, StackMemo};
use crate::stacks::sites::SiteTable;

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
    memo: StackMemo,
    sites: SiteTable,
    /// Places of the stack that the recorder knows as this thread's last one.
    told_places: u32,
    /// Deaths of code objects when the memo was last brought up to date.
    deaths: u32,
    /// Whether its name has been looked for.
    named: bool,
    /// Times that the end of the thread has been announced: see [`Self::end`].
    pub endings: u32,
}

const PAGE: usize = 4096;

impl ThreadState {
    /// Registers the calling thread with the session. It makes its first event after that.
    pub fn create(session: &Session) -> Result<*mut Self, Stop> {
        let mut author = Author { thread: session.next_thread(), tid: 0, image: session.image, name: [0; 16] };
        // SAFETY: gettid has no arguments; PR_GET_NAME fills 16 bytes.
        unsafe {
            author.tid = libc::syscall(libc::SYS_gettid) as u32;
            libc::syscall(libc::SYS_prctl, libc::PR_GET_NAME, author.name.as_mut_ptr());
        }
        let state = Self {
            writer: ChunkWriter::new(session.pool, author),
            interpreter: session.interpreter,
            memo: StackMemo::new()?,
            sites: SiteTable::new()?,
            told_places: 0,
            deaths: 0,
            named: false,
            endings: 0,
        };
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

    /// Records a heap block.
    #[inline]
    pub fn allocation(&mut self, stamp: Stamp, at: Address, size: u64, by: Allocator) -> Result<(), Stop> {
        let site = self.site(by)?;
        Ok(self.writer.allocation(stamp, at, size, site)?)
    }

    /// Records a heap block that `realloc` left in place.
    #[inline]
    pub fn resize(&mut self, stamp: Stamp, at: Address, size: u64) -> Result<(), Stop> {
        let site = self.site(Allocator::Realloc)?;
        Ok(self.writer.resize(stamp, at, size, site)?)
    }

    /// Records a mapping.
    pub fn map(&mut self, stamp: Stamp, at: Address, size: u64, by: Allocator) -> Result<(), Stop> {
        let site = self.site(by)?;
        Ok(self.writer.map(stamp, at, size, site)?)
    }

    /// Records that a heap block was given back.
    #[inline]
    pub fn free(&mut self, stamp: Stamp, at: Address) -> Result<(), Stop> {
        Ok(self.writer.free(stamp, at)?)
    }

    /// Records that a range was unmapped.
    pub fn unmap(&mut self, stamp: Stamp, at: Address, size: u64) -> Result<(), Stop> {
        Ok(self.writer.unmap(stamp, at, size)?)
    }

    /// The number of the present stack with this allocator.
    #[inline]
    fn site(&mut self, allocator: Allocator) -> Result<SiteId, Stop> {
        self.update_stack()?;
        // Allocators have small codes, frames have large keys: the two cannot be mistaken for each other.
        let hash = self.memo.hash().with(u64::from(allocator.code()) | 1 << 63);
        match self.sites.get(hash) {
            Some(number) => Ok(SiteId(number)),
            None => self.tell_site(hash, allocator),
        }
    }

    #[inline]
    fn update_stack(&mut self) -> Result<(), Stop> {
        let Some(interpreter) = self.interpreter else { return Ok(()) };
        let deaths = interpreter.codes.deaths();
        if deaths != self.deaths {
            self.deaths = deaths;
            self.memo.forget();
        }
        let state = interpreter.thread_state();
        // SAFETY: it is the calling thread's own state.
        let top = if state == 0 { 0 } else { unsafe { top_frame(&interpreter.layout, state) } };
        with_frames(interpreter, &mut self.writer, Update { memo: &mut self.memo, top })
    }

    /// Tells the recorder about a site that it does not know.
    #[cold]
    #[inline(never)]
    fn tell_site(&mut self, hash: crate::stacks::hash::StackHash, allocator: Allocator) -> Result<SiteId, Stop> {
        // What can fail comes first, so that both sides count alike.
        self.sites.reserve()?;
        if let Some((keep, fresh)) = self.memo.untold(self.told_places) {
            self.writer.frames(
                keep,
                Counted {
                    left: fresh,
                    inner: self
                        .memo
                        .untold_places()
                        .map(|CodePosition { code, offset }| ChannelFrame::Python { code, offset }),
                },
            )?;
            self.told_places = self.memo.set_told();
            if let Some(interpreter) = self.interpreter {
                crate::session::note_running_interpreter(interpreter);
                self.tell_name(interpreter)?;
            }
        }
        self.writer.site(allocator)?;
        Ok(SiteId(self.sites.insert_new(hash)))
    }
}

impl ThreadState {
    /// Tells the recorder what Python calls the thread, once it runs Python code.
    fn tell_name(&mut self, interpreter: &Interpreter) -> Result<(), Stop> {
        let Some(frame) = self.memo.outermost().filter(|_| !self.named) else { return Ok(()) };
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

/// An iterator whose length is known beforehand.
struct Counted<I> {
    left: usize,
    inner: I,
}

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.left = self.left.checked_sub(1)?;
        self.inner.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<I: Iterator> ExactSizeIterator for Counted<I> {}
