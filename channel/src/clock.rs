//! The clock of a recording: cheap, and the same for all threads.

/// Which counter stamps are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u32)]
pub enum ClockKind {
    /// The processor's time stamp counter, where it runs at one rate on all cores.
    CycleCounter = 1,
    /// `clock_gettime(CLOCK_MONOTONIC)` in nanoseconds.
    Monotonic = 2,
}

impl ClockKind {
    /// How far raw ticks are shifted right to make a [`Stamp`](crate::ids::Stamp).
    ///
    /// A stamp's unit is some 10 ns: below the time in which a block can travel from one thread's `free` to another
    /// thread's `malloc`, and coarse enough that most deltas need one byte.
    #[must_use]
    pub const fn shift(self) -> u32 {
        match self {
            Self::CycleCounter => 5,
            Self::Monotonic => 3,
        }
    }

    /// The kind with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::CycleCounter),
            2 => Some(Self::Monotonic),
            _ => None,
        }
    }
}

impl ClockKind {
    /// The present moment, not before anything that the thread has already seen: a processor reads its counter ahead of
    /// loads that are still under way, and so ahead of the very hand-over of a block from another thread. Stamps of
    /// several threads order their events only if they are read this way. Costs some 6 ns more than [`Self::now`].
    #[inline]
    #[must_use]
    pub fn now_in_order(self) -> crate::ids::Stamp {
        let ticks = match self {
            Self::CycleCounter => cycle_counter_in_order(),
            Self::Monotonic => monotonic_nanoseconds(),
        };
        crate::ids::Stamp(ticks >> self.shift())
    }

    /// Likewise, and neither after anything that the thread does next.
    #[inline]
    #[must_use]
    pub fn now_between(self) -> crate::ids::Stamp {
        let now = self.now_in_order();
        later_instructions_wait();
        now
    }

    /// The present moment, for a thread that has none to compare with.
    #[inline]
    #[must_use]
    pub fn now(self) -> crate::ids::Stamp {
        let ticks = match self {
            Self::CycleCounter => cycle_counter(),
            Self::Monotonic => monotonic_nanoseconds(),
        };
        crate::ids::Stamp(ticks >> self.shift())
    }

    /// The clock to use on this machine.
    #[must_use]
    pub fn of_this_machine() -> Self {
        if cycle_counter_is_invariant() { Self::CycleCounter } else { Self::Monotonic }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn cycle_counter() -> u64 {
    // SAFETY: every x86-64 processor has RDTSC, and Linux leaves it enabled in user mode.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn cycle_counter_in_order() -> u64 {
    let mut processor = 0;
    // SAFETY: `of_this_machine` chooses this clock only where the processor has RDTSCP. It waits until all earlier
    // instructions have been executed (Intel SDM, volume 2B).
    unsafe { core::arch::x86_64::__rdtscp(&raw mut processor) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn later_instructions_wait() {
    // Miri does not know this instruction, and carries out one after the other anyway.
    #[cfg(not(miri))]
    // SAFETY: every x86-64 processor has LFENCE. No later instruction begins before it has been executed, and it waits
    // for all earlier ones (Intel SDM, volume 2A).
    unsafe {
        core::arch::x86_64::_mm_lfence()
    }
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn later_instructions_wait() {
    // SAFETY: as in `cycle_counter_in_order`.
    unsafe { core::arch::asm!("isb", options(nostack, preserves_flags)) };
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn cycle_counter_in_order() -> u64 {
    // SAFETY: a barrier that keeps later instructions waiting for earlier ones.
    unsafe { core::arch::asm!("isb", options(nostack, preserves_flags)) };
    cycle_counter()
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn cycle_counter() -> u64 {
    let ticks: u64;
    // SAFETY: CNTVCT_EL0 is readable in user mode on Linux; reading it changes nothing.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

#[cfg(target_arch = "x86_64")]
fn cycle_counter_is_invariant() -> bool {
    use core::arch::x86_64::__cpuid;
    const LARGEST_EXTENDED: u32 = 0x8000_0000;
    // Advanced power management: EDX bit 8 says that the counter runs at one rate in all power states.
    const POWER: u32 = 0x8000_0007;
    // Features: EDX bit 27 is RDTSCP.
    const FEATURES: u32 = 0x8000_0001;
    __cpuid(LARGEST_EXTENDED).eax >= POWER
        && __cpuid(POWER).edx & (1 << 8) != 0
        && __cpuid(FEATURES).edx & (1 << 27) != 0
}

#[cfg(target_arch = "aarch64")]
fn cycle_counter_is_invariant() -> bool {
    // The generic timer counts at some tens of MHz on many machines: too coarse to order a free and the malloc that
    // follows it on another core.
    false
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[must_use]
pub fn monotonic_nanoseconds() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that the call may fill; CLOCK_MONOTONIC cannot fail on Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}
