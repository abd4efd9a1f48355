//! A few bytes of each thread's own.
//!
//! `thread_local!` in a library calls `__tls_get_addr` on every access, which may itself allocate. This block is in the
//! static TLS area (initial-exec model), two instructions away, and needs neither construction nor destruction.

use core::marker::PhantomData;
use core::mem::size_of;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize, compiler_fence};

/// What the address of a block is a multiple of.
pub const BLOCK_ALIGNMENT: usize = 64;

/// The block. Zero in a new thread. It knows nothing of what those above keep here. Its thread and that one's signal
/// handlers use it, nobody else.
#[repr(C)]
struct ThreadBlock {
    activity: AtomicUsize,
    ended: AtomicBool,
    level: AtomicU8,
    state: AtomicPtr<()>,
    birth: AtomicPtr<()>,
    asking_sp: AtomicUsize,
    stack_low: AtomicUsize,
    stack_high: AtomicUsize,
}

/// Why a hook that is called now should just pass through, if it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Doing {
    /// The program's own business: calls are recorded.
    Program = 0,
    /// The real function runs: what it calls is not the program's.
    Real = 1,
    /// A record is being made. Only a signal handler can call now, which makes records of another level.
    Recording = 2,
    /// A symbol is being looked up on our own account. What that allocates comes out of the early arena.
    LookingUp = 3,
}

/// What a thread does, and the stack pointer of the hook in which it does that, if it is in one: in one word, so that
/// no signal handler, wherever it interrupts and wherever it jumps to, can find or leave one without the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity(usize);

impl Activity {
    /// The program's own business, in no hook.
    pub const PROGRAM: Self = Self(Doing::Program as usize);
    /// Stack pointers are multiples of this.
    const UNIT: usize = 8;

    /// In the hook with this stack pointer.
    #[inline(always)]
    pub const fn in_hook(doing: Doing, sp: usize) -> Self {
        Self(sp & !(Self::UNIT - 1) | doing as usize)
    }

    /// In no hook.
    #[inline(always)]
    pub const fn of(doing: Doing) -> Self {
        Self(doing as usize)
    }

    /// What.
    #[inline(always)]
    pub const fn doing(self) -> Doing {
        match self.0 % Self::UNIT {
            0 => Doing::Program,
            1 => Doing::Real,
            2 => Doing::Recording,
            _ => Doing::LookingUp,
        }
    }

    /// The stack pointer of the hook; 0 where there is none.
    #[inline(always)]
    pub const fn hook_sp(self) -> usize {
        self.0 & !(Self::UNIT - 1)
    }
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

/// The calling thread's block. It stays in its thread, and so never outlives it.
#[derive(Clone, Copy)]
pub struct Block(NonNull<ThreadBlock>, PhantomData<*mut ()>);

/// The calling thread's block.
#[inline(always)]
pub fn block() -> Block {
    let block: *mut ThreadBlock;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: computes the address of the thread's copy of the block, as the initial-exec model defines it.
    unsafe {
        core::arch::asm!(
            "mov {0}, qword ptr [rip + memprof_thread_block@GOTTPOFF]",
            "add {0}, qword ptr fs:[0]",
            out(reg) block,
            // What is read never changes as long as the thread runs.
            options(pure, nomem, nostack),
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
            options(pure, nomem, nostack),
        );
    }
    // SAFETY: it is the address of an object.
    Block(unsafe { NonNull::new_unchecked(block) }, PhantomData)
}

impl Block {
    #[inline(always)]
    fn get(&self) -> &ThreadBlock {
        // SAFETY: the block is there, zeroed or written to, as long as its thread is, which this value cannot leave.
        // All of it is atomic.
        unsafe { self.0.as_ref() }
    }

    /// Where it is: a number that no other thread has meanwhile.
    #[inline(always)]
    pub fn addr(self) -> usize {
        self.0.addr().get()
    }

    /// What the thread is doing, and where.
    #[inline(always)]
    pub fn activity(&self) -> Activity {
        Activity(self.get().activity.load(Relaxed))
    }

    /// What the thread is doing.
    #[inline(always)]
    pub fn doing(&self) -> Doing {
        self.activity().doing()
    }

    /// From now on the thread does something else. A signal handler that sees this sees all that came before, and
    /// nothing of what comes after.
    #[inline(always)]
    pub fn begin(&self, activity: Activity) {
        compiler_fence(SeqCst);
        self.get().activity.store(activity.0, Relaxed);
        compiler_fence(SeqCst);
    }

    /// From now on the thread does something else, if it has been doing the program's business up to this very moment.
    /// A signal handler may have begun and left something in between.
    #[inline(always)]
    pub fn begin_from_program(&self, activity: Activity) -> bool {
        compiler_fence(SeqCst);
        let begun = self.exchange_program(activity.0);
        compiler_fence(SeqCst);
        begun
    }

    /// No other thread uses the word: the instruction needs no lock prefix, which would cost more than all the rest.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn exchange_program(&self, to: usize) -> bool {
        let mut found = Activity::PROGRAM.0;
        // SAFETY: the word is this thread's own, and alive; a handler runs before or after the instruction, never
        // within.
        unsafe {
            core::arch::asm!(
                "cmpxchg qword ptr [{word}], {to}",
                word = in(reg) self.get().activity.as_ptr(),
                to = in(reg) to,
                inout("rax") found,
                options(nostack),
            );
        }
        found == Activity::PROGRAM.0
    }

    #[cfg(not(target_arch = "x86_64"))]
    #[inline(always)]
    fn exchange_program(&self, to: usize) -> bool {
        self.get().activity.compare_exchange(Activity::PROGRAM.0, to, Relaxed, Relaxed).is_ok()
    }

    /// How many records of this thread have been interrupted by signal handlers that make records themselves.
    #[inline(always)]
    pub fn level(&self) -> u8 {
        self.get().level.load(Relaxed)
    }

    /// From now on, `level` records have been interrupted. A signal handler that sees this sees all that came before.
    #[inline(always)]
    pub fn set_level(&self, level: u8) {
        compiler_fence(SeqCst);
        self.get().level.store(level, Relaxed);
        compiler_fence(SeqCst);
    }

    /// Whether the thread's state was released, near the thread's end.
    #[inline(always)]
    pub fn has_ended(&self) -> bool {
        self.get().ended.load(Relaxed)
    }

    /// Notes that.
    pub fn set_ended(&self) {
        self.get().ended.store(true, Relaxed);
    }

    /// What those above keep for the thread, once it has made an event; else null.
    #[inline(always)]
    pub fn state(&self) -> *mut () {
        self.get().state.load(Relaxed)
    }

    /// Keeps something else. Returns what was kept.
    pub fn replace_state(&self, state: *mut ()) -> *mut () {
        self.get().state.swap(state, Relaxed)
    }

    /// Keeps what the thread was created with, until it is needed. Returns what was kept.
    pub fn replace_birth(&self, birth: *mut ()) -> *mut () {
        self.get().birth.swap(birth, Relaxed)
    }

    /// What the thread was created with, until it is needed; else null.
    pub fn birth(&self) -> *mut () {
        self.get().birth.load(Relaxed)
    }

    /// The stack pointer of the hook that asks the interpreter for something; 0 where none does.
    #[inline(always)]
    pub fn asking_sp(&self) -> usize {
        self.get().asking_sp.load(Relaxed)
    }

    /// A hook asks whose stack pointer this is; 0: none any more.
    #[inline(always)]
    pub fn set_asking_sp(&self, sp: usize) {
        self.get().asking_sp.store(sp, Relaxed);
    }

    /// The first byte of the thread's own stack, once it has made an event; else 0.
    #[inline(always)]
    pub fn end_of_stack(&self) -> usize {
        self.get().stack_low.load(Relaxed)
    }

    /// The thread's own stack, from its first byte to one past its last one, once it has made an event; else nothing.
    #[inline(always)]
    pub fn stack(&self) -> (usize, usize) {
        (self.get().stack_low.load(Relaxed), self.get().stack_high.load(Relaxed))
    }

    /// Notes where it is.
    pub fn set_stack(&self, (low, high): (usize, usize)) {
        self.get().stack_low.store(low, Relaxed);
        self.get().stack_high.store(high, Relaxed);
    }
}

/// Does something that is not the program's own business: what hooks are called meanwhile pass through.
pub fn apart_from_program<R>(act: impl FnOnce() -> R) -> R {
    let block = block();
    let before = block.activity();
    if before.doing() != Doing::LookingUp {
        block.begin(Activity::in_hook(Doing::Real, before.hook_sp()));
    }
    let result = act();
    block.begin(before);
    result
}
