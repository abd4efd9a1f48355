//! From a frame to its caller, for the calling thread.

use super::call_frame_information::{self, UncacheableStep};
use super::frame::{CodeAddress, FrameState, Step};
use super::rule_table::RULES;
use super::stack_region::{StackRegion, StackRegions};
use super::walk::Walk;
use super::x86_64::{Registers, Rule};
use super::{loaded_objects, unloading};
use crate::lock::Recording;
use crate::platform::loaded_modules::LoadedModule;
use crate::stacks::native::MOST_FRAMES;

/// Gets ready. To be called once, before anything else here.
pub fn prepare(modules: &[LoadedModule]) {
    loaded_objects::prepare(modules);
}

/// A thread's way along its native frames.
pub struct Unwinder {
    regions: StackRegions,
    /// The one that the last step was in.
    pub(super) region: StackRegion,
    /// Whether that is the thread's own stack. Others may be gone the next time: each of their frames is walked again.
    pub(super) is_own: bool,
}

impl Unwinder {
    /// The calling thread's.
    pub fn of_this_thread() -> Self {
        Self { regions: StackRegions::of_this_thread(), region: StackRegion::NONE, is_own: false }
    }

    /// The way from here on, for one walk.
    #[inline]
    pub fn walk<'a>(&'a mut self, recording: &'a mut Recording) -> Walk<'a> {
        // Another stack may have gone since the last walk, and its memory with it.
        if !self.is_own {
            self.region = StackRegion::NONE;
        }
        Walk::new(self, recording)
    }

    /// The rule for an address, from the table or, the first time, from the module.
    #[inline]
    pub(super) fn rule(address: CodeAddress, recording: &mut Recording) -> Option<Rule> {
        if unloading::is_settled()
            && let Some(rule) = RULES.get(address)
        {
            return Some(rule);
        }
        Self::read_rule(address, recording)
    }

    #[cold]
    #[inline(never)]
    fn read_rule(address: CodeAddress, recording: &mut Recording) -> Option<Rule> {
        call_frame_information::rule(address, recording, |rule| {
            if unloading::is_settled() {
                RULES.insert(address, rule);
            }
        })
    }

    /// Whether the stack pointer is in a stack that may be read.
    #[inline]
    pub(super) fn enter(&mut self, sp: usize) -> bool {
        if self.region.contains(sp) {
            return true;
        }
        match self.regions.of(sp) {
            Some(region) => {
                self.region = region;
                self.is_own = self.regions.is_own(region);
                true
            }
            None => false,
        }
    }

    /// The stack that holds a stack pointer.
    #[inline]
    pub fn stack_of(&mut self, sp: usize) -> StackRegion {
        self.regions.of(sp).unwrap_or(StackRegion::NONE)
    }

    /// Whether a word may be read while the stack pointer is `sp`, which is in the present region.
    #[inline]
    pub(super) fn may_read(&mut self, sp: usize, slot: usize) -> bool {
        self.region.may_read(sp, slot) || self.may_read_further(sp, slot)
    }

    /// Of another stack than the thread's own, only so much is known to be there as was checked.
    #[cold]
    #[inline(never)]
    fn may_read_further(&mut self, sp: usize, slot: usize) -> bool {
        if let Some(further) = self.regions.beyond(self.region, slot) {
            self.region = further;
        }
        self.region.may_read(sp, slot)
    }

    /// A step that no rule can express, so that it cannot be cached.
    #[cold]
    #[inline(never)]
    pub(super) fn uncacheable_step(&self, of: FrameState, recording: &mut Recording) -> Step {
        let may_read = |address| self.region.may_read(lowest_slot(&of), address);
        match call_frame_information::step(of.address, &Registers::of(&of), may_read, recording) {
            UncacheableStep::UnknownRegister => match self.all_registers(&of, recording) {
                Some(registers) => {
                    Self::led_to(call_frame_information::step(of.address, &registers, may_read, recording))
                }
                None => Step::Lost,
            },
            step => Self::led_to(step),
        }
    }

    fn led_to(step: UncacheableStep) -> Step {
        match step {
            UncacheableStep::Caller(registers, interrupted) => match registers.frame(interrupted) {
                Some(frame) => Step::Caller { frame, bp_slot: 0, in_place: false },
                None => Step::Lost,
            },
            UncacheableStep::End => Step::End,
            UncacheableStep::UnknownRegister | UncacheableStep::Lost => Step::Lost,
        }
    }

    /// All registers that the frame `wanted` preserves: goes there from here, step by step, with every register.
    #[inline(never)]
    fn all_registers(&self, wanted: &FrameState, recording: &mut Recording) -> Option<Registers> {
        let mut registers = Registers::here();
        let mut frame = registers.frame(true)?;
        for _ in 0..MOST_FRAMES {
            if frame.address == wanted.address && frame.sp == wanted.sp {
                return Some(registers);
            }
            let lowest = lowest_slot(&frame);
            let may_read = |address| self.region.may_read(lowest, address);
            let step = call_frame_information::step(frame.address, &registers, may_read, recording);
            let UncacheableStep::Caller(next, interrupted) = step else { return None };
            registers = next;
            frame = registers.frame(interrupted)?;
        }
        None
    }

    /// Code of which nothing is known.
    #[cold]
    #[inline(never)]
    pub(super) fn without_rule(&self, of: FrameState, recording: &mut Recording) -> Step {
        match loaded_objects::find(of.address.lookup(), recording) {
            Some(object) if object.starts_process_at(of.address.lookup()) => Step::End,
            Some(_) => Step::Lost,
            None => self.out_of_made_code(of, recording),
        }
    }
}

/// The lowest word that may be read for a frame. A function that was interrupted while it took its frame down has
/// already raised the stack pointer above registers that it had saved; they are still there, in the red zone (System V
/// ABI, AMD64 supplement, 3.2.2), which signal handlers leave alone.
#[inline(always)]
pub(super) const fn lowest_slot(of: &FrameState) -> usize {
    const RED_ZONE: usize = 128;
    if of.address.is_interrupted() { of.sp.saturating_sub(RED_ZONE) } else { of.sp }
}

/// A word of the stack.
///
/// # Safety
/// `slot` is an aligned address in the calling thread's stack, above its stack pointer.
#[inline(always)]
pub(super) unsafe fn read(slot: usize) -> usize {
    // SAFETY: the caller vouches for it. Volatile, since the words belong to frames of other functions.
    unsafe { (slot as *const usize).read_volatile() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::loaded_modules::{MayAskLoader, all};
    use crate::stacks::native::{NativeChain, NativeMemo, Outcome};
    use core::ffi::{c_int, c_void};
    use std::sync::Mutex;
    use std::sync::Once;

    unsafe extern "C" {
        fn _Unwind_Backtrace(each: extern "C" fn(*mut c_void, *mut c_void) -> c_int, addresses: *mut c_void) -> c_int;
        fn _Unwind_GetIP(context: *mut c_void) -> usize;
    }

    extern "C" fn note(context: *mut c_void, addresses: *mut c_void) -> c_int {
        // SAFETY: libgcc passes its context and our vector.
        unsafe { (*addresses.cast::<Vec<usize>>()).push(_Unwind_GetIP(context)) };
        0
    }

    fn recording() -> Recording {
        // SAFETY: no signal handler of the test program comes between and records.
        unsafe { Recording::begin() }
    }

    fn get_ready() {
        // SAFETY: no test loads or unloads modules.
        prepare(&all(&unsafe { MayAskLoader::new() }).unwrap());
    }

    type Both = (Vec<usize>, Vec<usize>, Outcome);

    /// Both unwinders' frames from the caller of this function on.
    #[inline(never)]
    fn both() -> Both {
        static READY: Once = Once::new();
        READY.call_once(get_ready);
        let here = FrameState::here();
        let mut memo = NativeMemo::new();
        memo.update(&mut Unwinder::of_this_thread().walk(&mut recording()), &here).unwrap();
        let ours = (0..memo.len()).rev().map(|index| memo.frame(index).address.get()).collect();
        let mut theirs = Vec::new();
        // SAFETY: the callback gets the vector, which outlives the call.
        unsafe { _Unwind_Backtrace(note, (&raw mut theirs).cast()) };
        // The last of them is where a thread starts, which calls nothing: 0, in some versions.
        theirs.retain(|&address| address != 0);
        theirs.remove(0);
        (ours, theirs, memo.outcome())
    }

    #[inline(never)]
    fn deeper(depth: usize, found: &mut dyn FnMut()) -> usize {
        let large = [depth; 50];
        if depth == 0 {
            found();
        } else {
            std::hint::black_box(deeper(depth - 1, found));
        }
        std::hint::black_box(large)[depth % 50]
    }

    #[test]
    fn it_finds_what_libgcc_finds() {
        deeper(40, &mut || {
            let (ours, theirs, outcome) = both();
            assert!(ours.len() > 45, "{ours:x?}");
            assert_eq!((ours, outcome), (theirs, Outcome::Whole));
        });
    }

    static IN_HANDLER: Mutex<Option<Both>> = Mutex::new(None);

    extern "C" fn handler(_: c_int) {
        *IN_HANDLER.lock().unwrap() = Some(both());
    }

    #[test]
    fn it_goes_through_signal_handlers_on_stacks_of_their_own() {
        const BYTES: usize = 256 * 1024;
        let mut memory = vec![0_u64; BYTES / 8];
        // SAFETY: the stack is memory of ours that lives until the former one is set again; the handler is a function
        // of this kind.
        unsafe {
            let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: BYTES };
            let mut before = core::mem::MaybeUninit::<libc::stack_t>::uninit();
            libc::sigaltstack(&raw const stack, before.as_mut_ptr());
            let mut action = core::mem::MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = handler as extern "C" fn(c_int) as usize;
            action.sa_flags = libc::SA_ONSTACK;
            libc::sigaction(libc::SIGUSR2, &raw const action, core::ptr::null_mut());
            deeper(5, &mut || {
                libc::raise(libc::SIGUSR2);
            });
            libc::sigaltstack(before.as_ptr(), core::ptr::null_mut());
        }
        let (ours, theirs, outcome) = IN_HANDLER.lock().unwrap().take().expect("the handler has run");
        assert!(ours.len() > 10, "{ours:x?}");
        assert_eq!((ours, outcome), (theirs, Outcome::Whole));
    }

    #[test]
    fn every_register_is_found_step_by_step() {
        deeper(10, &mut || {
            static READY: Once = Once::new();
            READY.call_once(get_ready);
            let mut unwinder = Unwinder::of_this_thread();
            let mut frame = FrameState::here();
            for _ in 0..12 {
                let step = unwinder.walk(&mut recording()).caller(frame);
                let Step::Caller { frame: caller, .. } = step else { panic!("the stack ends") };
                let registers = unwinder.all_registers(&caller, &mut recording()).expect("the frame is on the stack");
                assert_eq!(registers.frame(false), Some(caller));
                frame = caller;
            }
        });
    }
}
