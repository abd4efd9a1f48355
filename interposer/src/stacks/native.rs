//! A thread's last native stack, and how to bring it up to date.
//!
//! Frames are kept outermost first. An update walks from the innermost frame outwards until it meets a remembered frame:
//! the same registers at the same place. From there on nothing can have changed but what lies in the stack, at places
//! that are known: the return addresses and saved frame pointers of the older frames. They are compared with independent
//! loads (below 1 ns a frame) instead of walking. Where one differs, the walk goes on from the frame before it.
//!
//! A frame in which the interpreter evaluates Python code is marked so: see [`activations`](super::activations).

use super::activations::{Activations, Change};
use super::hash::StackHash;
use crate::memory::{MappedVec, OutOfMemory, Plain};
use crate::unwind::frame::{CodeAddress, FrameState, Step};

/// No stack is deeper: 8 MiB hold half as many of the smallest frames.
pub const MOST_FRAMES: usize = 1 << 20;

/// The chain of a thread's native frames.
pub trait NativeChain {
    /// The caller of a frame. By value, as all here: a frame that is kept in registers is not stored in parts and loaded
    /// as a whole, which would stall the processor (a quarter of all time, when it was so).
    fn caller(&mut self, of: FrameState) -> Step;

    /// What is in a slot of the stack.
    ///
    /// # Safety
    /// The slot is below the stack pointer of a frame of the present chain, or `caller` named it for such a frame.
    unsafe fn slot(&self, slot: usize) -> usize;
}

/// A frame as it was.
#[derive(Clone, Copy)]
#[repr(C)]
struct Remembered {
    sp: usize,
    address: u64,
    bp: usize,
    /// Where its callee saved its frame pointer; 0 where the callee did not.
    bp_slot: usize,
    /// The hash of the stack up to this frame.
    hash: StackHash,
    /// Activations that belong to this frame and those further out.
    activations: u32,
    /// Whether the last of these belongs to this frame.
    evaluates: u32,
    /// Whether its state follows from its callee's and the two slots.
    in_place: u64,
}

const _: () = assert!(size_of::<Remembered>() == 64);

// SAFETY: integers, without padding.
unsafe impl Plain for Remembered {}

impl Remembered {
    fn of(frame: &FrameState, bp_slot: usize, in_place: bool) -> Self {
        Self {
            sp: frame.sp,
            address: frame.address.bits(),
            bp: frame.bp,
            bp_slot,
            hash: StackHash::EMPTY,
            activations: 0,
            evaluates: 0,
            in_place: u64::from(in_place),
        }
    }

    #[inline]
    fn is(&self, frame: &FrameState) -> bool {
        self.sp == frame.sp && self.address == frame.address.bits() && self.bp == frame.bp
    }
}

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
    /// Frames met on the way to a remembered one, innermost first.
    fresh: MappedVec<Remembered>,
    /// Frames whose hash and activations are up to date.
    hashed: usize,
    /// Frames that are as they were when the stack was last told to the recorder.
    told: usize,
    outcome: Outcome,
}

impl NativeMemo {
    /// The empty stack.
    pub const fn new() -> Self {
        Self { frames: MappedVec::new(), fresh: MappedVec::new(), hashed: 0, told: 0, outcome: Outcome::Whole }
    }

    /// Forgets all frames: their addresses may come back with another meaning.
    pub fn forget(&mut self) {
        self.keep(0);
    }

    fn keep(&mut self, frames: usize) {
        self.frames.truncate(frames);
        self.hashed = self.hashed.min(frames);
        self.told = self.told.min(frames);
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Frames that are as they were when [`Self::set_told`] was last called.
    pub fn told(&self) -> usize {
        self.told
    }

    /// Notes that the recorder now knows the present stack.
    pub fn set_told(&mut self) {
        self.told = self.frames.len();
    }

    /// How the last walk ended.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The frame with this number, counted from the outermost one.
    pub fn frame(&self, index: usize) -> NativeFrame {
        let frame = &self.frames[index];
        NativeFrame {
            address: CodeAddress::from_bits(frame.address),
            activations: frame.activations as usize,
            evaluates: frame.evaluates != 0,
        }
    }

    /// The first frame, from the outermost one, that has more than so many activations up to and including itself.
    pub fn frame_with_activation(&self, activation: usize) -> usize {
        self.frames.partition_point(|frame| frame.activations as usize <= activation)
    }

    /// Brings the frames up to date with the chain whose innermost frame is the caller of `callee`.
    #[inline(always)]
    pub fn update<C: NativeChain>(&mut self, chain: &mut C, callee: &FrameState) -> Result<(), OutOfMemory> {
        self.fresh.truncate(0);
        // Remembered frames from this one on are no longer looked at: they lie below the walk.
        let mut candidates = self.frames.len();
        let mut intact = 0;
        // Three variables, and no structure: see `NativeChain::caller`.
        let FrameState { mut address, mut sp, mut bp } = *callee;
        let mut walked = 0;
        loop {
            let (bp_slot, in_place) = match chain.caller(FrameState { address, sp, bp }) {
                Step::Caller { frame, bp_slot, in_place } => {
                    (address, sp, bp) = (frame.address, frame.sp, frame.bp);
                    (bp_slot, in_place)
                }
                Step::End => {
                    self.outcome = Outcome::Whole;
                    break;
                }
                Step::Lost => {
                    self.outcome = Outcome::CutShort;
                    break;
                }
            };
            let frame = FrameState { address, sp, bp };
            while candidates > 0 && self.frames[candidates - 1].sp < sp {
                candidates -= 1;
            }
            if candidates > 0 && self.frames[candidates - 1].is(&frame) {
                let same = candidates - 1;
                let oldest = self.verify(chain, same);
                if oldest == 0 {
                    // What the walk would have found at its end is what it found then.
                    intact = candidates;
                    // The frame's own slots may be others now: it may have been reached from another callee.
                    let found = &mut self.frames[same];
                    (found.bp_slot, found.in_place) = (bp_slot, u64::from(in_place));
                    break;
                }
                // Frames from `oldest` on are as they were; its caller is another.
                self.fresh.push(Remembered::of(&frame, bp_slot, in_place))?;
                for index in (oldest..same).rev() {
                    let frame = self.frames[index];
                    self.fresh.push(frame)?;
                }
                let oldest_frame = &self.frames[oldest];
                (address, sp, bp) = (CodeAddress::from_bits(oldest_frame.address), oldest_frame.sp, oldest_frame.bp);
                candidates = oldest;
            } else {
                self.fresh.push(Remembered::of(&frame, bp_slot, in_place))?;
            }
            walked += 1;
            if walked > MOST_FRAMES {
                self.outcome = Outcome::CutShort;
                break;
            }
        }
        self.keep(intact);
        for index in (0..self.fresh.len()).rev() {
            let frame = self.fresh[index];
            self.frames.push(frame)?;
        }
        Ok(())
    }

    /// Compares the slots of the frames outwards from `index`, which is in the present chain. Returns the outermost frame
    /// of those that are as they were; 0 when all are.
    #[inline(always)]
    fn verify<C: NativeChain>(&self, chain: &C, index: usize) -> usize {
        let frames = &self.frames[..index];
        for (at, frame) in frames.iter().enumerate().rev() {
            // SAFETY: the frame further in was found to be in the present chain, so its caller's return address and saved
            // frame pointer are in the same slots as before.
            let same = frame.in_place != 0
                && unsafe {
                    chain.slot(frame.sp - 8) as u64 == frame.address
                        && (frame.bp_slot == 0 || chain.slot(frame.bp_slot) == frame.bp)
                };
            if !same {
                return at + 1;
            }
        }
        0
    }

    /// Finds out which frames evaluate which activations, where frames or activations are new.
    /// Returns the hash of the whole stack.
    #[inline(always)]
    pub fn hash(&mut self, activations: &Activations, changed: Option<Change>) -> StackHash {
        if let Some(changed) = changed {
            let affected = self.frames[..self.hashed]
                .partition_point(|frame| activations.is_unaffected(changed, frame.activations as usize, frame.sp));
            self.hashed = affected;
            self.told = self.told.min(affected);
        }
        for index in self.hashed..self.frames.len() {
            self.hash_frame(index, activations);
        }
        self.hashed = self.frames.len();
        match self.frames.last() {
            Some(frame) => frame.hash,
            None => StackHash::EMPTY,
        }
    }

    #[inline(always)]
    fn hash_frame(&mut self, index: usize, activations: &Activations) {
        let (hash, used, caller_sp) = match index.checked_sub(1) {
            Some(caller) => {
                let caller = &self.frames[caller];
                (caller.hash, caller.activations as usize, caller.sp)
            }
            // The outermost frame has no caller whose stack pointer would say where it begins.
            None => (StackHash::EMPTY, 0, self.frames[0].sp),
        };
        let frame = &mut self.frames[index];
        let found = activations.of_frame(used, CodeAddress::from_bits(frame.address), frame.sp, caller_sp);
        frame.activations = found.up_to as u32;
        frame.evaluates = u32::from(found.evaluates);
        frame.hash = hash.with(frame.address | u64::from(found.evaluates) << 63);
    }
}
