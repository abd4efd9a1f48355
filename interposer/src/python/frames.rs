//! The chain of a thread's Python frames.

use memprof_capture::channel::code::CodePrefix;

use super::codes::{CodeNumber, CodeTable};
use super::descriptions::Descriptions;
use super::interpreter::Interpreter;
use super::layout::{Instruction, Layout, OWNED_BY_INTERPRETER, Top, object};
use super::text::{bytes, push_utf8};
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

/// The frame that ends every chain of a thread state, which is of an interpreter with this layout; 0 where there is none.
#[inline]
pub fn base_frame(layout: &Layout, state: &Reading) -> FrameAddress {
    // SAFETY: the field exists, where the layout has it.
    layout.base_frame.map_or(0, |offset| unsafe { state.address(offset) })
}

/// The innermost frame of a thread state, which is of an interpreter with this layout, and whose chains end with this frame.
#[inline]
pub fn top_frame(layout: &Layout, state: &Reading, base: FrameAddress) -> FrameAddress {
    // SAFETY: the fields exist, and a control frame is there as long as its thread state names it.
    let top = unsafe {
        match layout.top {
            Top::Field(offset) => state.address(offset),
            Top::Through(outer, inner) => match state.address(outer) {
                0 => 0,
                middle => field(middle, inner),
            },
        }
    };
    if top == base { 0 } else { top }
}

/// Whether a frame runs `threading.Thread._bootstrap`, in which every thread of Python's `threading` starts.
///
/// # Safety
/// `frame` is a live frame of the calling thread, of an interpreter with this layout.
pub unsafe fn starts_thread(layout: &Layout, frame: FrameAddress) -> bool {
    let mut texts = MappedVec::new();
    // SAFETY: the frame keeps its code object alive, and that its names.
    let read = unsafe {
        let code = layout.referenced(field(frame, layout.frame_code));
        push_utf8(layout, field(code, layout.code_name), &mut texts)
            .and_then(|()| push_utf8(layout, field(code, layout.code_file), &mut texts))
    };
    read.is_ok()
        && texts.starts_with(b"_bootstrap")
        && texts.ends_with(b"threading.py")
        && !texts.starts_with(b"_bootstrap_")
}

/// The two ways in which a frame says where it is. A type each, so that a walk has no branch for it.
pub trait Position {
    /// See [`FrameChain::identity`].
    ///
    /// # Safety
    /// `frame` is a live frame of the calling thread.
    unsafe fn identity(&self, frame: FrameAddress) -> u64;

    /// Bytes from the start of the bytecode of `code` to the instruction of a frame with this identity.
    fn offset(&self, identity: u64, code: usize) -> u32;
}

/// See [`Instruction::Pointer`].
pub struct ByPointer {
    field: usize,
    bytecode: usize,
}

impl Position for ByPointer {
    #[inline(always)]
    unsafe fn identity(&self, frame: FrameAddress) -> u64 {
        // SAFETY: the caller vouches for the frame. The pointer tells the code object as well: it points into it.
        unsafe { field(frame, self.field) }
    }

    fn offset(&self, identity: u64, code: usize) -> u32 {
        // A frame that has not begun points before its first instruction.
        (identity as usize).checked_sub(code + self.bytecode).and_then(|offset| u32::try_from(offset).ok()).unwrap_or(0)
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
        // -1 before the first instruction; the position after it is 0, of which index -1 is told apart here.
        code >> 4 ^ (index.wrapping_add(1) as u64) << INDEX_SHIFT
    }

    fn offset(&self, identity: u64, code: usize) -> u32 {
        let next = (identity ^ code as u64 >> 4) >> INDEX_SHIFT;
        (next as u32).saturating_sub(1) * self.unit
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
    base: FrameAddress,
    code_type: usize,
    codes: &'static CodeTable,
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
    unsafe fn identity(&self, frame: FrameAddress) -> u64 {
        // SAFETY: the frame is in the present chain.
        unsafe { self.position.identity(frame) }
    }

    #[inline(always)]
    unsafe fn previous(&self, frame: FrameAddress) -> FrameAddress {
        // SAFETY: the frame is in the present chain.
        let previous = unsafe { field(frame, self.previous) };
        if previous == self.base { 0 } else { previous }
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
        let number = match self.codes.get(code) {
            Some(number) => number,
            // SAFETY: the frame keeps the object alive that its code field names.
            None => match unsafe { self.describe(code)? } {
                Some(number) => number,
                None => return Ok(FrameContent::Auxiliary),
            },
        };
        let offset = self.position.offset(identity, code);
        Ok(FrameContent::Place(CodePosition { code: number, offset }))
    }
}

impl<P: Position> PythonFrames<'_, P> {
    /// Describes a code object, to be told when the frames have been read. Nothing if it is none.
    ///
    /// # Safety
    /// `code` is null or an object that a frame of the present chain keeps alive.
    #[cold]
    #[inline(never)]
    unsafe fn describe(&mut self, code: usize) -> Result<Option<CodeNumber>, OutOfMemory> {
        // SAFETY: every object has a type.
        if code == 0 || unsafe { field::<usize>(code, object::TYPE) } != self.code_type {
            return Ok(None);
        }
        if let Some(number) = self.descriptions.number_of(code) {
            return Ok(Some(number));
        }
        let (layout, number) = (self.layout, self.codes.next_number());
        let mut texts = MappedVec::new();
        // SAFETY: the code object keeps its names and tables alive. All are immutable.
        unsafe {
            let mut text = |offset| -> Result<usize, OutOfMemory> {
                let before = texts.len();
                push_utf8(layout, field(code, offset), &mut texts)?;
                Ok(texts.len() - before)
            };
            let name = text(layout.code_name)?;
            let qualified = text(layout.code_qualified_name.unwrap_or(layout.code_name))?;
            let file = text(layout.code_file)?;
            let line_table = bytes(field(code, layout.code_line_table));
            let first_line: i32 = field(code, layout.code_first_line);
            let prefix = CodePrefix::new(first_line.max(0) as u32, layout.line_table_format);
            let (name_text, rest) = texts.split_at(name);
            let (qualified_text, file_text) = rest.split_at(qualified);
            let length = |bytes: usize| (bytes as u32).to_le_bytes();
            self.descriptions.push(
                code,
                number,
                &[
                    prefix.as_bytes(),
                    &length(name),
                    name_text,
                    &length(qualified),
                    qualified_text,
                    &length(file),
                    file_text,
                    &length(line_table.len()),
                    line_table,
                ],
            )?;
        }
        Ok(Some(number))
    }
}

/// Calls `then` with the frames of a thread state of this interpreter.
#[inline(always)]
pub fn with_frames<R>(
    interpreter: &'static Interpreter,
    state: &Reading,
    descriptions: &mut Descriptions,
    then: impl WithFrames<R>,
) -> R {
    let layout = &interpreter.layout;
    let (code_type, codes, previous) = (interpreter.code_type, &interpreter.codes, layout.frame_previous);
    let (base, _state) = (base_frame(layout, state), state);
    let top = top_frame(layout, state, base);
    match layout.instruction {
        Instruction::Pointer { offset, bytecode } => {
            let position = ByPointer { field: offset, bytecode };
            then.call(&mut PythonFrames {
                layout,
                previous,
                position,
                top,
                base,
                code_type,
                codes,
                _state,
                descriptions,
            })
        }
        Instruction::Index { offset, unit } => {
            let position = ByIndex { field: offset, code: layout.frame_code, unit };
            then.call(&mut PythonFrames {
                layout,
                previous,
                position,
                top,
                base,
                code_type,
                codes,
                _state,
                descriptions,
            })
        }
    }
}

/// What to do with frames of either kind: a closure that is generic.
pub trait WithFrames<R> {
    /// Does it.
    fn call<C: FrameChain<Error = OutOfMemory>>(self, chain: &mut C) -> R;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_told_from_its_neighbours_and_from_other_code() {
        let mut frame = [0_u64; 20];
        let position = ByIndex { field: 104, code: 32, unit: 2 };
        let mut identity = |code: u64, index: i32| {
            frame[4] = code;
            frame[13] = u64::from(index.cast_unsigned());
            // SAFETY: the array has both fields.
            unsafe { position.identity(frame.as_ptr() as usize) }
        };
        let (one, other) = (0x7f12_3456_7890, 0x7f12_3456_78b0);
        assert_ne!(identity(one, -1), identity(one, 0));
        assert_ne!(identity(one, 5), identity(other, 5));
        for index in [0, 1, 77, 40_000, 1_000_000] {
            let seen = identity(one, index);
            assert_eq!(position.offset(seen, one as usize), index as u32 * 2);
        }
        assert_eq!(position.offset(identity(one, -1), one as usize), 0);
    }

    #[test]
    fn a_pointer_before_the_bytecode_counts_as_its_start() {
        let position = ByPointer { field: 56, bytecode: 184 };
        assert_eq!(position.offset(0x1000 + 184 - 2, 0x1000), 0);
        assert_eq!(position.offset(0x1000 + 184 + 10, 0x1000), 10);
    }
}
