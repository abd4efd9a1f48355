//! The C functions on a thread's stack in which the interpreter evaluates Python code, and which Python frames each of
//! them runs: what it takes to merge Python's frames with native ones.
//!
//! Each activation of `_PyEval_EvalFrameDefault` keeps an object in its C frame that can be found from the thread
//! state: a control frame (`CFrame`) or, in later versions, an entry frame. The native frame in whose part of the stack
//! the object lies is the activation's; no symbols are needed. In the oldest version there is no such object, but each
//! activation runs exactly one Python frame: there, the interpreter's function is known by its addresses, and counted.

use core::ops::Range;

use super::memo::{FrameAddress, StackMemo};
use crate::memory::{MappedVec, OutOfMemory, Plain};
use crate::unwind::frame::CodeAddress;
use crate::unwind::stack_region::StackRegion;

/// How an interpreter's activations are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivationSource {
    /// By the addresses of the function. Each runs one frame.
    Function(Range<usize>),
    /// Control frames, each with the address of the one before it at `previous`. Each runs one frame.
    ControlFrames {
        /// Where the field is.
        previous: usize,
    },
    /// Control frames that also know their innermost frame.
    ControlFramesWithCurrent {
        /// Where the address of the control frame before it is.
        previous: usize,
        /// Where the address of the innermost frame is.
        current: usize,
    },
    /// Frames of the chain that lie on the C stack.
    EntryFrames,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Activation {
    /// The address of its object.
    marker: usize,
    /// The innermost Python frame of the activation outside of it, where that says which frames are its own.
    outer_current: FrameAddress,
    /// The link of its outermost Python frame.
    start: usize,
    /// A hash of which places each activation up to this one starts with.
    hash: u64,
}

// SAFETY: integers.
unsafe impl Plain for Activation {}

/// A thread's activations, outermost first.
pub struct Activations {
    list: MappedVec<Activation>,
    /// Control frames that were found on the way to a known one, innermost first.
    fresh: MappedVec<usize>,
    function: Range<usize>,
    /// With a function: how many activations there are.
    frames: usize,
    /// With control frames that run one frame each: how many of the outermost ones run none.
    without_frame: usize,
}

/// What has changed since the last time: activations from this number on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The first one that is new or gone.
    pub first: usize,
    /// The higher of the addresses that it had and has.
    marker: usize,
    /// The lower of the links that it started with and starts with.
    pub start: usize,
}

/// What a native frame has to do with activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfFrame {
    /// Activations that belong to it, to frames further out, or to no frame.
    pub up_to: usize,
    /// Whether the last of them is its own.
    pub evaluates: bool,
}

/// A thread's control frames: a chain that leads outwards along the stack, and ends with one in the thread state. One
/// version leaves that one's link uninitialised, and greenlets may leave links to frames that are gone; so the chain is
/// followed only as long as it leads upwards within the stack.
#[derive(Clone, Copy, Debug)]
pub struct ControlFrames {
    /// The innermost one; 0 where there is none.
    pub innermost: usize,
    /// The one in the thread state, at which nothing is evaluated.
    pub outermost: usize,
    /// The stack.
    pub stack: StackRegion,
    /// Its present end.
    pub sp: usize,
}

impl ControlFrames {
    /// None.
    pub const NONE: Self = Self { innermost: 0, outermost: 0, stack: StackRegion::NONE, sp: 0 };

    /// Whether `address` can be the next control frame further out than one at `inner`.
    #[inline]
    fn follows(&self, inner: usize, address: usize) -> bool {
        address != self.outermost && address > inner && self.stack.may_read(self.sp, address + LARGEST_FIELD)
    }

    /// A field of a control frame.
    ///
    /// # Safety
    /// [`Self::follows`] has said that the address can be one, or it is further out than such an address.
    #[inline]
    unsafe fn field(address: usize, offset: usize) -> usize {
        // SAFETY: it is a word of the thread's stack above the stack pointer.
        unsafe { ((address + offset) as *const usize).read_volatile() }
    }
}

/// The offset of the last field of a control frame that is read.
const LARGEST_FIELD: usize = 16;

fn mixed(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}

impl Activations {
    /// None.
    pub const fn new() -> Self {
        Self { list: MappedVec::new(), fresh: MappedVec::new(), function: 0..0, frames: 0, without_frame: 0 }
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        if self.function.is_empty() { self.list.len() } else { self.frames }
    }

    /// The link of an activation's outermost frame; for the number after the last one, the number of links. Nothing
    /// comes before the first activation.
    pub fn start(&self, activation: usize, links: usize) -> usize {
        if activation == 0 {
            return links.min(1);
        }
        if self.function.is_empty() {
            self.list.get(activation).map_or(links, |activation| activation.start.min(links))
        } else {
            (activation + 1).min(links)
        }
    }

    /// The activation that runs the frame of a link.
    pub fn of_link(&self, link: usize) -> usize {
        if self.function.is_empty() {
            self.list.partition_point(|activation| activation.start <= link).saturating_sub(1)
        } else {
            link.saturating_sub(1)
        }
    }

    /// A hash of how the places are divided among the activations.
    #[inline]
    pub fn hash(&self) -> u64 {
        self.list.last().map_or(0, |activation| activation.hash)
    }

    /// Brings the list up to date with the Python frames in `memo`. Returns what has changed.
    ///
    /// # Safety
    /// `control` says where the calling thread's stack is; `memo` was just updated.
    #[inline]
    pub unsafe fn update(
        &mut self,
        source: &ActivationSource,
        control: ControlFrames,
        memo: &mut StackMemo,
    ) -> Result<Option<Change>, OutOfMemory> {
        let before = self.len();
        match source {
            ActivationSource::EntryFrames => self.update_entries(memo),
            ActivationSource::Function(function) => {
                let kept = memo.seen() - 1;
                self.function = function.clone();
                self.frames = memo.len() - 1;
                memo.set_seen();
                Ok((kept < before || kept < self.frames).then_some(Change { first: kept, marker: 0, start: kept + 1 }))
            }
            ActivationSource::ControlFrames { previous } => {
                // SAFETY: the caller's contract.
                unsafe { self.update_control_frames(control, *previous, None, memo) }
            }
            ActivationSource::ControlFramesWithCurrent { previous, current } => {
                // SAFETY: the caller's contract.
                unsafe { self.update_control_frames(control, *previous, Some(*current), memo) }
            }
        }
    }

    fn update_entries(&mut self, memo: &mut StackMemo) -> Result<Option<Change>, OutOfMemory> {
        let seen = memo.seen();
        if seen == memo.len() && self.list.last().is_none_or(|last| last.start < seen) {
            return Ok(None);
        }
        let kept = self.list.partition_point(|activation| activation.start < seen);
        let (gone, had) = (self.list.get(kept).copied(), self.list.len());
        self.list.truncate(kept);
        for link in seen..memo.len() {
            if let Some(marker) = memo.entry(link) {
                self.push(marker, 0, link, memo)?;
            }
        }
        memo.set_seen();
        Ok(self.change(kept, had, gone))
    }

    fn change(&self, first: usize, had: usize, gone: Option<Activation>) -> Option<Change> {
        let changed = || gone.iter().chain(self.list.get(first));
        (first < had || first < self.list.len()).then(|| Change {
            first,
            marker: changed().map(|activation| activation.marker).max().unwrap_or(0),
            start: changed().map(|activation| activation.start).min().unwrap_or(0),
        })
    }

    fn push(&mut self, marker: usize, outer_current: usize, start: usize, memo: &StackMemo) -> Result<(), OutOfMemory> {
        let hash = mixed(self.hash(), memo.places_before(start) as u64 + 1);
        self.list.push(Activation { marker, outer_current, start, hash })
    }

    /// # Safety
    /// As [`Self::update`].
    unsafe fn update_control_frames(
        &mut self,
        control: ControlFrames,
        previous: usize,
        current: Option<usize>,
        memo: &mut StackMemo,
    ) -> Result<Option<Change>, OutOfMemory> {
        let seen = memo.seen();
        memo.set_seen();
        self.fresh.truncate(0);
        // An activation whose outermost link is new has another start.
        let mut known = self.list.partition_point(|activation| activation.start <= seen);
        let (mut at, mut inner) = (control.innermost, 0);
        let mut intact = 0;
        while control.follows(inner, at) {
            while known > 0 && self.list[known - 1].marker < at {
                known -= 1;
            }
            // SAFETY: the control frame is part of the stack, and those that were found further out before as well.
            unsafe {
                if known > 0 && self.list[known - 1].marker == at && self.is_intact(&control, known, previous, current)
                {
                    intact = known;
                    break;
                }
                self.fresh.push(at)?;
                (inner, at) = (at, ControlFrames::field(at, previous));
            }
        }
        if current.is_none() {
            intact = self.leave_to_nobody((intact + self.fresh.len()).saturating_sub(memo.len() - 1), intact)?;
        }
        let (gone, had) = (self.list.get(intact).copied(), self.list.len());
        self.list.truncate(intact);
        for index in (0..self.fresh.len()).rev() {
            let marker = self.fresh[index];
            let (outer_current, start) = match (self.list.last(), current) {
                (None, _) => (0, 1),
                (Some(_), None) => (0, (self.list.len() + 1).saturating_sub(self.without_frame).max(1)),
                (Some(outer), Some(current)) => {
                    // SAFETY: the outer activation's control frame is alive.
                    let outer_current = unsafe { ControlFrames::field(outer.marker, current) };
                    (outer_current, memo.link_of(outer_current).map_or(outer.start, |link| link + 1))
                }
            };
            self.push(marker, outer_current, start, memo)?;
        }
        Ok(self.change(intact, had, gone))
    }

    /// With control frames that run one frame each: `without_frame` of the outermost ones run none. Greenlets begin
    /// with such a one. Returns how many of the outermost `intact` ones stay as they were.
    fn leave_to_nobody(&mut self, without_frame: usize, intact: usize) -> Result<usize, OutOfMemory> {
        if without_frame == self.without_frame {
            return Ok(intact);
        }
        self.without_frame = without_frame;
        // Those that stay begin with other frames: they are rebuilt, after those that are new anyway.
        for index in (0..intact).rev() {
            let marker = self.list[index].marker;
            self.fresh.push(marker)?;
        }
        Ok(0)
    }

    /// Whether the outermost `known` activations are as they were, of which the innermost one is present, and no other
    /// is further out.
    ///
    /// # Safety
    /// As [`Self::update`].
    unsafe fn is_intact(&self, control: &ControlFrames, known: usize, previous: usize, current: Option<usize>) -> bool {
        // SAFETY: all of them lie further out in the stack than one that is there.
        let field = |address, offset| unsafe { ControlFrames::field(address, offset) };
        let inner_first = self.list[1..known].iter().zip(&self.list[..known - 1]).rev();
        for (inner, outer) in inner_first {
            if field(inner.marker, previous) != outer.marker {
                return false;
            }
            if let Some(current) = current
                && field(outer.marker, current) != inner.outer_current
            {
                return false;
            }
        }
        let outermost = self.list[0].marker;
        !control.follows(outermost, field(outermost, previous))
    }

    /// Whether a frame with this many activations, whose part of the stack begins at `sp`, has nothing to do with a
    /// change.
    pub fn is_unaffected(&self, change: Change, activations: usize, sp: usize) -> bool {
        if self.function.is_empty() {
            activations <= change.first && sp > change.marker
        } else {
            activations < change.first
        }
    }

    /// Whether there are more than these.
    #[inline]
    pub fn has_more_than(&self, used: usize) -> bool {
        used < if self.function.is_empty() { self.list.len() } else { self.frames }
    }

    /// What a native frame has to do with activations, of which `used` belong to frames further out. Its part of the
    /// stack reaches from its stack pointer to its caller's.
    #[inline]
    pub fn of_frame(&self, used: usize, address: CodeAddress, sp: usize, caller_sp: usize) -> OfFrame {
        if !self.function.is_empty() {
            let evaluates = used < self.frames && self.function.contains(&address.lookup());
            return OfFrame { up_to: used + usize::from(evaluates), evaluates };
        }
        let mut up_to = used;
        // On the way into another stack nothing can be said by addresses.
        if sp <= caller_sp {
            while let Some(activation) = self.list.get(up_to) {
                if activation.marker < caller_sp {
                    let evaluates = activation.marker >= sp;
                    return OfFrame { up_to: up_to + usize::from(evaluates), evaluates };
                }
                // Further out, where no frame was found for it.
                up_to += 1;
            }
        }
        OfFrame { up_to, evaluates: false }
    }
}
