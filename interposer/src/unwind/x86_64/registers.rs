//! The registers of a frame, by their numbers in DWARF (System V ABI, AMD64 supplement, figure 3.36).

#[cfg(target_arch = "x86_64")]
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
    ///
    /// A register that the compiler uses for this was saved by the function, whose unwinding information says where:
    /// its value here does not matter.
    #[inline(always)]
    pub fn here() -> Self {
        #[allow(unused_mut)]
        let mut registers = Self { values: [0; COUNT], known: 0 };
        #[cfg(target_arch = "x86_64")]
        {
            let (ip, sp, bp, bx, r12, r13, r14, r15): (u64, u64, u64, u64, u64, u64, u64, u64);
            // SAFETY: copies registers, all at one place.
            unsafe {
                asm!(
                    "lea {ip}, [rip]", "mov {sp}, rsp", "mov {bp}, rbp", "mov {bx}, rbx",
                    "mov {a}, r12", "mov {b}, r13", "mov {c}, r14", "mov {d}, r15",
                    ip = out(reg) ip, sp = out(reg) sp, bp = out(reg) bp, bx = out(reg) bx,
                    a = out(reg) r12, b = out(reg) r13, c = out(reg) r14, d = out(reg) r15,
                    options(nostack, nomem, preserves_flags),
                );
            }
            for (register, value) in [(RETURN_ADDRESS, ip), (RSP, sp), (RBP, bp), (Register(3), bx)] {
                registers.set(register, value);
            }
            for (number, value) in [(12, r12), (13, r13), (14, r14), (15, r15)] {
                registers.set(Register(number), value);
            }
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
    /// The calling function's own state, here and now. Valid as a frame as long as that function does not return. Where
    /// native stacks cannot be read, nothing.
    #[inline(always)]
    pub fn here() -> Self {
        #[allow(unused_mut)]
        let (mut ip, mut sp, mut bp): (usize, usize, usize) = (0, 0, 0);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: copies registers. Wherever in the function that happens, the three belong together.
        unsafe {
            asm!(
                "lea {ip}, [rip]", "mov {sp}, rsp", "mov {bp}, rbp",
                ip = out(reg) ip, sp = out(reg) sp, bp = out(reg) bp,
                options(pure, nostack, nomem, preserves_flags),
            );
        }
        Self { address: CodeAddress::instruction_pointer(ip), sp, bp }
    }
}
