//! The registers of a frame, by their numbers in DWARF (System V ABI, AMD64 supplement, figure 3.36).

use core::arch::asm;

use gimli::Register;

use crate::unwind::frame::{CodeAddress, FrameState};

/// How many registers have a number that matters: 16 general ones and the return address.
pub const COUNT: usize = 17;
/// The frame pointer.
pub const RBP: Register = Register(6);
/// The stack pointer.
pub const RSP: Register = Register(7);
/// The return address.
pub const RETURN_ADDRESS: Register = Register(16);

const RBX: Register = Register(3);
/// What a function leaves as it was: rbx, rbp, r12 to r15.
const PRESERVED: u32 = 1 << 3 | 1 << 6 | 0b1111 << 12;

/// The values of those registers that are known.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    values: [u64; COUNT],
    known: u32,
}

impl Registers {
    /// What a frame's state says.
    pub fn of(frame: &FrameState) -> Self {
        let mut registers = Self { values: [0; COUNT], known: 0 };
        registers.set(RBP, frame.bp as u64);
        registers.set(RSP, frame.sp as u64);
        registers.set(RETURN_ADDRESS, frame.address.get() as u64);
        registers
    }

    /// The registers of the calling function, here and now. Valid as a frame as long as that function does not return.
    #[inline(always)]
    pub fn here() -> Self {
        let (ip, sp, bp, bx, r12, r13, r14, r15): (u64, u64, u64, u64, u64, u64, u64, u64);
        // SAFETY: copies registers.
        unsafe {
            asm!(
                "lea {ip}, [rip]", "mov {sp}, rsp", "mov {bp}, rbp", "mov {bx}, rbx",
                ip = out(reg) ip, sp = out(reg) sp, bp = out(reg) bp, bx = out(reg) bx,
                options(nostack, nomem, preserves_flags),
            );
            asm!(
                "mov {a}, r12", "mov {b}, r13", "mov {c}, r14", "mov {d}, r15",
                a = out(reg) r12, b = out(reg) r13, c = out(reg) r14, d = out(reg) r15,
                options(nostack, nomem, preserves_flags),
            );
        }
        let mut registers = Self { values: [0; COUNT], known: 0 };
        for (register, value) in [
            (RETURN_ADDRESS, ip),
            (RSP, sp),
            (RBP, bp),
            (RBX, bx),
            (Register(12), r12),
            (Register(13), r13),
            (Register(14), r14),
            (Register(15), r15),
        ] {
            registers.set(register, value);
        }
        registers
    }

    /// A register's value, if it is known.
    pub fn get(&self, register: Register) -> Option<u64> {
        let index = usize::from(register.0);
        (index < COUNT && self.known >> index & 1 != 0).then(|| self.values[index])
    }

    /// Makes a register known.
    pub fn set(&mut self, register: Register, value: u64) {
        if let Some(place) = self.values.get_mut(usize::from(register.0)) {
            *place = value;
            self.known |= 1 << register.0;
        }
    }

    /// What the caller of a frame with these registers keeps, as far as no rule says otherwise.
    pub fn preserved(&self) -> Self {
        Self { known: self.known & PRESERVED, ..*self }
    }

    /// The state of the frame that has these registers; nothing if not enough of them are known.
    pub fn frame(&self, interrupted: bool) -> Option<FrameState> {
        let address = usize::try_from(self.get(RETURN_ADDRESS)?).ok()?;
        let kind = if interrupted { CodeAddress::instruction_pointer } else { CodeAddress::return_address };
        let bp = self.get(RBP).unwrap_or(0) as usize;
        Some(FrameState { address: kind(address), sp: self.get(RSP)? as usize, bp })
    }
}

impl FrameState {
    /// The calling function's own state, here and now. Valid as a frame as long as that function does not return.
    #[inline(always)]
    pub fn here() -> Self {
        let (ip, sp, bp): (usize, usize, usize);
        // SAFETY: copies registers.
        unsafe {
            asm!(
                "lea {ip}, [rip]", "mov {sp}, rsp", "mov {bp}, rbp",
                ip = out(reg) ip, sp = out(reg) sp, bp = out(reg) bp,
                options(nostack, nomem, preserves_flags),
            );
        }
        Self { address: CodeAddress::instruction_pointer(ip), sp, bp }
    }
}
