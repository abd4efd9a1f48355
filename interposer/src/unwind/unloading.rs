//! Modules that are unloaded. Another module may be loaded at the same addresses at once, so everything that is remembered
//! by address must be forgotten: rules, stacks, modules.
//!
//! `dlclose` is hooked. While any thread is in it, nothing that is remembered is trusted, because another thread may load
//! a module as soon as the loader's lock is free, before the hook has noted what went. Code that unloads a module is never
//! executing in it, so nobody can note a rule for the old code afterwards.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};

use super::loaded_objects::unloads;
use super::unwinder::forget_rules;

static IN_DLCLOSE: AtomicU32 = AtomicU32::new(0);
static GENERATION: AtomicU64 = AtomicU64::new(0);
/// Sections of just-in-time code that were taken back.
static REMOVALS: AtomicU64 = AtomicU64::new(0);

/// Whether what is remembered may be used.
#[inline]
pub fn is_settled() -> bool {
    IN_DLCLOSE.load(Acquire) == 0
}

/// A number that changes whenever code has gone: the same address may have another meaning after that.
#[inline]
pub fn generation() -> u64 {
    if is_settled() { GENERATION.load(Acquire) } else { present_generation() }
}

#[cold]
fn present_generation() -> u64 {
    unloads() + REMOVALS.load(Acquire)
}

/// Notes how things are when the process starts.
pub fn prepare() {
    GENERATION.store(present_generation(), Release);
}

/// Stands around a call of the real `dlclose`.
pub struct Closing(());

impl Closing {
    /// Before the call.
    pub fn begin() -> Self {
        IN_DLCLOSE.fetch_add(1, AcqRel);
        Self(())
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let present = present_generation();
        if GENERATION.swap(present, AcqRel) != present {
            forget_rules();
        }
        IN_DLCLOSE.fetch_sub(1, AcqRel);
    }
}

/// The program takes unwinding information for just-in-time code back, and its code with it.
pub fn note_removal() {
    let _closing = Closing::begin();
    REMOVALS.fetch_add(1, AcqRel);
}
