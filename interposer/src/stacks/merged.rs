//! A thread's last stack: native and Python frames in one order, as they are emitted.
//!
//! The two kinds are kept and verified apart, each in its own memo; their order follows from the
//! [activations](super::activations). So the stack as a whole is distinguished from others by three hashes: of the
//! native frames with marks at those that evaluate, of the Python frames, and of the places at which the latter are
//! divided. Only a stack that is new is put in order and emitted, from the first frame on that differs from the stack
//! that was emitted last.
//!
//! A native frame that evaluates Python code comes after the Python frames that it runs: where it is just calling from
//! changes with every instruction, and a recursion may have thousands of Python frames in one of it, which stay.

use core::ops::Range;

use memprof_channel::record::ChannelFrame;

use super::activations::{ActivationSource, Activations, Change, ControlFrames};
use super::hash::StackHash;
use super::memo::{CodePosition, FrameAddress, FrameChain, StackMemo};
use super::native::{NativeChain, NativeMemo, Outcome};
use crate::channel::Channel;
use crate::lock::Recording;
use crate::memory::{MappedVec, OutOfMemory, Plain};
use crate::stop::Stop;
use crate::unwind::frame::FrameState;
use crate::unwind::modules::{Describer, is_in_greenlet};

/// A thread's last stack.
pub struct MergedStack {
    python: StackMemo,
    native: NativeMemo,
    /// What joins them.
    activations: Activations,
    /// The stack of the thread that created this one, in words of the channel; empty for most.
    origin: MappedVec<u64>,
    /// By native frame of the stack that was emitted. One more says where what comes after the last frame begins.
    positions: MappedVec<Position>,
    /// Words of the stack that the recorder knows as this thread's last one.
    emitted: usize,
    /// Links of its Python frames.
    emitted_links: usize,
    /// Which native frames were not emitted.
    foreign: Foreign,
    fresh: MappedVec<u64>,
}

/// What has been found while a stack was emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Findings {
    /// The native frames end before the thread's first function.
    pub cut_short: bool,
    /// Some Python frames belong to no native frame.
    pub unmerged: bool,
}

/// Where a native frame is in the stack that was emitted, and the Python frames before it.
#[derive(Clone, Copy)]
#[repr(C)]
struct Position {
    /// How many words come before it and before all Python frames that belong to no frame further out.
    start: u32,
    /// How many come before the Python frames that it runs.
    own: u32,
    /// The first link of these; 0 where it does not evaluate.
    first_own: u32,
}

// SAFETY: integers, without padding.
unsafe impl Plain for Position {}

/// Native frames of another greenlet. The package `greenlet` moves parts of the stack away and back, so that what lies
/// further out than a greenlet's own beginning may belong to any other greenlet.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Foreign {
    /// This many of the outermost ones.
    frames: usize,
    /// Whether all Python frames are further out than the others. With later versions of Python, the package hides,
    /// while it switches, which frames belong to which activation.
    switches: bool,
}

impl Foreign {
    const NONE: Self = Self { frames: 0, switches: false };
}

/// Where a stack begins to differ from the one that was emitted last.
struct Cut {
    /// The first native frame that must be emitted again, with all that follows it.
    native: usize,
    /// If there is one, the Python frames before that frame stay up to this link, which must be emitted again with all
    /// that follows it.
    link: Option<usize>,
    /// How many words stay.
    keep: usize,
}

impl MergedStack {
    /// The empty stack of a thread whose creator had this stack.
    pub fn new(origin: MappedVec<u64>) -> Result<Self, OutOfMemory> {
        Ok(Self {
            python: StackMemo::new()?,
            native: NativeMemo::new(),
            activations: Activations::new(),
            origin,
            positions: MappedVec::new(),
            emitted: 0,
            emitted_links: 1,
            foreign: Foreign::NONE,
            fresh: MappedVec::new(),
        })
    }

    /// Drops the Python frames: their addresses may come back with another meaning.
    pub fn clear_python(&mut self) {
        self.python.clear();
    }

    /// Drops the native frames, likewise.
    pub fn clear_native(&mut self) {
        self.native.clear();
    }

    /// Brings the Python frames up to date.
    #[inline(always)]
    pub fn update_python<C: FrameChain>(&mut self, chain: &mut C) -> Result<(), C::Error> {
        self.python.update(chain)
    }

    /// The outermost Python frame, if there is one.
    pub fn outermost_python(&self) -> Option<FrameAddress> {
        self.python.outermost()
    }

    /// The hash of the Python frames alone, for stacks without native ones.
    #[inline(always)]
    pub fn python_hash(&self) -> StackHash {
        self.python.hash()
    }

    /// Brings the native frames up to date with the chain whose innermost frame is the caller of `hook`.
    #[inline(always)]
    pub fn update_native<C: NativeChain>(&mut self, chain: &mut C, hook: &FrameState) -> Result<(), OutOfMemory> {
        self.native.update(chain, hook)
    }

    /// The native frames.
    pub fn native(&self) -> &NativeMemo {
        &self.native
    }

    /// Finds out which native frames run which Python frames, after both were brought up to date. Returns the hash of
    /// the stack. `generation` is that of native code.
    ///
    /// # Safety
    /// `control` says where the calling thread's stack is.
    #[inline(always)]
    pub unsafe fn join(
        &mut self,
        source: &ActivationSource,
        control: ControlFrames,
        generation: u64,
    ) -> Result<StackHash, OutOfMemory> {
        // SAFETY: the caller's contract.
        let changed = unsafe { self.activations.update(source, control, &mut self.python)? };
        Ok(self.hash(changed, generation))
    }

    /// The hash of the stack of a process without an interpreter.
    #[inline(always)]
    pub fn native_hash(&mut self, generation: u64) -> StackHash {
        self.hash(None, generation)
    }

    #[inline(always)]
    fn hash(&mut self, changed: Option<Change>, generation: u64) -> StackHash {
        if let Some(changed) = changed {
            self.python.must_emit_from(changed.start);
        }
        let native = self.native.hash(&self.activations, changed);
        let python = self.python.hash();
        // The same address may be that of other code in another generation.
        native.with(python.low ^ generation.rotate_left(40)).with(python.high ^ self.activations.hash())
    }

    /// Emits the present stack, if the recorder does not know it.
    pub fn emit(&mut self, channel: &mut Channel, recording: &mut Recording) -> Result<Findings, Stop> {
        if self.emitted == 0 && !self.origin.is_empty() {
            channel.writer(recording).frames(0, self.origin.iter().map(|&word| ChannelFrame::from_word(word)))?;
            self.emitted = self.origin.len();
        }
        let mut cut = self.cut_now();
        let mut unmerged = self.put_in_order(&cut, channel, recording)?;
        if self.foreign != self.find_foreign() {
            // What module they are in has turned out only when the frames were described.
            cut = self.cut_now();
            unmerged = self.put_in_order(&cut, channel, recording)?;
        }
        if cut.keep != self.emitted || !self.fresh.is_empty() {
            channel
                .writer(recording)
                .frames(cut.keep as u32, self.fresh.iter().map(|&word| ChannelFrame::from_word(word)))?;
        }
        self.emitted = cut.keep + self.fresh.len();
        self.emitted_links = self.python.len();
        self.native.set_emitted();
        self.python.set_emitted();
        let cut_short = self.native.len() > 0 && self.native.outcome() == Outcome::CutShort && self.foreign.frames == 0;
        Ok(Findings { cut_short, unmerged })
    }

    /// Where the present stack begins to differ from the one that was emitted last.
    fn cut_now(&mut self) -> Cut {
        self.fresh.truncate(0);
        let foreign = self.find_foreign();
        if foreign == self.foreign && !foreign.switches {
            return self.first_change();
        }
        self.foreign = foreign;
        Cut { native: 0, link: None, keep: self.origin.len() }
    }

    /// The frames of another greenlet: all up to that which began this one, further out than its first Python frame.
    fn find_foreign(&self) -> Foreign {
        if self.python.len() == 1 {
            return Foreign::NONE;
        }
        let is_greenlet = |index: &usize| is_in_greenlet(self.native.frame(*index).address.lookup());
        let last_within = |frames: usize| (0..frames).rev().find(is_greenlet);
        if self.activations.len() == 0 {
            let Some(last) = last_within(self.native.len()) else { return Foreign::NONE };
            let frames = (0..last).rev().take_while(is_greenlet).last().unwrap_or(last);
            return Foreign { frames, switches: true };
        }
        let first_own = self.native.frame_with_activation(self.activations.of_link(1));
        if first_own == self.native.len() {
            return Foreign::NONE;
        }
        Foreign { frames: last_within(first_own + 1).map_or(0, |last| last + 1), switches: false }
    }

    /// The same, where no other frames are foreign than before.
    fn first_change(&self) -> Cut {
        let native = self.native.emitted();
        let before =
            |frame: usize| self.positions.get(frame).map_or(self.origin.len(), |position| position.start as usize);
        let link = self.python.emitted();
        if self.native.len() == 0 && native + 1 == self.positions.len() {
            return Cut { native, link: Some(link), keep: before(0) + self.python.places_before(link) };
        }
        // By the last link that stays: those from here on may have belonged to another activation.
        let activation = self.activations.of_link(link - 1);
        let evaluator = self.native.frame_with_activation(activation);
        if evaluator < native && link == self.python.len() && link == self.emitted_links {
            return Cut { native, link: None, keep: before(native) };
        }
        if let Some(keep) = self.kept_within(evaluator, activation, link).filter(|_| evaluator <= native) {
            return Cut { native: evaluator, link: Some(link), keep };
        }
        let native = native.min(evaluator);
        Cut { native, link: None, keep: before(native) }
    }

    /// If the Python frames below `link` of this activation were emitted as those that this native frame runs, and
    /// still are that: how many words stay up to there.
    fn kept_within(&self, evaluator: usize, activation: usize, link: usize) -> Option<usize> {
        let emitted = self.positions.get(evaluator)?;
        let frame = (evaluator < self.native.len()).then(|| self.native.frame(evaluator))?;
        let first = self.activations.start(activation, self.python.len());
        let is_its_own = frame.evaluates && frame.activations == activation + 1;
        (is_its_own && first < link && emitted.first_own as usize == first)
            .then(|| emitted.own as usize + self.python.places_before(link) - self.python.places_before(first))
    }

    /// Activations that belong to frames further out than this one.
    fn used_before(&self, native: usize) -> usize {
        native.checked_sub(1).map_or(0, |caller| self.native.frame(caller).activations)
    }

    /// Appends the frames from the cut on to `fresh`. Returns whether some Python frames belong to no native one.
    fn put_in_order(&mut self, cut: &Cut, channel: &mut Channel, recording: &mut Recording) -> Result<bool, Stop> {
        let links = self.python.len();
        let (mut unmerged, mut first) = (false, cut.native);
        let mut rest = self.activations.start(self.used_before(first), links);
        match cut.link {
            Some(link) if first < self.native.len() => {
                // The first Python frames of the evaluating one were emitted, and stay.
                self.positions.truncate(first + 1);
                let frame = self.native.frame(first);
                rest = self.activations.start(frame.activations, links);
                push_places(&mut self.fresh, &self.python, link..rest.max(link))?;
                let word = Describer::new().frame(frame.address, true, channel, recording)?;
                if let Some(word) = word.filter(|_| first >= self.foreign.frames) {
                    self.fresh.push(word)?;
                }
                first += 1;
            }
            Some(link) => {
                // No native frames: only what comes after them changes, and where that begins does not.
                push_places(&mut self.fresh, &self.python, link..links)?;
                return Ok(false);
            }
            None => self.positions.truncate(first),
        }
        if self.foreign.switches {
            push_places(&mut self.fresh, &self.python, rest..links)?;
            rest = links;
        }
        if first < self.native.len() {
            let mut describer = Describer::new();
            for index in first..self.native.len() {
                let frame = self.native.frame(index);
                let start = cut.keep + self.fresh.len();
                let own = if frame.evaluates { frame.activations - 1 } else { frame.activations };
                let (lost_end, own_end) =
                    (self.activations.start(own, links), self.activations.start(frame.activations, links));
                unmerged |= rest < lost_end;
                push_places(&mut self.fresh, &self.python, rest..lost_end.max(rest))?;
                let first_own = if frame.evaluates { lost_end as u32 } else { 0 };
                let own = cut.keep + self.fresh.len();
                self.positions.push(Position { start: start as u32, own: own as u32, first_own })?;
                push_places(&mut self.fresh, &self.python, lost_end..own_end.max(lost_end))?;
                let word = describer.frame(frame.address, frame.evaluates, channel, recording)?;
                if let Some(word) = word.filter(|_| index >= self.foreign.frames) {
                    self.fresh.push(word)?;
                }
                rest = own_end.max(rest);
            }
        }
        self.positions.truncate(self.native.len());
        let end = (cut.keep + self.fresh.len()) as u32;
        self.positions.push(Position { start: end, own: end, first_own: 0 })?;
        if rest < links {
            push_places(&mut self.fresh, &self.python, rest..links)?;
            unmerged |= self.native.len() > 0;
        }
        Ok(unmerged)
    }

    /// The whole stack in words of the channel, followed by the mark for the start of a thread: what a thread that is
    /// created now begins with.
    pub fn as_origin(&mut self, channel: &mut Channel, recording: &mut Recording) -> Result<MappedVec<u64>, Stop> {
        let mut origin = MappedVec::new();
        origin.extend_from_slice(&self.origin)?;
        self.emit(channel, recording)?;
        self.fresh.truncate(0);
        self.put_in_order(&Cut { native: 0, link: None, keep: self.origin.len() }, channel, recording)?;
        origin.extend_from_slice(&self.fresh)?;
        origin.push(ChannelFrame::ThreadStart.to_word())?;
        Ok(origin)
    }
}

fn push_places(words: &mut MappedVec<u64>, python: &StackMemo, links: Range<usize>) -> Result<(), OutOfMemory> {
    let mut pushed = Ok(());
    for CodePosition { code, offset } in python.places(links) {
        pushed = pushed.and(words.push(ChannelFrame::Python { code, offset }.to_word()));
    }
    pushed
}
