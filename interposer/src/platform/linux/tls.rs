//! A few bytes of each thread's own.
//!
//! `thread_local!` in a library calls `__tls_get_addr` on every access, which may itself allocate. This block is in the
//! static TLS area (initial-exec model), two instructions away, and needs neither construction nor destruction.

use core::mem::size_of;

use crate::hooks::threads::Birth;
use crate::thread::ThreadState;
use crate::unwind::stack_region::StackRegion;

/// The block. Zero in a new thread.
#[repr(C)]
pub struct ThreadBlock {
    /// What the thread is doing: one of [`Doing`].
    pub doing: Doing,
    /// Set once the thread's state was given back, near the thread's end.
    pub ended: bool,
    /// The thread's state, once it has made an event.
    pub state: *mut ThreadState,
    /// What the thread was created with, until then.
    pub birth: *mut Birth,
    /// The stack pointer of the hook that is at work; 0 where there is none.
    pub hook_sp: usize,
    /// The thread's own stack, once it has made an event.
    pub stack: StackRegion,
}

/// Why a hook that is called now should just pass through, if it should.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Doing {
    /// The program's own business: calls are recorded.
    Program = 0,
    /// The real function runs: what it calls is not the program's.
    Real = 1,
    /// A record is being made. Only a signal handler can call now.
    Recording = 2,
    /// A symbol is being looked up on our own account. What that allocates comes out of the early arena.
    LookingUp = 3,
}

// glibc keeps some 1.6 KiB of static TLS for all libraries that come late (by dlopen): little of it should be ours.
const _: () = assert!(size_of::<ThreadBlock>() <= 64);

core::arch::global_asm!(
    ".pushsection .tbss,\"awT\",@nobits",
    ".p2align 6",
    ".type memprof_thread_block,@object",
    ".globl memprof_thread_block",
    ".hidden memprof_thread_block",
    "memprof_thread_block:",
    ".zero 64",
    ".size memprof_thread_block, 64",
    ".popsection",
);

/// The calling thread's block.
#[inline(always)]
pub fn block() -> *mut ThreadBlock {
    let block: *mut ThreadBlock;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: computes the address of the thread's copy of the block, as the initial-exec model defines it.
    unsafe {
        core::arch::asm!(
            "mov {0}, qword ptr [rip + memprof_thread_block@GOTTPOFF]",
            "add {0}, qword ptr fs:[0]",
            out(reg) block,
            options(pure, readonly, nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above, for AArch64.
    unsafe {
        core::arch::asm!(
            "mrs {1}, tpidr_el0",
            "adrp {0}, :gottprel:memprof_thread_block",
            "ldr {0}, [{0}, :gottprel_lo12:memprof_thread_block]",
            "add {0}, {0}, {1}",
            out(reg) block,
            out(reg) _,
            options(pure, readonly, nostack),
        );
    }
    block
}

/// Does something that is not the program's own business: what hooks are called meanwhile pass through.
pub fn apart_from_program<R>(act: impl FnOnce() -> R) -> R {
    let block = block();
    // SAFETY: the block is this thread's own.
    let doing = unsafe { (*block).doing };
    if doing == Doing::Program {
        // SAFETY: as above.
        unsafe { (*block).doing = Doing::Real };
    }
    let result = act();
    // SAFETY: as above.
    unsafe { (*block).doing = doing };
    result
}
