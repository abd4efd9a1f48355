//! The last word on a layout that an interpreter has stated: whether the first frame that is seen is what it is taken
//! for.
//!
//! Here nothing that the layout says of frames is believed: they are read through the kernel.

use super::bytecode_copies::Copies;
use super::frames::{base_frame, top_frame};
use super::interpreter::Interpreter;
use super::layout::{Instruction, Layout, OWNED_BY_INTERPRETER};
use super::sources::value;
use super::thread_states::Reading;
use crate::platform::memory::OwnMemory;

/// At most this many frames are read to find one that runs code.
const MOST_FRAMES: usize = 64;

/// The types of what a frame leads to.
#[derive(Clone, Copy)]
struct Types {
    code: usize,
    text: usize,
}

/// Whether the innermost frame of this state that runs code is one of an interpreter with this layout. Nothing where
/// none does.
pub fn is_right(interpreter: &Interpreter, state: &Reading) -> Option<bool> {
    let layout = &interpreter.layout;
    is_right_at(interpreter, top_frame(layout, state), base_frame(layout, state))
}

/// Likewise, of a state with this innermost frame, and this one at the end of its chain.
pub fn is_right_at(interpreter: &Interpreter, top: usize, base: usize) -> Option<bool> {
    let types = Types { code: interpreter.code_type, text: interpreter.text_type };
    is_right_from(&interpreter.layout, types, top, base)
}

fn is_right_from(layout: &Layout, types: Types, top: usize, base: usize) -> Option<bool> {
    if top == 0 || top == base {
        return None;
    }
    let memory = OwnMemory::open();
    let mut frame = top;
    for _ in 0..MOST_FRAMES {
        if frame == 0 || frame == base {
            return None;
        }
        let owner = layout.frame_owner.map_or(Some(0), |offset| value(&memory, frame.wrapping_add(offset)));
        match owner {
            None => return Some(false),
            Some(owner) if owner < OWNED_BY_INTERPRETER => {
                return Some(runs_code(layout, types, frame, &memory).unwrap_or(false));
            }
            Some(_) => match value(&memory, frame.wrapping_add(layout.frame_previous)) {
                Some(previous) => frame = previous,
                None => return Some(false),
            },
        }
    }
    Some(false)
}

/// Whether a frame leads to a code object, this to its name and file, and whether it is at an instruction of that code.
/// Nothing where there is nothing to read.
fn runs_code(layout: &Layout, types: Types, frame: usize, memory: &OwnMemory) -> Option<bool> {
    let Instruction::Pointer { offset, bytecode } = layout.instruction else { return Some(false) };
    let at = |base: usize, offset: usize| value::<usize>(memory, base.wrapping_add(offset));
    let is_a = |object: usize, class: usize| at(object, layout.object.class()) == Some(class);
    let code = layout.referenced(at(frame, layout.frame_code)?);
    let (name, file) = (at(code, layout.code_name)?, at(code, layout.code_file)?);
    // The items of a code object are units of bytecode, two bytes each.
    let bytes = at(code, layout.object.size())?.checked_mul(2)?;
    let start = match layout.copies() {
        None => code.wrapping_add(bytecode),
        Some(copies) => {
            let copy = value(memory, frame.wrapping_add(copies.frame))?;
            Copies { bytecode, list: copies.code }.start(memory, code, copy)?
        }
    };
    let instruction = at(frame, offset)?.wrapping_sub(start);
    Some(is_a(code, types.code) && is_a(name, types.text) && is_a(file, types.text) && instruction < bytes)
}

#[cfg(test)]
mod tests;
