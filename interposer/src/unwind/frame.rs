//! What is known of a native frame.

/// An address in code, and what it says about the frame.
///
/// A return address comes after its call, which may be the last instruction of the function: what belongs to the call
/// is looked up one byte before. A frame that a signal interrupted is at exactly its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct CodeAddress(u64);

/// Addresses of user space have 47 bits.
const ADDRESS: u64 = (1 << 47) - 1;
const INTERRUPTED: u64 = 1 << 47;

impl CodeAddress {
    /// Where a call returns to.
    #[inline]
    pub const fn return_address(address: usize) -> Self {
        Self(address as u64 & ADDRESS)
    }

    /// Where execution was interrupted, or is now.
    #[inline]
    pub const fn instruction_pointer(address: usize) -> Self {
        Self(address as u64 & ADDRESS | INTERRUPTED)
    }

    /// The address itself.
    #[inline]
    pub const fn get(self) -> usize {
        (self.0 & ADDRESS) as usize
    }

    /// Whether it is no return address.
    #[inline]
    pub const fn is_interrupted(self) -> bool {
        self.0 & INTERRUPTED != 0
    }

    /// An address within the instruction that is being executed.
    #[inline]
    pub const fn lookup(self) -> usize {
        if self.is_interrupted() { self.get() } else { self.get().wrapping_sub(1) }
    }

    /// Both in 48 bits. Those of a return address are the address.
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// From [`Self::bits`].
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// The registers that lead to a frame's caller, as they are while the frame calls or is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameState {
    /// Where it executes.
    pub address: CodeAddress,
    /// The stack pointer, after the callee's return.
    pub sp: usize,
    /// The frame pointer register, which may hold anything.
    pub bp: usize,
}

/// The way from a frame to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is a caller.
    Caller {
        /// Its registers.
        frame: FrameState,
        /// Where its frame pointer register was saved; 0 where the callee did not save it, and so has not changed it.
        bp_slot: usize,
        /// Whether the caller's state depends on nothing but the callee's, the return address below the caller's stack
        /// pointer, and `bp_slot`.
        in_place: bool,
    },
    /// This is the thread's first function.
    End,
    /// Nobody knows how to go on.
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_come_before_their_return_addresses() {
        let (returns, interrupted) = (CodeAddress::return_address(0x1000), CodeAddress::instruction_pointer(0x1000));
        assert_eq!((returns.get(), returns.lookup()), (0x1000, 0xfff));
        assert_eq!((interrupted.get(), interrupted.lookup()), (0x1000, 0x1000));
        assert_ne!(returns, interrupted);
    }
}
