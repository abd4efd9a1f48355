//! From frame to frame, as quickly as it goes.
//!
//! Nearly all frames have a rule in the table, and lie in the stack that the one before is in. [`Walk::follow`] goes
//! along these in a loop that calls nothing; whatever is out of the ordinary is left to [`Walk::caller`], which goes
//! one step.
//!
//! Where a function keeps a frame pointer, its caller's is one load away. Its module's unwinding information says that
//! it does, for each return address separately: so no module has to be searched, and one function that does otherwise
//! (assembly, a function compiled with other options, the entries of the procedure linkage table) costs nobody else
//! anything.

use super::frame::{FrameState, Step};
use super::rule_table::RULES;
use super::unloading;
use super::unwinder::{Unwinder, lowest_slot, read};
use super::x86_64::Rule;
use super::x86_64::rule::Caller;
use crate::lock::Recording;
use crate::stacks::native::NativeChain;

/// A thread's way along its native frames, while it makes a record.
pub struct Walk<'a> {
    unwinder: &'a mut Unwinder,
    recording: &'a mut Recording,
}

impl<'a> Walk<'a> {
    /// The way from wherever the thread is.
    #[inline]
    pub fn new(unwinder: &'a mut Unwinder, recording: &'a mut Recording) -> Self {
        Self { unwinder, recording }
    }
}

impl NativeChain for Walk<'_> {
    #[inline(always)]
    fn follow(&self, from: FrameState, mut each: impl FnMut(FrameState, usize, bool) -> bool) -> FrameState {
        let Unwinder { region, is_own, .. } = *self.unwinder;
        let FrameState { mut address, mut sp, mut bp } = from;
        // Asked once: the code of all these frames was there before the walk began, and stays until it has ended.
        let is_known = unloading::is_settled() && region.contains(sp);
        // From here on stack pointers only grow, and are in the region as long as there is a return address below them.
        while is_known && let Some(rule) = RULES.get(address) {
            let (caller, saved) = if rule == Rule::FRAME_POINTER {
                // A branch, and not the same by arithmetic: so the processor goes on to the next frame, one load away,
                // before it has looked up this one's rule.
                if !region.may_read_two(sp, bp) {
                    break;
                }
                // SAFETY: it was just checked.
                (Caller { cfa: bp + 16, bp_slot: bp }, unsafe { read(bp) })
            } else {
                let caller = rule.apply(&FrameState { address, sp, bp });
                if !rule.is_plain() || !region.may_read(sp, caller.return_slot()) {
                    break;
                }
                let saved = match caller.bp_slot {
                    0 => bp,
                    // SAFETY: it is checked.
                    slot if region.may_read(sp, slot) => unsafe { read(slot) },
                    _ => break,
                };
                (caller, saved)
            };
            // SAFETY: the slot was just checked.
            let return_address = unsafe { read(caller.return_slot()) };
            if return_address == 0 {
                break;
            }
            let frame = caller.state(return_address, saved);
            FrameState { address, sp, bp } = frame;
            if !each(frame, caller.bp_slot, is_own) {
                break;
            }
        }
        FrameState { address, sp, bp }
    }

    #[inline(never)]
    fn caller(&mut self, of: FrameState) -> Step {
        let Self { unwinder, recording } = self;
        if !unwinder.enter(of.sp) {
            return Step::Lost;
        }
        let Some(rule) = Unwinder::rule(of.address, recording) else { return unwinder.without_rule(of, recording) };
        if rule == Rule::END {
            return Step::End;
        }
        if rule == Rule::UNCACHEABLE {
            return unwinder.uncacheable_step(of, recording);
        }
        let caller = rule.apply(&of);
        let lowest = lowest_slot(&of);
        if !unwinder.may_read(lowest, caller.return_slot())
            || (caller.bp_slot != 0 && !unwinder.may_read(lowest, caller.bp_slot))
        {
            return Step::Lost;
        }
        // SAFETY: the slots were just checked.
        let (return_address, bp) =
            unsafe { (read(caller.return_slot()), if caller.bp_slot == 0 { of.bp } else { read(caller.bp_slot) }) };
        if return_address == 0 {
            return Step::End;
        }
        let in_place = unwinder.is_own;
        Step::Caller { frame: caller.state(return_address, bp), bp_slot: caller.bp_slot, in_place }
    }

    #[inline(always)]
    unsafe fn slot(&self, slot: usize) -> usize {
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { read(slot) }
    }
}
