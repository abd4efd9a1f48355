//! The way to the caller in 16 bits: nearly all that compilers write into `.eh_frame`.
//!
//! The canonical frame address (CFA) is the stack pointer before the call: the caller's stack pointer after the return.
//! The return address lies just below it.
//!
//! ```text
//! bit 0       the CFA counts from the frame pointer (1) or from the stack pointer (0)
//! bits 1-11   the CFA's distance in words of 8 bytes, from 1 on
//! bits 12-15  where the caller's frame pointer is saved: n words below the return address; 0 where it was not
//! ```
//!
//! Two small values, of which the distance is 0, have meanings of their own.

use gimli::{CfaRule, RegisterRule, UnwindContextStorage, UnwindTableRow};

use super::registers::{RBP, RETURN_ADDRESS, RSP};
use crate::unwind::frame::{CodeAddress, FrameState};

/// The way to the caller of a frame at some address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Rule(u16);

const WORD: i64 = 8;
const MOST_WORDS: i64 = (1 << 11) - 1;
const MOST_SLOTS: i64 = (1 << 4) - 1;

/// Where a rule leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The canonical frame address.
    pub cfa: usize,
    /// Where the caller's frame pointer is saved; 0 where the callee has not changed it.
    pub bp_slot: usize,
}

impl Rule {
    /// There is no caller.
    pub const END: Self = Self(0);
    /// No rule can express it, so that it cannot be cached: the information must be read again each time.
    pub const UNCACHEABLE: Self = Self(1);
    /// The function keeps a frame pointer: the register points to where the caller's is saved, with the return address
    /// above.
    pub const FRAME_POINTER: Self = Self(1 | 2 << 1 | 1 << 12);

    /// A rule as it was stored.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The rule for storing.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Packs what `.eh_frame` says.
    pub fn of_row<S: UnwindContextStorage<usize>>(row: &UnwindTableRow<usize, S>) -> Self {
        match row.register(RETURN_ADDRESS) {
            Some(RegisterRule::Undefined) => return Self::END,
            Some(RegisterRule::Offset(offset)) if offset == -WORD => {}
            _ => return Self::UNCACHEABLE,
        }
        let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else { return Self::UNCACHEABLE };
        let from_bp = match *register {
            RSP => 0,
            RBP => 1,
            _ => return Self::UNCACHEABLE,
        };
        let slot = match row.register(RBP) {
            None | Some(RegisterRule::SameValue | RegisterRule::Undefined) => 0,
            Some(RegisterRule::Offset(offset)) if offset % WORD == 0 && offset < -WORD => -offset / WORD - 1,
            _ => return Self::UNCACHEABLE,
        };
        Self::pack(from_bp, *offset, slot)
    }

    /// The rule for a return address in code that no table describes: from what is executed from there on, if that does
    /// nothing but take the frame down and return. So do trampolines. Nothing if it is anything else.
    ///
    /// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: ADD, POP, RET.
    pub fn of_epilogue(mut code: &[u8]) -> Option<Self> {
        let (mut offset, mut bp_at) = (0_i64, None);
        loop {
            let (length, raised) = match *code {
                // add rsp, imm8
                [0x48, 0x83, 0xc4, bytes, ..] if i8::try_from(bytes).is_ok() => (4, i64::from(bytes)),
                // add rsp, imm32
                [0x48, 0x81, 0xc4, a, b, c, d @ 0..=0x7f, ..] => (7, i64::from(u32::from_le_bytes([a, b, c, d]))),
                // pop rbp
                [0x5d, ..] => {
                    bp_at = Some(offset);
                    (1, WORD)
                }
                // pop of another register than rsp
                [0x58..=0x5b | 0x5e..=0x5f, ..] => (1, WORD),
                // pop r8 to r15
                [0x41, 0x58..=0x5f, ..] => (2, WORD),
                // ret
                [0xc3, ..] => break,
                _ => return None,
            };
            offset = offset.checked_add(raised)?;
            code = &code[length..];
        }
        let slot = bp_at.map_or(0, |at| (offset - at) / WORD);
        Some(Self::pack(0, offset + WORD, slot)).filter(|&rule| rule != Self::UNCACHEABLE)
    }

    fn pack(from_bp: u16, offset: i64, slot: i64) -> Self {
        let words = offset / WORD;
        if offset % WORD != 0 || !(1..=MOST_WORDS).contains(&words) || slot > MOST_SLOTS {
            return Self::UNCACHEABLE;
        }
        Self(from_bp | (words as u16) << 1 | (slot as u16) << 12)
    }

    /// Whether it is one that [`Self::apply`] knows.
    #[inline(always)]
    pub const fn is_plain(self) -> bool {
        self.0 > Self::UNCACHEABLE.0
    }

    /// Whether it counts from the frame pointer.
    pub const fn is_from_bp(self) -> bool {
        self.is_plain() && self.0 & 1 != 0
    }

    /// Where the rule leads from a frame. Not for [`Self::END`] and [`Self::UNCACHEABLE`].
    #[inline]
    pub fn apply(self, frame: &FrameState) -> Caller {
        let base = if self.0 & 1 == 0 { frame.sp } else { frame.bp };
        let cfa = base.wrapping_add(usize::from(self.0 >> 1 & 0x7ff) * 8);
        let slot = usize::from(self.0 >> 12);
        Caller { cfa, bp_slot: if slot == 0 { 0 } else { cfa.wrapping_sub(8 + slot * 8) } }
    }
}

impl Caller {
    /// Where the return address is.
    #[inline]
    pub const fn return_slot(self) -> usize {
        self.cfa.wrapping_sub(8)
    }

    /// The caller's state, from what is in the slots.
    #[inline]
    pub const fn state(self, return_address: usize, bp: usize) -> FrameState {
        FrameState { address: CodeAddress::return_address(return_address), sp: self.cfa, bp }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epilogues() {
        let caller = |code: &[u8]| Rule::of_epilogue(code).map(|rule| rule.apply(&frame()));
        let sp = frame().sp;
        assert_eq!(caller(&[0xc3]), Some(Caller { cfa: sp + 8, bp_slot: 0 }));
        // add rsp, 8; ret
        assert_eq!(caller(&[0x48, 0x83, 0xc4, 8, 0xc3, 0xcc]), Some(Caller { cfa: sp + 16, bp_slot: 0 }));
        // pop rbx; pop rbp; pop r12; ret
        let popped = [0x5b, 0x5d, 0x41, 0x5c, 0xc3];
        assert_eq!(caller(&popped), Some(Caller { cfa: sp + 32, bp_slot: sp + 8 }));
        // add rsp, 0x100; pop rbp; ret
        let large = [0x48, 0x81, 0xc4, 0, 1, 0, 0, 0x5d, 0xc3];
        assert_eq!(caller(&large), Some(Caller { cfa: sp + 0x110, bp_slot: sp + 0x100 }));
        // Of 8-byte words only, no frame that shrinks below itself, and nothing that no return follows.
        for other in [
            &[0x48, 0x83, 0xc4, 3, 0xc3][..],
            &[0x48, 0x83, 0xc4, 0xf8, 0xc3],
            &[0x5d],
            &[],
            &[0x5c, 0xc3],
            &[0xe8, 0, 0, 0, 0],
        ] {
            assert_eq!(caller(other), None, "{other:x?}");
        }
    }

    fn frame() -> FrameState {
        FrameState { address: CodeAddress::return_address(1), sp: 0x1000, bp: 0x2000 }
    }

    #[test]
    fn rules_lead_where_they_should() {
        let after_push = Rule::pack(0, 16, 1);
        assert_eq!(after_push.apply(&frame()), Caller { cfa: 0x1010, bp_slot: 0x1000 });
        let with_frame_pointer = Rule::pack(1, 16, 1);
        assert_eq!(with_frame_pointer, Rule::FRAME_POINTER);
        assert_eq!(with_frame_pointer.apply(&frame()), Caller { cfa: 0x2010, bp_slot: 0x2000 });
        let leaf = Rule::pack(0, 8, 0);
        assert_eq!(leaf.apply(&frame()), Caller { cfa: 0x1008, bp_slot: 0 });
        assert_eq!(leaf.apply(&frame()).return_slot(), 0x1000);
        // libffi's call: the CFA is 32 bytes from the frame pointer, which is saved at CFA - 16.
        assert_eq!(Rule::pack(1, 32, 1).apply(&frame()), Caller { cfa: 0x2020, bp_slot: 0x2010 });
    }

    #[test]
    fn what_does_not_fit_is_uncacheable() {
        for (offset, slot) in [(0, 0), (12, 0), (-8, 0), (8 * 2048, 0), (16, 16)] {
            assert_eq!(Rule::pack(0, offset, slot), Rule::UNCACHEABLE);
        }
        assert_ne!(Rule::pack(0, 8 * 2047, 15), Rule::UNCACHEABLE);
        assert!([Rule::END, Rule::UNCACHEABLE].iter().all(|rule| *rule != Rule::pack(0, 8, 0)));
    }
}
