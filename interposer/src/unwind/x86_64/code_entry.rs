//! How code is entered that CPython's just-in-time compiler has made, where it does not describe that code (3.13,
//! 3.14).
//!
//! Each piece begins, at the start of a page, with a function of the C calling convention (Tools/jit/trampoline.c,
//! shim.c): it saves registers, calls what comes after it, restores the registers and returns. All the rest is reached
//! by jumps from there, in a calling convention that leaves every register but the stack and frame pointers to the
//! callee: whatever is called from it, the next return address in made code is the one in that first function.

use super::Rule;
use crate::unwind::frame::{CodeAddress, FrameState};

/// No such function's call is at a larger offset from the start of its page.
pub const FURTHEST_CALL: usize = 48;
/// This many bytes from the start of the page show whether it is one.
pub const LONGEST: usize = FURTHEST_CALL + 24;

/// Whether a page that begins with `code` begins with such a function, whose call returns to its byte `at`.
///
/// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: PUSH, MOV, SUB, CALL.
pub fn is_entered_before(code: &[u8], at: usize) -> bool {
    let Some((mut before, after)) = code.split_at_checked(at) else { return false };
    let mut taken = 0;
    let distance = loop {
        let length = match *before {
            // push of another register than rsp
            [0x50..=0x53 | 0x55..=0x57, ..] => {
                taken += 8;
                1
            }
            // push of r8 to r15
            [0x41, 0x50..=0x57, ..] => {
                taken += 8;
                2
            }
            // sub rsp, imm8
            [0x48, 0x83, 0xec, bytes @ 0..=0x7f, ..] => {
                taken += usize::from(bytes);
                4
            }
            // mov between registers
            [0x48 | 0x49 | 0x4c | 0x4d, 0x89, 0xc0..=0xff, ..] => 3,
            // call rel32, as the last of them
            [0xe8, a, b, c, d] => break i32::from_le_bytes([a, b, c, d]),
            _ => return false,
        };
        before = &before[length..];
    };
    // What is called begins where the function ends. The function takes down the frame that it has set up.
    let end = usize::try_from(distance).unwrap_or(0);
    let Some(epilogue) = after.get(..end) else { return false };
    let frame = FrameState { address: CodeAddress::return_address(0), sp: 0, bp: 0 };
    Rule::of_epilogue(epilogue).is_some_and(|rule| rule.is_plain() && rule.apply(&frame).cfa == taken + 8)
        && epilogue.last() == Some(&RET)
}

const RET: u8 = 0xc3;

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's 3.14.10 has it, with the instruction that follows.
    const ENTRY: [u8; 43] = [
        0x41, 0x57, 0x41, 0x56, 0x41, 0x55, 0x41, 0x54, 0x53, 0x49, 0x89, 0xfc, 0x49, 0x89, 0xf5, 0x49, 0x89, 0xd6,
        0xe8, 0x0a, 0, 0, 0, 0x5b, 0x41, 0x5c, 0x41, 0x5d, 0x41, 0x5e, 0x41, 0x5f, 0xc3, 0x48, 0xb8, 0xc3, 0xb5, 0xd0,
        0, 0, 0, 0, 0,
    ];
    const CALL_RETURNS_TO: usize = 0x17;

    #[test]
    fn it_is_known_by_all_that_it_does() {
        assert!(is_entered_before(&ENTRY, CALL_RETURNS_TO));
        for at in (0..=ENTRY.len() + 1).filter(|&at| at != CALL_RETURNS_TO) {
            assert!(!is_entered_before(&ENTRY, at), "{at}");
        }
        // Not every byte matters: another register may be saved, or moved.
        let changed = |at: usize, to: u8| {
            let mut code = ENTRY;
            code[at] = to;
            is_entered_before(&code, CALL_RETURNS_TO)
        };
        let end = CALL_RETURNS_TO + 10;
        let differing = (0..end).filter(|&at| !changed(at, 0x90)).count();
        assert!(differing > 20, "{differing}");
        // One register more is saved than restored; the call leads elsewhere; there is no return.
        assert!(!changed(0, 0x53) && !changed(19, 0x0b) && !changed(19, 0x09) && !changed(end - 1, 0x90));
        assert!(!is_entered_before(&ENTRY[..end - 1], CALL_RETURNS_TO));
    }

    #[test]
    fn room_that_is_set_aside_is_released() {
        // push rbp; sub rsp, 16; call; add rsp, 16; pop rbp; ret
        let code = |back: u8| [0x55, 0x48, 0x83, 0xec, 16, 0xe8, 6, 0, 0, 0, 0x48, 0x83, 0xc4, back, 0x5d, 0xc3];
        assert!(is_entered_before(&code(16), 10) && !is_entered_before(&code(24), 10));
    }
}
