//! Code that goes: modules that are unloaded, code made at run time that is taken away. Other code may come to the same
//! addresses at once, so everything that is remembered by address must be dropped: rules, stacks, modules.
//!
//! The loader itself notifies us when it has unloaded something, before anything else can be loaded: see
//! [`loading`](crate::linked_allocators). Where it cannot be made to do that, `dlclose` is hooked; while a thread is in
//! it, nothing that is remembered is trusted. Code that unloads a module is never executing in it, so nobody can note a
//! rule for the old code afterwards.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use super::rule_table::RULES;

static GENERATION: AtomicU64 = AtomicU64::new(0);
static UNLOADS: AtomicU64 = AtomicU64::new(0);
static LOADER_NOTIFIES: AtomicBool = AtomicBool::new(false);
static IN_DLCLOSE: AtomicU32 = AtomicU32::new(0);

/// Whether what is remembered may be used.
#[inline]
pub fn is_settled() -> bool {
    IN_DLCLOSE.load(Acquire) == 0
}

/// A number that changes whenever code has gone: the same address may have another meaning after that.
#[inline]
pub fn generation() -> u64 {
    GENERATION.load(Acquire)
}

/// A number that changes whenever a module has gone.
pub fn unloads() -> u64 {
    UNLOADS.load(Acquire)
}

/// Modules have gone, and none have come in their place yet.
pub fn modules_have_gone() {
    UNLOADS.fetch_add(1, AcqRel);
    code_has_gone();
}

/// Code has gone, and none has come in its place yet.
pub fn code_has_gone() {
    // In this order: whoever sees the new number sees no old rule.
    RULES.clear();
    GENERATION.fetch_add(1, AcqRel);
}

/// From now on the loader notifies us when it has unloaded something.
pub fn loader_notifies() {
    LOADER_NOTIFIES.store(true, Release);
}

/// Lives during a call of the real `dlclose`, where the loader does not notify us.
pub struct Closing(());

impl Closing {
    /// Before the call.
    pub fn begin() -> Option<Self> {
        if LOADER_NOTIFIES.load(Relaxed) {
            return None;
        }
        IN_DLCLOSE.fetch_add(1, AcqRel);
        Some(Self(()))
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        modules_have_gone();
        IN_DLCLOSE.fetch_sub(1, AcqRel);
    }
}
