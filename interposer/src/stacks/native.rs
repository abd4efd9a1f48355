//! A thread's last native stack, and how to bring it up to date.
//!
//! Frames are kept outermost first. An update walks from the innermost frame outwards until it reaches a remembered
//! frame: the same registers at the same place. From there on nothing can have changed but what lies in the stack, at
//! places that are known: the return addresses and saved frame pointers of the older frames. They are compared with
//! independent loads (below 1 ns a frame) instead of walking. Where one differs, the walk goes on from the frame before
//! it.
//!
//! A frame in which the interpreter evaluates Python code is marked so: see [`activations`](super::activations).

use core::slice;

use super::activations::{Activations, Change};
use super::hash::StackHash;
use crate::memory::{MappedVec, OutOfMemory, Plain};
use crate::unwind::frame::{CodeAddress, FrameState, Step};

/// No stack is deeper: 8 MiB hold half as many of the smallest frames.
pub const MOST_FRAMES: usize = 1 << 20;

/// The chain of a thread's native frames.
pub trait NativeChain {
    /// The caller of a frame. By value, as everything here, so that a frame is kept in registers. A frame that is
    /// stored in parts and loaded as a whole stalls the processor: that took a quarter of all time.
    fn caller(&mut self, of: FrameState) -> Step;

    /// Goes from frame to caller as long as that is quick, and `each` returns true, which gets what [`Step::Caller`]
    /// has of the caller. Returns the last frame that it reached, perhaps the first: from there on [`Self::caller`] can
    /// do more.
    fn follow(&self, from: FrameState, each: impl FnMut(FrameState, usize, bool) -> bool) -> FrameState;

    /// What is in a slot of the stack.
    ///
    /// # Safety
    /// The slot is below the stack pointer of a frame of the present chain, or `caller` or `follow` named it for such a
    /// frame.
    unsafe fn slot(&self, slot: usize) -> usize;
}

/// A frame as a walk finds it.
#[derive(Clone, Copy)]
#[repr(C)]
struct Found {
    sp: usize,
    address: u64,
    bp: usize,
    /// Where its callee saved its frame pointer; 0 where the callee did not. Odd where its state does not follow from
    /// its callee's and the two slots.
    bp_slot: usize,
}

// SAFETY: integers, without padding.
unsafe impl Plain for Found {}

impl Found {
    #[inline(always)]
    fn new(frame: FrameState, bp_slot: usize, in_place: bool) -> Self {
        let bp_slot = bp_slot | usize::from(!in_place);
        Self { sp: frame.sp, address: frame.address.bits(), bp: frame.bp, bp_slot }
    }

    fn state(&self) -> FrameState {
        FrameState { address: CodeAddress::from_bits(self.address), sp: self.sp, bp: self.bp }
    }

    #[inline(always)]
    fn is(&self, frame: &FrameState) -> bool {
        self.sp == frame.sp && self.address == frame.address.bits() && self.bp == frame.bp
    }
}

/// A frame as it was.
#[derive(Clone, Copy)]
#[repr(C)]
struct Remembered {
    found: Found,
    /// The hash of the stack up to this frame.
    hash: StackHash,
    /// Activations that belong to this frame and those further out.
    activations: u32,
    /// Whether the last of these belongs to this frame.
    evaluates: u32,
}

const _: () = assert!(size_of::<Remembered>() == 56);

// SAFETY: integers, without padding.
unsafe impl Plain for Remembered {}

/// A frame of the stack, for those who read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeFrame {
    /// Where it executes.
    pub address: CodeAddress,
    /// Activations that belong to this frame and those further out. An activation that belongs to no frame counts from
    /// the next frame inwards.
    pub activations: usize,
    /// Whether the last of these belongs to this frame.
    pub evaluates: bool,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At the thread's first function.
    Whole,
    /// Before it: nobody knew how to go on.
    CutShort,
}

/// A thread's last native stack.
pub struct NativeMemo {
    frames: MappedVec<Remembered>,
    /// Frames found on the way to a remembered one, innermost first.
    fresh: MappedVec<Found>,
    /// Frames whose hash and activations are up to date.
    hashed: usize,
    /// How many frames are as they were when the stack was last emitted.
    emitted: usize,
    outcome: Outcome,
}

impl NativeMemo {
    /// The empty stack.
    pub const fn new() -> Self {
        Self { frames: MappedVec::new(), fresh: MappedVec::new(), hashed: 0, emitted: 0, outcome: Outcome::Whole }
    }

    /// Drops all frames: their addresses may come back with another meaning.
    pub fn clear(&mut self) {
        self.keep(0);
    }

    fn keep(&mut self, frames: usize) {
        self.frames.truncate(frames);
        self.hashed = self.hashed.min(frames);
        self.emitted = self.emitted.min(frames);
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Frames that are as they were when [`Self::set_emitted`] was last called.
    pub fn emitted(&self) -> usize {
        self.emitted
    }

    /// Notes that the recorder now knows the present stack.
    pub fn set_emitted(&mut self) {
        self.emitted = self.frames.len();
    }

    /// How the last walk ended.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The frame with this number, counted from the outermost one.
    pub fn frame(&self, index: usize) -> NativeFrame {
        let frame = &self.frames[index];
        NativeFrame {
            address: CodeAddress::from_bits(frame.found.address),
            activations: frame.activations as usize,
            evaluates: frame.evaluates != 0,
        }
    }

    /// The first frame, from the outermost one, that has more than `activation` activations up to and including itself.
    pub fn frame_with_activation(&self, activation: usize) -> usize {
        self.frames.partition_point(|frame| frame.activations as usize <= activation)
    }

    /// Brings the frames up to date with the chain whose innermost frame is the caller of `callee`.
    #[inline(always)]
    pub fn update<C: NativeChain>(&mut self, chain: &mut C, callee: &FrameState) -> Result<(), OutOfMemory> {
        let Self { frames, fresh, outcome, .. } = self;
        fresh.truncate(0);
        // Remembered frames after these are no longer considered: they lie below the walk.
        let mut remembered = frames.iter();
        let mut intact = 0;
        // Three variables, and no structure: see `NativeChain::caller`.
        let FrameState { mut address, mut sp, mut bp } = *callee;
        let mut walked = 0;
        loop {
            fresh.reserve(1)?;
            let (mut last, mut is_known) = ((0, false), false);
            let spare = fresh.spare();
            let room = spare.len();
            let mut places = spare.iter_mut();
            let reached = chain.follow(FrameState { address, sp, bp }, |frame, bp_slot, in_place| {
                if is_last(&mut remembered, &frame) {
                    (last, is_known) = ((bp_slot, in_place), true);
                    return false;
                }
                let Some(place) = places.next() else { unreachable!("it stops where there is no more room") };
                *place = Found::new(frame, bp_slot, in_place);
                places.len() > 0
            });
            let found = room - places.len();
            fresh.lengthen(found);
            FrameState { address, sp, bp } = reached;
            walked += found;
            if !is_known {
                last = match chain.caller(reached) {
                    Step::Caller { frame, bp_slot, in_place } => {
                        FrameState { address, sp, bp } = frame;
                        (bp_slot, in_place)
                    }
                    Step::End => {
                        *outcome = Outcome::Whole;
                        break;
                    }
                    Step::Lost => {
                        *outcome = Outcome::CutShort;
                        break;
                    }
                };
                is_known = is_last(&mut remembered, &FrameState { address, sp, bp });
            }
            let (bp_slot, in_place) = last;
            if is_known {
                let known = remembered.as_slice();
                let same = known.len() - 1;
                let oldest = verify(chain, &known[..same]);
                if oldest == 0 {
                    // What the walk would have found at its end is what it found then.
                    intact = known.len();
                    // The frame's own slots may be others now: it may have been reached from another callee.
                    frames[same].found = Found::new(FrameState { address, sp, bp }, bp_slot, in_place);
                    break;
                }
                // Frames from `oldest` on are as they were; its caller is another.
                fresh.push(Found::new(FrameState { address, sp, bp }, bp_slot, in_place))?;
                for frame in known[oldest..same].iter().rev() {
                    fresh.push(frame.found)?;
                }
                FrameState { address, sp, bp } = known[oldest].found.state();
                remembered = known[..oldest].iter();
            } else {
                fresh.push(Found::new(FrameState { address, sp, bp }, bp_slot, in_place))?;
            }
            walked += 1;
            if walked > MOST_FRAMES {
                *outcome = Outcome::CutShort;
                break;
            }
        }
        self.keep(intact);
        let count = self.fresh.len();
        self.frames.reserve(count)?;
        let places = &mut self.frames.spare()[..count];
        for (index, found) in self.fresh.iter().rev().enumerate() {
            places[index].found = *found;
        }
        self.frames.lengthen(count);
        Ok(())
    }

    /// Finds out which frames evaluate which activations, where frames or activations are new.
    /// Returns the hash of the whole stack.
    #[inline(always)]
    pub fn hash(&mut self, activations: &Activations, changed: Option<Change>) -> StackHash {
        if let Some(changed) = changed {
            let affected = self.frames[..self.hashed].partition_point(|frame| {
                activations.is_unaffected(changed, frame.activations as usize, frame.found.sp)
            });
            self.hashed = affected;
            self.emitted = self.emitted.min(affected);
        }
        let (hashed, rest) = self.frames.split_at_mut(self.hashed);
        let (mut hash, mut used, mut caller_sp) = match hashed.last() {
            Some(caller) => (caller.hash, caller.activations as usize, caller.found.sp),
            // The outermost frame has no caller whose stack pointer would say where it begins.
            None => (StackHash::EMPTY, 0, rest.first().map_or(0, |frame| frame.found.sp)),
        };
        let mut rest = rest.iter_mut();
        let mut depth = self.hashed;
        while activations.has_more_than(used)
            && let Some(frame) = rest.next()
        {
            let address = CodeAddress::from_bits(frame.found.address);
            let found = activations.of_frame(used, address, frame.found.sp, caller_sp);
            hash = hash.with_at(frame.found.address | u64::from(found.evaluates) << 63, depth);
            (frame.hash, frame.activations, frame.evaluates) = (hash, found.up_to as u32, u32::from(found.evaluates));
            (used, caller_sp) = (found.up_to, frame.found.sp);
            depth += 1;
        }
        // Further in, none evaluates.
        for frame in rest {
            hash = hash.with_at(frame.found.address, depth);
            (frame.hash, frame.activations, frame.evaluates) = (hash, used as u32, 0);
            depth += 1;
        }
        self.hashed = self.frames.len();
        hash
    }
}

/// Whether a frame is the last of those that are remembered, after the ones that lie below it were left out.
#[inline(always)]
fn is_last(remembered: &mut slice::Iter<'_, Remembered>, frame: &FrameState) -> bool {
    while let Some(last) = remembered.as_slice().last() {
        if last.found.sp >= frame.sp {
            return last.found.is(frame);
        }
        remembered.next_back();
    }
    false
}

/// Compares the slots of the frames outwards from the last one, whose callee is in the present chain. Returns how many
/// of the outermost ones may be others; 0 when all are as they were.
#[inline(always)]
fn verify<C: NativeChain>(chain: &C, frames: &[Remembered]) -> usize {
    for (at, frame) in frames.iter().enumerate().rev() {
        let Found { sp, address, bp, bp_slot } = frame.found;
        // SAFETY: the frame further in was found to be in the present chain, so its caller's return address and saved
        // frame pointer are in the same slots as before.
        let same = bp_slot & 1 == 0
            && unsafe { chain.slot(sp - 8) as u64 == address && (bp_slot == 0 || chain.slot(bp_slot) == bp) };
        if !same {
            return at + 1;
        }
    }
    0
}
