//! The chain of a thread's Python frames.

use super::bytecode_copies::{Copies, SeenCopies};
use super::describing::describe;
use super::descriptions::Descriptions;
use super::interpreter::Interpreter;
use super::layout::{Instruction, Layout, OWNED_BY_INTERPRETER, Top};
use super::sources::{InPlace, Source};
use super::text::push_utf8;
use super::thread_states::Reading;
use crate::memory::{MappedVec, OutOfMemory};
use crate::stacks::memo::{CodePosition, FrameAddress, FrameChain, FrameContent};

/// Reads a field.
///
/// # Safety
/// `base` points to a live structure that has a field of this type at `offset`.
#[inline(always)]
unsafe fn field<T: Copy>(base: usize, offset: usize) -> T {
    // SAFETY: the caller vouches for it; CPython aligns its fields naturally.
    unsafe { ((base + offset) as *const T).read() }
}

/// The frame that ends every chain of a thread state, which is of an interpreter with this layout; 0 where there is
/// none.
#[inline]
pub fn base_frame(layout: &Layout, state: &Reading) -> FrameAddress {
    // SAFETY: the field exists, where the layout has it.
    layout.base_frame.map_or(0, |offset| unsafe { state.address(offset) })
}

/// The innermost frame of a thread state, which is of an interpreter with this layout; the one that ends its chains if
/// there is no other.
#[inline]
pub fn top_frame(layout: &Layout, state: &Reading) -> FrameAddress {
    // SAFETY: the fields exist, and a control frame is there as long as its thread state names it.
    unsafe {
        match layout.top {
            Top::Field(offset) => state.address(offset),
            Top::Through(outer, inner) => match state.address(outer) {
                0 => 0,
                middle => field(middle, inner),
            },
        }
    }
}

/// Whether a frame runs `threading.Thread._bootstrap`, in which every thread of Python's `threading` starts.
///
/// # Safety
/// `frame` is a frame of the calling thread, of an interpreter with this layout, that may be read in this way.
pub unsafe fn starts_thread<S: Source>(source: &S, layout: &Layout, frame: FrameAddress) -> bool {
    let (mut name, mut file) = (MappedVec::new(), MappedVec::new());
    // SAFETY: the frame keeps its code object alive, and that its names.
    let read = unsafe {
        let Some(reference) = source.read(frame.wrapping_add(layout.frame_code)) else { return false };
        let code = layout.referenced(reference);
        let texts =
            source.read(code.wrapping_add(layout.code_name)).zip(source.read(code.wrapping_add(layout.code_file)));
        let Some((name_text, file_text)) = texts else { return false };
        push_utf8(source, layout, name_text, usize::MAX, &mut name)
            .and_then(|_| push_utf8(source, layout, file_text, usize::MAX, &mut file))
    };
    read == Ok(true) && &name[..] == b"_bootstrap" && file.ends_with(b"threading.py")
}

/// The ways in which a frame says where it is. A type each, so that a walk has no branch for it.
pub trait Position {
    /// See [`FrameChain::identity`].
    ///
    /// # Safety
    /// `frame` is a live frame of the calling thread.
    unsafe fn identity(&self, frame: FrameAddress) -> u64;

    /// Bytes from the start of the bytecode of `code`, which the frame runs, to its instruction.
    ///
    /// # Safety
    /// As [`Self::identity`], whose answer is that of this frame.
    unsafe fn offset(&mut self, frame: FrameAddress, identity: u64, code: usize) -> Result<u32, OutOfMemory>;
}

/// The offset where it cannot be found out: after all code, where there is no line.
pub const NOWHERE: u32 = u32::MAX;

/// See [`Instruction::Pointer`].
pub struct ByPointer {
    field: usize,
    bytecode: usize,
}

impl Position for ByPointer {
    #[inline(always)]
    unsafe fn identity(&self, frame: FrameAddress) -> u64 {
        // SAFETY: the caller vouches for the frame. The pointer identifies the code object as well: it points into it.
        unsafe { field(frame, self.field) }
    }

    unsafe fn offset(&mut self, _: FrameAddress, identity: u64, code: usize) -> Result<u32, OutOfMemory> {
        Ok(offset_in(identity, code + self.bytecode))
    }
}

/// Bytes from where bytecode starts to the instruction.
fn offset_in(instruction: u64, start: usize) -> u32 {
    // A frame that has not begun points before its first instruction.
    (instruction as usize).checked_sub(start).and_then(|offset| u32::try_from(offset).ok()).unwrap_or(0)
}

/// See [`Instruction::Pointer`], where threads run copies of the bytecode.
struct ByCopy<'a> {
    field: usize,
    /// In a frame: the number of the copy.
    copy: usize,
    copies: Copies,
    /// In a code object: how many units its bytecode has.
    size: usize,
    seen_copies: &'a mut SeenCopies,
}

impl Position for ByCopy<'_> {
    #[inline(always)]
    unsafe fn identity(&self, frame: FrameAddress) -> u64 {
        // SAFETY: the caller vouches for the frame. The pointer identifies the code object as well: each copy belongs
        // to one code object.
        unsafe { field(frame, self.field) }
    }

    unsafe fn offset(&mut self, frame: FrameAddress, identity: u64, code: usize) -> Result<u32, OutOfMemory> {
        // SAFETY: the caller vouches for the frame.
        match unsafe { field::<u32>(frame, self.copy) } {
            0 => Ok(offset_in(identity, code + self.copies.bytecode)),
            copy => {
                let offset = self.seen_copies.offset(self.copies, self.size, code, copy, identity as usize)?;
                Ok(offset.unwrap_or(NOWHERE))
            }
        }
    }
}

/// See [`Instruction::Index`].
pub struct ByIndex {
    field: usize,
    code: usize,
    unit: u32,
}

/// Code objects are aligned to 16 bytes and lie below 2^47, which leaves the upper 21 bits to the index.
const INDEX_SHIFT: u32 = 43;

impl Position for ByIndex {
    #[inline(always)]
    unsafe fn identity(&self, frame: FrameAddress) -> u64 {
        // SAFETY: the caller vouches for the frame.
        let (code, index) = unsafe { (field::<u64>(frame, self.code), field::<i32>(frame, self.field)) };
        // -1 before the first instruction; the position after it is 0, from which index -1 is distinguished here.
        code >> 4 ^ (index.wrapping_add(1) as u64) << INDEX_SHIFT
    }

    unsafe fn offset(&mut self, _: FrameAddress, identity: u64, code: usize) -> Result<u32, OutOfMemory> {
        let next = (identity ^ code as u64 >> 4) >> INDEX_SHIFT;
        Ok((next as u32).saturating_sub(1) * self.unit)
    }
}

/// A thread's frames, as long as they may be read, together with what it takes to describe their code.
pub struct PythonFrames<'a, P: Position> {
    layout: &'static Layout,
    /// From the layout; here it need not be loaded again for every frame.
    previous: usize,
    position: P,
    top: FrameAddress,
    /// See [`base_frame`].
    end: FrameAddress,
    interpreter: &'static Interpreter,
    /// Keeps the frames where they are.
    _state: &'a Reading,
    descriptions: &'a mut Descriptions,
}

impl<P: Position> FrameChain for PythonFrames<'_, P> {
    type Error = OutOfMemory;

    #[inline(always)]
    fn top(&self) -> FrameAddress {
        self.top
    }

    #[inline(always)]
    fn end(&self) -> FrameAddress {
        self.end
    }

    #[inline(always)]
    unsafe fn identity(&self, frame: FrameAddress) -> u64 {
        // SAFETY: the frame is in the present chain.
        unsafe { self.position.identity(frame) }
    }

    #[inline(always)]
    unsafe fn previous(&self, frame: FrameAddress) -> FrameAddress {
        // SAFETY: the frame is in the present chain.
        unsafe { field(frame, self.previous) }
    }

    #[inline]
    unsafe fn content(&mut self, frame: FrameAddress) -> Result<FrameContent, OutOfMemory> {
        // SAFETY: the frame is in the present chain, and so are its fields.
        let (code, identity) = unsafe {
            if let Some(owner) = self.layout.frame_owner
                && field::<u8>(frame, owner) >= OWNED_BY_INTERPRETER
            {
                return Ok(FrameContent::Entry);
            }
            (self.layout.referenced(field(frame, self.layout.frame_code)), self.identity(frame))
        };
        let number = match self.interpreter.codes.get(code) {
            Some(number) => number,
            // SAFETY: the frame keeps the object alive that its code field names.
            None => match unsafe { describe(&InPlace, self.interpreter, code, self.descriptions)? } {
                Some(number) => number,
                None => return Ok(FrameContent::Auxiliary),
            },
        };
        // SAFETY: it is this frame's.
        let offset = unsafe { self.position.offset(frame, identity, code)? };
        Ok(FrameContent::Place(CodePosition { code: number, offset }))
    }
}

/// Calls `then` with the frames of a thread state of this interpreter.
#[inline(always)]
pub fn with_frames<R>(
    interpreter: &'static Interpreter,
    state: &Reading,
    descriptions: &mut Descriptions,
    seen_copies: &mut SeenCopies,
    then: impl WithFrames<R>,
) -> R {
    let layout = &interpreter.layout;
    match (layout.instruction, layout.copies()) {
        (Instruction::Pointer { offset, bytecode }, None) => {
            then.call(&mut in_place(interpreter, state, descriptions, ByPointer { field: offset, bytecode }))
        }
        (Instruction::Pointer { offset, bytecode }, Some(fields)) => {
            let copies = Copies { bytecode, list: fields.code };
            let size = layout.object.size();
            let position = ByCopy { field: offset, copy: fields.frame, copies, size, seen_copies };
            then.call(&mut in_place(interpreter, state, descriptions, position))
        }
        (Instruction::Index { offset, unit }, _) => {
            let position = ByIndex { field: offset, code: layout.frame_code, unit };
            then.call(&mut in_place(interpreter, state, descriptions, position))
        }
    }
}

#[inline(always)]
fn in_place<'a, P: Position>(
    interpreter: &'static Interpreter,
    state: &'a Reading,
    descriptions: &'a mut Descriptions,
    position: P,
) -> PythonFrames<'a, P> {
    let layout = &interpreter.layout;
    PythonFrames {
        layout,
        previous: layout.frame_previous,
        position,
        top: top_frame(layout, state),
        end: base_frame(layout, state),
        interpreter,
        _state: state,
        descriptions,
    }
}

/// What to do with frames of any kind: a closure that is generic.
pub trait WithFrames<R> {
    /// Does it.
    fn call<C: FrameChain<Error = OutOfMemory>>(self, chain: &mut C) -> R;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_differs_from_its_neighbours_and_from_other_code() {
        let mut frame = [0_u64; 20];
        let mut position = ByIndex { field: 104, code: 32, unit: 2 };
        let mut identity = |code: u64, index: i32| {
            frame[4] = code;
            frame[13] = u64::from(index.cast_unsigned());
            // SAFETY: the array has both fields.
            unsafe { ByIndex { field: 104, code: 32, unit: 2 }.identity(frame.as_ptr() as usize) }
        };
        let (one, other) = (0x7f12_3456_7890, 0x7f12_3456_78b0);
        assert_ne!(identity(one, -1), identity(one, 0));
        assert_ne!(identity(one, 5), identity(other, 5));
        for index in [0, 1, 77, 40_000, 1_000_000] {
            let seen = identity(one, index);
            // SAFETY: nothing is read of the frame.
            assert_eq!(unsafe { position.offset(0, seen, one as usize) }, Ok(index as u32 * 2));
        }
        // SAFETY: as above.
        assert_eq!(unsafe { position.offset(0, identity(one, -1), one as usize) }, Ok(0));
    }

    #[test]
    fn a_pointer_before_the_bytecode_counts_as_its_start() {
        assert_eq!(offset_in(0x1000 + 184 - 2, 0x1000 + 184), 0);
        assert_eq!(offset_in(0x1000 + 184 + 10, 0x1000 + 184), 10);
    }
}
