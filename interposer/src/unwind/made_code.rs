//! Out of code that was made at run time, of which nothing is known.
//!
//! There are three ways. What it does from the return address on shows how to go on, if it returns; or it was entered
//! in a way that is known; or it keeps a frame pointer. Each has to lead to a return address in code that is known.

use super::frame::{CodeAddress, FrameState, Step};
use super::unwinder::{Unwinder, read};
use super::x86_64::rule::Caller;
use super::x86_64::{Rule, code_entry};
use crate::lock::Recording;
use crate::platform::memory::OwnMemory;

/// Bytes of code that are read: no more is needed to take a frame down that keeps every register.
const LONGEST_EPILOGUE: usize = 24;
const PAGE: usize = 4096;
/// No piece of code that is entered in a known way takes more of the stack: it saves a few registers at most.
const MOST_WORDS: usize = 32;

/// Where code was entered in a way that is known.
struct Entry {
    /// The address that is known, and where.
    slot: usize,
    /// What the code there does to return.
    rule: Rule,
}

impl Unwinder {
    /// The caller of a frame in such code.
    pub(super) fn out_of_made_code(&self, of: FrameState, recording: &mut Recording) -> Step {
        let memory = OwnMemory::open_for_little();
        let mut code = [0; LONGEST_EPILOGUE];
        let is_read = !of.address.is_interrupted() && memory.read(of.address.get(), &mut code);
        if let Some(rule) = is_read.then(|| Rule::of_epilogue(&code)).flatten() {
            return self.known_caller(&of, rule.apply(&of), self.is_own, recording);
        }
        if let Some(entry) = self.entry_of(&of, &memory) {
            return self.caller_of_entry(&of, &entry, recording);
        }
        let by_frame_pointer = Caller { cfa: of.bp.wrapping_add(16), bp_slot: of.bp };
        self.known_caller(&of, by_frame_pointer, false, recording)
    }

    /// The caller, if it is in code that is known. `in_place`: see [`Step::Caller`]; as long as a call is to return
    /// there, the code is there.
    fn known_caller(&self, of: &FrameState, caller: Caller, in_place: bool, recording: &mut Recording) -> Step {
        let word = |slot| self.word(of, slot);
        let (Some(address), Some(bp)) =
            (word(caller.return_slot()), if caller.bp_slot == 0 { Some(of.bp) } else { word(caller.bp_slot) })
        else {
            return Step::Lost;
        };
        if Self::rule(CodeAddress::return_address(address), recording).is_none() {
            return Step::Lost;
        }
        Step::Caller { frame: caller.state(address, bp), bp_slot: caller.bp_slot, in_place }
    }

    /// Who called the function that the code was entered by. The code leaves the frame pointer as it found it, and may
    /// have put it into its own frame meanwhile: where the caller needs it, it is the one that leads on.
    fn caller_of_entry(&self, of: &FrameState, entry: &Entry, recording: &mut Recording) -> Step {
        let function = FrameState { sp: entry.slot + 8, ..*of };
        let caller = entry.rule.apply(&function);
        let Step::Caller { frame, .. } = self.known_caller(&function, caller, false, recording) else {
            return Step::Lost;
        };
        let Some(rule) = Self::rule(frame.address, recording).filter(|rule| rule.is_from_bp() && caller.bp_slot == 0)
        else {
            return Step::Caller { frame, bp_slot: caller.bp_slot, in_place: self.is_own };
        };
        let mut leads_on = |bp: usize| {
            let further = rule.apply(&FrameState { bp, ..frame });
            let address = self.word(&frame, further.return_slot()).filter(|_| further.cfa > frame.sp);
            address.is_some_and(|address| Self::rule(CodeAddress::return_address(address), recording).is_some())
        };
        let saved = (of.sp..entry.slot).step_by(8);
        let found = [(0, of.bp)].into_iter().chain(saved.filter_map(|slot| Some((slot, self.word(of, slot)?))));
        match found.into_iter().find(|&(_, bp)| leads_on(bp)) {
            Some((bp_slot, bp)) => Step::Caller { frame: FrameState { bp, ..frame }, bp_slot, in_place: self.is_own },
            None => Step::Lost,
        }
    }

    /// Where the code of a frame was entered. What is looked for is an address that no other value is likely to be.
    fn entry_of(&self, of: &FrameState, memory: &OwnMemory) -> Option<Entry> {
        let slots = (0..MOST_WORDS).map(|word| of.sp + word * 8);
        slots.map_while(|slot| Some((slot, self.word(of, slot)?))).find_map(|(slot, address)| {
            let at = address % PAGE;
            let mut code = [0; code_entry::LONGEST];
            let is_entry = (1..=code_entry::FURTHEST_CALL).contains(&at)
                && memory.read(address - at, &mut code)
                && code_entry::is_entered_before(&code, at);
            let rule = is_entry.then(|| Rule::of_epilogue(&code[at..])).flatten()?;
            Some(Entry { slot, rule })
        })
    }

    /// A word of the stack, if it may be read from this frame.
    fn word(&self, of: &FrameState, slot: usize) -> Option<usize> {
        // SAFETY: it lies in the thread's stack, above the stack pointer.
        self.region.may_read(of.sp, slot).then(|| unsafe { read(slot) })
    }
}
