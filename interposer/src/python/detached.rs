//! The frames of a detached thread: copied through the kernel, and then gone through like others.

use core::cell::Cell;

use super::bytecode_copies::{Copies, SeenCopies};
use super::describing::describe;
use super::descriptions::Descriptions;
use super::frames::{NOWHERE, WithFrames};
use super::free_threads::Detached;
use super::interpreter::Interpreter;
use super::layout::{Instruction, Layout, OWNED_BY_INTERPRETER};
use crate::memory::{MappedVec, OutOfMemory, Plain};
use crate::platform::memory::OwnMemory;
use crate::stacks::memo::{CodePosition, FrameAddress, FrameChain, FrameContent};

/// What is known of a frame.
#[derive(Clone, Copy)]
#[repr(C)]
struct Frame {
    address: FrameAddress,
    /// 0 at the end of the chain.
    previous: FrameAddress,
    code: usize,
    instruction: u64,
    copy: u32,
    owner: u32,
}

// SAFETY: integers, without padding.
unsafe impl Plain for Frame {}

/// Frames of a thread, innermost first.
pub struct CopiedFrames {
    frames: MappedVec<Frame>,
    /// Memory that some of them lie in, from the address `start` on.
    window: MappedVec<u8>,
    filled: usize,
    start: usize,
}

const PAGE: usize = 4096;
/// A chain is not longer than this, or none.
const MOST_FRAMES: usize = 1 << 20;

impl CopiedFrames {
    /// None.
    pub const fn new() -> Self {
        Self { frames: MappedVec::new(), window: MappedVec::new(), filled: 0, start: 0 }
    }

    /// Copies those of a thread. False if they cannot all be read.
    fn copy(&mut self, layout: &Layout, memory: &OwnMemory, thread: &Detached) -> Result<bool, OutOfMemory> {
        self.frames.truncate(0);
        self.filled = 0;
        let (mut frame, base) = thread.frames();
        let Instruction::Pointer { offset: instruction, .. } = layout.instruction else { return Ok(false) };
        let copies = layout.copies();
        while frame != 0 {
            if self.frames.len() == MOST_FRAMES || !self.bring(memory, frame, layout.frame_locals)? {
                return Ok(false);
            }
            let bytes = &self.window[frame - self.start..];
            let word = |at: usize| usize::from_ne_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
            let half = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap_or_default());
            let previous = word(layout.frame_previous);
            let owner = layout.frame_owner.map_or(0, |at| bytes[at]);
            let copied = Frame {
                address: frame,
                previous: if previous == base { 0 } else { previous },
                code: layout.referenced(word(layout.frame_code)),
                instruction: word(instruction) as u64,
                // Where there are no copies, all run the first one, which is the bytecode itself.
                copy: copies.map_or(0, |fields| half(fields.frame)),
                owner: u32::from(owner),
            };
            self.frames.push(copied)?;
            frame = copied.previous;
        }
        Ok(true)
    }

    /// Makes sure that the window has what a frame begins with. A caller's frame mostly lies a little before.
    fn bring(&mut self, memory: &OwnMemory, frame: usize, bytes: usize) -> Result<bool, OutOfMemory> {
        let Some(end) = frame.checked_add(bytes) else { return Ok(false) };
        if frame >= self.start && end <= self.start + self.filled {
            return Ok(true);
        }
        if self.window.is_empty() {
            self.window = MappedVec::zeroed(2 * PAGE)?;
        }
        self.start = frame & !(PAGE - 1);
        self.filled = end - self.start;
        Ok(self.window.get_mut(..self.filled).is_some_and(|window| memory.read(self.start, window)))
    }
}

/// Copied frames, together with what it takes to describe their code.
struct CopiedChain<'a> {
    interpreter: &'static Interpreter,
    memory: OwnMemory,
    frames: &'a [Frame],
    /// The one that was read last.
    at: Cell<usize>,
    descriptions: &'a mut Descriptions,
    seen_copies: &'a mut SeenCopies,
}

impl CopiedChain<'_> {
    fn find(&self, frame: FrameAddress) -> Option<&Frame> {
        let at = self.at.get();
        let near = [at, at + 1, at.wrapping_sub(1)];
        let is_it = |&at: &usize| self.frames.get(at).is_some_and(|copied| copied.address == frame);
        let found = near.into_iter().find(is_it).or_else(|| (0..self.frames.len()).find(is_it))?;
        self.at.set(found);
        self.frames.get(found)
    }
}

impl FrameChain for CopiedChain<'_> {
    type Error = OutOfMemory;

    fn top(&self) -> FrameAddress {
        self.frames.first().map_or(0, |frame| frame.address)
    }

    unsafe fn identity(&self, frame: FrameAddress) -> u64 {
        self.find(frame).map_or(0, |frame| frame.instruction)
    }

    unsafe fn previous(&self, frame: FrameAddress) -> FrameAddress {
        self.find(frame).map_or(0, |frame| frame.previous)
    }

    unsafe fn content(&mut self, frame: FrameAddress) -> Result<FrameContent, OutOfMemory> {
        let Some(&Frame { code, instruction, copy, owner, .. }) = self.find(frame) else {
            return Ok(FrameContent::Auxiliary);
        };
        if owner >= u32::from(OWNED_BY_INTERPRETER) {
            return Ok(FrameContent::Entry);
        }
        let number = match self.interpreter.codes.get(code) {
            Some(number) => number,
            // SAFETY: through the kernel any address may be read.
            None => match unsafe { describe(&self.memory, self.interpreter, code, self.descriptions)? } {
                Some(number) => number,
                None => return Ok(FrameContent::Auxiliary),
            },
        };
        let layout = &self.interpreter.layout;
        let Instruction::Pointer { bytecode, .. } = layout.instruction else { return Ok(FrameContent::Auxiliary) };
        let copies = Copies { bytecode, list: layout.copies().map_or(0, |fields| fields.code) };
        let offset = self.seen_copies.offset(copies, layout.object.size(), code, copy, instruction as usize)?;
        Ok(FrameContent::Place(CodePosition { code: number, offset: offset.unwrap_or(NOWHERE) }))
    }
}

/// Calls `then` with the frames of a detached thread. Nothing if they cannot be read. What comes out is true if the
/// thread's state [`is there`](Detached::is_there) afterwards.
pub fn with_frames<R>(
    interpreter: &'static Interpreter,
    thread: &Detached,
    copied: &mut CopiedFrames,
    descriptions: &mut Descriptions,
    seen_copies: &mut SeenCopies,
    then: impl WithFrames<R>,
) -> Result<Option<R>, OutOfMemory> {
    let layout = &interpreter.layout;
    let memory = OwnMemory::open_for_little();
    if !copied.copy(layout, &memory, thread)? {
        return Ok(None);
    }
    let frames = &copied.frames[..];
    Ok(Some(then.call(&mut CopiedChain { interpreter, memory, frames, at: Cell::new(0), descriptions, seen_copies })))
}
