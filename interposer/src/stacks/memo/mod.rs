//! A thread's last stack, and how to bring it up to date.
//!
//! Frames are kept root first. Bringing the stack up to date walks from the innermost frame outwards until it reaches a
//! remembered frame; the older ones are then checked in place: each must still execute the same instruction and have
//! the same caller. These checks load from addresses that are known beforehand, so that the processor overlaps them
//! (about 1 ns a frame), yet none of them is trusted before the frame above it has confirmed the link: what is read is
//! always a frame of the present chain.

use core::ops::Range;

use super::hash::StackHash;
use crate::memory::{MappedVec, OutOfMemory, Plain};

/// Where a frame is in memory. Zero is none, and ends every chain.
pub type FrameAddress = usize;

/// Where a Python frame is: its code object's number, and the byte offset of its instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePosition {
    /// The code object.
    pub code: u32,
    /// Bytes from the start of its bytecode.
    pub offset: u32,
}

/// What a frame contributes to the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameContent {
    /// A place in the program.
    Place(CodePosition),
    /// Nothing: an auxiliary frame of the interpreter, which is part of the chain only.
    Auxiliary,
    /// Nothing, but it lies in the C function that evaluates the frames further in, up to the next one of its kind.
    Entry,
}

/// A chain of frames in memory.
pub trait FrameChain {
    /// What keeps this chain's owner from going on.
    type Error: From<OutOfMemory>;

    /// Its innermost frame; its end if it has none.
    fn top(&self) -> FrameAddress;

    /// What represents the caller of its outermost frame, and is no frame of its own.
    fn end(&self) -> FrameAddress {
        0
    }

    /// A number that changes whenever the frame's function or instruction changes.
    ///
    /// # Safety
    /// The frame is part of the present chain: its top, or the `previous` of one that is.
    unsafe fn identity(&self, frame: FrameAddress) -> u64;

    /// The caller's frame.
    ///
    /// # Safety
    /// As [`Self::identity`].
    unsafe fn previous(&self, frame: FrameAddress) -> FrameAddress;

    /// What the frame contributes. Called once for a frame of this identity.
    ///
    /// # Safety
    /// As [`Self::identity`].
    unsafe fn content(&mut self, frame: FrameAddress) -> Result<FrameContent, Self::Error>;
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Link {
    frame: FrameAddress,
    identity: u64,
}

// SAFETY: integers.
unsafe impl Plain for Link {}

/// A frame's contribution, and the number of places up to and including it.
#[derive(Clone, Copy)]
#[repr(C)]
struct Contribution {
    code: u32,
    offset: u32,
    places: u32,
    kind: u32,
}

/// The kinds of [`Contribution`].
const NO_PLACE: u32 = 0;
const PLACE: u32 = 1;
const ENTRY: u32 = 2;

// SAFETY: integers.
unsafe impl Plain for Contribution {}

/// Finds a remembered frame by its address: a guess, to be checked against the link that it names.
struct FrameFinder {
    guesses: MappedVec<u32>,
}

impl FrameFinder {
    fn new(places: usize) -> Result<Self, OutOfMemory> {
        Ok(Self { guesses: MappedVec::zeroed(places)? })
    }

    #[inline]
    fn place(&self, frame: FrameAddress) -> usize {
        // Frames lie 8 bytes apart at least, mostly some hundred: the golden ratio spreads them over all places.
        let spread = (frame as u64 >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (spread >> 32) as usize & (self.guesses.len() - 1)
    }
}

/// A thread's last stack.
pub struct StackMemo {
    /// `links[0]` represents the [end of the chain](FrameChain::end); frame `i` (from 1, outermost first) is
    /// `links[i]`.
    links: MappedVec<Link>,
    hashes: MappedVec<StackHash>,
    contributions: MappedVec<Contribution>,
    finder: FrameFinder,
    /// Frames found on the way to a remembered one, innermost first.
    fresh: MappedVec<FrameAddress>,
    /// How many of the outermost links are as they were when the stack was last emitted.
    emitted: usize,
    /// Likewise, since they were last searched for activations.
    seen: usize,
}

const FIRST_GUESSES: usize = 1024;

impl StackMemo {
    /// The empty stack.
    pub fn new() -> Result<Self, OutOfMemory> {
        let mut memo = Self {
            links: MappedVec::new(),
            hashes: MappedVec::new(),
            contributions: MappedVec::new(),
            finder: FrameFinder::new(FIRST_GUESSES)?,
            fresh: MappedVec::new(),
            emitted: 1,
            seen: 1,
        };
        memo.links.push(Link { frame: 0, identity: 0 })?;
        memo.hashes.push(StackHash::EMPTY)?;
        memo.contributions.push(Contribution { code: 0, offset: 0, places: 0, kind: NO_PLACE })?;
        Ok(memo)
    }

    /// The hash of the present stack.
    #[inline]
    pub fn hash(&self) -> StackHash {
        self.hashes[self.hashes.len() - 1]
    }

    /// Drops all frames: their identities may come back with another meaning.
    pub fn clear(&mut self) {
        self.keep(1);
    }

    #[inline]
    fn keep(&mut self, links: usize) {
        self.links.truncate(links);
        self.hashes.truncate(links);
        self.contributions.truncate(links);
        self.emitted = self.emitted.min(links);
        self.seen = self.seen.min(links);
    }

    /// Brings the stack up to date with the chain.
    #[inline(always)]
    pub fn update<C: FrameChain>(&mut self, chain: &mut C) -> Result<(), C::Error> {
        self.fresh.truncate(0);
        let end = chain.end();
        if self.links[0].frame != end {
            self.clear();
            self.links[0].frame = end;
        }
        let mut frame = chain.top();
        let mut intact = 1;
        while frame != end && frame != 0 {
            if let Some(index) = self.find(frame) {
                // SAFETY: the frame is in the present chain, as far as it was followed.
                match unsafe { self.verify(chain, index) } {
                    Verified::Chain { intact: whole } => {
                        // Linked as before; from `whole` to `index` instructions have moved on.
                        for at in (whole..=index).rev() {
                            self.fresh.push(self.links[at].frame)?;
                        }
                        intact = whole;
                        break;
                    }
                    Verified::Broken { at } => {
                        for at in (at..=index).rev() {
                            self.fresh.push(self.links[at].frame)?;
                        }
                        // SAFETY: it was verified to be in the chain; only its caller is another.
                        frame = unsafe { chain.previous(self.links[at].frame) };
                        continue;
                    }
                }
            }
            self.fresh.push(frame)?;
            // SAFETY: the chain was followed to this frame.
            frame = unsafe { chain.previous(frame) };
        }
        self.keep(intact);
        for index in (0..self.fresh.len()).rev() {
            // SAFETY: these are the frames along which the chain was followed.
            unsafe { self.push(chain, self.fresh[index])? };
        }
        Ok(())
    }

    #[inline(always)]
    fn find(&self, frame: FrameAddress) -> Option<usize> {
        let guess = self.finder.guesses[self.finder.place(frame)] as usize;
        let link = self.links.get(guess)?;
        (link.frame == frame).then_some(guess)
    }

    /// Checks the remembered frames from `index` outwards.
    ///
    /// # Safety
    /// The frame of that link is in the present chain, and is not link 0.
    #[inline(always)]
    unsafe fn verify<C: FrameChain>(&self, chain: &C, index: usize) -> Verified {
        let links = &self.links[..=index];
        let mut intact = index + 1;
        let mut at = index;
        let mut frame = links[index].frame;
        // Link 0 is the end of the chain.
        loop {
            // SAFETY: `at` starts within the links and is above 0 here.
            let (identity, caller) = unsafe { (links.get_unchecked(at).identity, links.get_unchecked(at - 1).frame) };
            // SAFETY: the frame is that of `index`, or the one further in has it for its caller at this moment.
            let (present, previous) = unsafe { (chain.identity(frame), chain.previous(frame)) };
            if present != identity {
                intact = moved_on(at);
            }
            if previous != caller {
                return Verified::Broken { at };
            }
            at -= 1;
            if at == 0 {
                return Verified::Chain { intact };
            }
            frame = caller;
        }
    }

    /// # Safety
    /// The frame is in the present chain.
    #[inline(always)]
    unsafe fn push<C: FrameChain>(&mut self, chain: &mut C, frame: FrameAddress) -> Result<(), C::Error> {
        let last = self.links.len() - 1;
        let (hash, places) = (self.hashes[last], self.contributions[last].places);
        // SAFETY: the caller's contract.
        let (identity, content) = unsafe { (chain.identity(frame), chain.content(frame)?) };
        let (hash, contribution) = match content {
            FrameContent::Place(CodePosition { code, offset }) => (
                hash.with(u64::from(code) << 32 | u64::from(offset)),
                Contribution { code, offset, places: places + 1, kind: PLACE },
            ),
            FrameContent::Auxiliary => (hash, Contribution { code: 0, offset: 0, places, kind: NO_PLACE }),
            FrameContent::Entry => (hash, Contribution { code: 0, offset: 0, places, kind: ENTRY }),
        };
        self.hashes.push(hash)?;
        self.contributions.push(contribution)?;
        self.links.push(Link { frame, identity })?;
        let index = self.links.len() - 1;
        if index * 2 > self.finder.guesses.len() {
            self.enlarge_finder()?;
        }
        let place = self.finder.place(frame);
        self.finder.guesses[place] = index as u32;
        Ok(())
    }

    #[cold]
    fn enlarge_finder(&mut self) -> Result<(), OutOfMemory> {
        self.finder = FrameFinder::new(self.finder.guesses.len() * 4)?;
        for index in 1..self.links.len() {
            let place = self.finder.place(self.links[index].frame);
            self.finder.guesses[place] = index as u32;
        }
        Ok(())
    }

    /// The frame of the outermost place.
    pub fn outermost(&self) -> Option<FrameAddress> {
        let place = self.contributions.iter().position(|contribution| contribution.kind == PLACE)?;
        Some(self.links[place].frame)
    }

    /// How many links there are, link 0 among them.
    #[inline]
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Links that have been as they are since [`Self::set_seen`] was last called.
    #[inline]
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// Notes that all links have been searched for activations.
    #[inline]
    pub fn set_seen(&mut self) {
        self.seen = self.links.len();
    }

    /// The frame of a link, if it is an [`FrameContent::Entry`].
    pub fn entry(&self, link: usize) -> Option<FrameAddress> {
        (self.contributions[link].kind == ENTRY).then(|| self.links[link].frame)
    }

    /// The link of a frame.
    pub fn link_of(&self, frame: FrameAddress) -> Option<usize> {
        self.find(frame).or_else(|| self.links.iter().rposition(|link| link.frame == frame))
    }

    /// How many places the links below this one have.
    pub fn places_before(&self, link: usize) -> usize {
        link.checked_sub(1).map_or(0, |last| self.contributions[last].places as usize)
    }

    /// The places of some links, outermost first.
    pub fn places(&self, links: Range<usize>) -> impl Iterator<Item = CodePosition> + '_ {
        self.contributions[links]
            .iter()
            .filter(|contribution| contribution.kind == PLACE)
            .map(|contribution| CodePosition { code: contribution.code, offset: contribution.offset })
    }

    /// Links that are as they were when [`Self::set_emitted`] was last called.
    pub fn emitted(&self) -> usize {
        self.emitted
    }

    /// Notes that links from this one on must be emitted again, since they belong to other native frames.
    pub fn must_emit_from(&mut self, link: usize) {
        self.emitted = self.emitted.min(link.max(1));
    }

    /// Notes that the recorder now knows the present stack.
    pub fn set_emitted(&mut self) {
        self.emitted = self.links.len();
    }
}

/// Makes the rare case a branch: a conditional move would delay every frame.
#[cold]
#[inline(never)]
fn moved_on(link: usize) -> usize {
    link
}

enum Verified {
    /// All links hold. The outermost `intact` links have not changed at all.
    Chain { intact: usize },
    /// The frame of link `at` has another caller than before.
    Broken { at: usize },
}

#[cfg(test)]
mod tests;
