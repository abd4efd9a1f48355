//! A thread's last stack, and how to bring it up to date.
//!
//! Frames are kept root first. Bringing the stack up to date walks from the innermost frame outwards until it meets a
//! remembered frame; the older ones are then checked in place: each must still execute the same instruction and have
//! the same caller. These checks load from addresses that are known beforehand, so that the processor overlaps them
//! (about 1 ns a frame), yet none of them is trusted before the frame above it has confirmed the link: what is read is
//! always a frame of the present chain.

use memprof_capture::channel::record::ChannelFrame;

use super::hash::StackHash;
use crate::memory::{MappedVec, OutOfMemory, Plain};

/// Where a frame is in memory. Zero ends the chain.
pub type FrameAddress = usize;

/// What a frame contributes to the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameContent {
    /// A place in the program.
    Place(ChannelFrame),
    /// Nothing: an auxiliary frame of the interpreter, which is part of the chain only.
    Auxiliary,
}

/// A chain of frames in memory.
///
/// # Safety
/// `identity` and `previous` are only called with frames of the present chain.
pub unsafe trait FrameChain {
    /// What keeps this chain's owner from going on.
    type Error: From<OutOfMemory>;

    /// A number that changes whenever the frame's function or instruction changes.
    fn identity(&self, frame: FrameAddress) -> u64;

    /// The caller's frame.
    fn previous(&self, frame: FrameAddress) -> FrameAddress;

    /// What the frame contributes. Called once for a frame of this identity.
    fn content(&mut self, frame: FrameAddress) -> Result<FrameContent, Self::Error>;
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
    is_place: u32,
}

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
    /// `links[0]` stands for the end of the chain; frame `i` (from 1, outermost first) is `links[i]`.
    links: MappedVec<Link>,
    hashes: MappedVec<StackHash>,
    contributions: MappedVec<Contribution>,
    finder: FrameFinder,
    /// Frames met on the way to a remembered one, innermost first.
    fresh: MappedVec<FrameAddress>,
    /// As many of the outermost links are as they were when the stack was last told to the recorder.
    told: usize,
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
            told: 1,
        };
        memo.links.push(Link { frame: 0, identity: 0 })?;
        memo.hashes.push(StackHash::EMPTY)?;
        memo.contributions.push(Contribution { code: 0, offset: 0, places: 0, is_place: 0 })?;
        Ok(memo)
    }

    /// The hash of the present stack.
    #[inline]
    pub fn hash(&self) -> StackHash {
        self.hashes[self.hashes.len() - 1]
    }

    /// Forgets all frames: their identities may come back with another meaning.
    pub fn forget(&mut self) {
        self.keep(1);
    }

    #[inline]
    fn keep(&mut self, links: usize) {
        self.links.truncate(links);
        self.hashes.truncate(links);
        self.contributions.truncate(links);
        self.told = self.told.min(links);
    }

    /// Brings the stack up to date with the chain that starts at `top`.
    #[inline]
    pub fn update<C: FrameChain>(&mut self, chain: &mut C, top: FrameAddress) -> Result<(), C::Error> {
        self.fresh.truncate(0);
        let mut frame = top;
        let mut intact = 1;
        while frame != 0 {
            if let Some(index) = self.find(frame) {
                match self.verify(chain, index) {
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
                        frame = chain.previous(self.links[at].frame);
                        continue;
                    }
                }
            }
            self.fresh.push(frame)?;
            frame = chain.previous(frame);
        }
        self.keep(intact);
        for index in (0..self.fresh.len()).rev() {
            self.push(chain, self.fresh[index])?;
        }
        Ok(())
    }

    #[inline]
    fn find(&self, frame: FrameAddress) -> Option<usize> {
        let guess = self.finder.guesses[self.finder.place(frame)] as usize;
        let link = self.links.get(guess)?;
        (link.frame == frame).then_some(guess)
    }

    /// Checks the remembered frames from `index`, which is in the present chain, outwards.
    #[inline]
    fn verify<C: FrameChain>(&self, chain: &C, index: usize) -> Verified {
        let mut intact = index + 1;
        for (older, pair) in self.links[..=index].windows(2).enumerate().rev() {
            let (caller, link) = (pair[0], pair[1]);
            if chain.identity(link.frame) != link.identity {
                intact = older + 1;
            }
            if chain.previous(link.frame) != caller.frame {
                return Verified::Broken { at: older + 1 };
            }
        }
        Verified::Chain { intact }
    }

    #[inline]
    fn push<C: FrameChain>(&mut self, chain: &mut C, frame: FrameAddress) -> Result<(), C::Error> {
        let last = self.links.len() - 1;
        let (hash, places) = (self.hashes[last], self.contributions[last].places);
        let identity = chain.identity(frame);
        let (hash, contribution) = match chain.content(frame)? {
            FrameContent::Place(ChannelFrame { code, offset }) => (
                hash.with(u64::from(code) << 32 | u64::from(offset)),
                Contribution { code, offset, places: places + 1, is_place: 1 },
            ),
            FrameContent::Auxiliary => (hash, Contribution { code: 0, offset: 0, places, is_place: 0 }),
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
        let place = self.contributions.iter().position(|contribution| contribution.is_place != 0)?;
        Some(self.links[place].frame)
    }

    /// What the recorder must be told about the stack: how many places of the last told one to keep, and how many
    /// fresh ones follow, as [`Self::untold_places`] lists them. Nothing if it knows.
    pub fn untold(&self, told_places: u32) -> Option<(u32, usize)> {
        let keep = self.contributions[self.told - 1].places;
        let all = self.contributions[self.contributions.len() - 1].places;
        (keep != all || told_places != all).then_some((keep, (all - keep) as usize))
    }

    /// The fresh places, outermost first.
    pub fn untold_places(&self) -> impl Iterator<Item = ChannelFrame> + '_ {
        self.contributions[self.told..]
            .iter()
            .filter(|contribution| contribution.is_place != 0)
            .map(|contribution| ChannelFrame { code: contribution.code, offset: contribution.offset })
    }

    /// Notes that the recorder now knows the present stack, and returns the number of its places.
    pub fn set_told(&mut self) -> u32 {
        self.told = self.links.len();
        self.contributions[self.told - 1].places
    }
}

enum Verified {
    /// All links hold. The outermost `intact` links have not changed at all.
    Chain { intact: usize },
    /// The frame of link `at` has another caller than before.
    Broken { at: usize },
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Frames in memory: slots that are used again and again, as an interpreter's are.
    struct Machine {
        slots: Vec<(FrameAddress, u64)>,
        /// The present chain, outermost first.
        chain: Vec<FrameAddress>,
    }

    const SLOTS: usize = 40;
    /// Addresses that are none of a slot's would be reads outside the chain.
    const BASE: FrameAddress = 0x7000;

    impl Machine {
        fn slot(&mut self, frame: FrameAddress) -> &mut (FrameAddress, u64) {
            &mut self.slots[(frame - BASE) / 64]
        }

        fn call(&mut self, slot: usize, identity: u64) {
            let frame = BASE + slot % SLOTS * 64;
            if self.chain.contains(&frame) {
                return;
            }
            let previous = self.chain.last().copied().unwrap_or(0);
            *self.slot(frame) = (previous, identity);
            self.chain.push(frame);
        }

        fn unwind(&mut self, depth: usize) {
            self.chain.truncate(depth);
        }

        fn step(&mut self, identity: u64) {
            if let Some(&top) = self.chain.last() {
                self.slot(top).1 = identity;
            }
        }

        fn places(&self) -> Vec<ChannelFrame> {
            self.chain
                .iter()
                .filter_map(|&frame| match content_of(self.slots[(frame - BASE) / 64].1) {
                    FrameContent::Place(place) => Some(place),
                    FrameContent::Auxiliary => None,
                })
                .collect()
        }
    }

    fn content_of(identity: u64) -> FrameContent {
        if identity.is_multiple_of(5) {
            return FrameContent::Auxiliary;
        }
        FrameContent::Place(ChannelFrame { code: identity as u32 / 8, offset: identity as u32 % 8 })
    }

    // SAFETY: reads are checked: a frame outside the present chain fails the test.
    unsafe impl FrameChain for Machine {
        type Error = OutOfMemory;

        fn identity(&self, frame: FrameAddress) -> u64 {
            assert!(self.chain.contains(&frame), "read a frame that is not in the chain");
            self.slots[(frame - BASE) / 64].1
        }

        fn previous(&self, frame: FrameAddress) -> FrameAddress {
            assert!(self.chain.contains(&frame), "read a frame that is not in the chain");
            self.slots[(frame - BASE) / 64].0
        }

        fn content(&mut self, frame: FrameAddress) -> Result<FrameContent, OutOfMemory> {
            Ok(content_of(self.identity(frame)))
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Call { slot: usize, identity: u64 },
        Unwind { depth: usize },
        Execute { identity: u64 },
        Allocate,
        AllocateWithoutTelling,
        Forget,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..SLOTS, 1..40_u64).prop_map(|(slot, identity)| Step::Call { slot, identity }),
            2 => (0..12_usize).prop_map(|depth| Step::Unwind { depth }),
            3 => (1..40_u64).prop_map(|identity| Step::Execute { identity }),
            3 => Just(Step::Allocate),
            3 => Just(Step::AllocateWithoutTelling),
            1 => Just(Step::Forget),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_stack_is_always_that_of_a_full_walk(steps in proptest::collection::vec(step(), 1..120)) {
            let mut machine = Machine { slots: vec![(0, 0); SLOTS], chain: Vec::new() };
            let mut memo = StackMemo::new().unwrap();
            let mut told: Vec<ChannelFrame> = Vec::new();
            let mut told_places = 0;
            let mut hashes: HashMap<Vec<(u32, u32)>, StackHash> = HashMap::new();
            for step in steps {
                match step {
                    Step::Call { slot, identity } => machine.call(slot, identity),
                    Step::Unwind { depth } => machine.unwind(depth),
                    Step::Execute { identity } => machine.step(identity),
                    Step::Forget => memo.forget(),
                    Step::Allocate | Step::AllocateWithoutTelling => {
                        let top = machine.chain.last().copied().unwrap_or(0);
                        memo.update(&mut machine, top).unwrap();
                        let places = machine.places();
                        let key: Vec<_> = places.iter().map(|place| (place.code, place.offset)).collect();
                        prop_assert_eq!(*hashes.entry(key).or_insert(memo.hash()), memo.hash());
                        if matches!(step, Step::Allocate) {
                            if let Some((keep, fresh)) = memo.untold(told_places) {
                                told.truncate(keep as usize);
                                told.extend(memo.untold_places());
                                prop_assert_eq!(told.len(), keep as usize + fresh);
                                told_places = memo.set_told();
                            }
                            prop_assert_eq!(&told, &places);
                        }
                    }
                }
            }
            let mut distinct: Vec<_> = hashes.values().map(|hash| (hash.low, hash.high)).collect();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), hashes.len(), "two stacks have one hash");
        }
    }

    #[test]
    fn a_stack_of_a_hundred_thousand_frames_is_kept_and_found_again() {
        struct Deep(Vec<(FrameAddress, u64)>);
        // SAFETY: all frames exist all the time.
        unsafe impl FrameChain for Deep {
            type Error = OutOfMemory;
            fn identity(&self, frame: FrameAddress) -> u64 {
                self.0[frame / 16].1
            }
            fn previous(&self, frame: FrameAddress) -> FrameAddress {
                self.0[frame / 16].0
            }
            fn content(&mut self, frame: FrameAddress) -> Result<FrameContent, OutOfMemory> {
                Ok(FrameContent::Place(ChannelFrame { code: (frame / 16) as u32, offset: 0 }))
            }
        }
        const DEPTH: usize = 100_000;
        let mut deep = Deep((0..=DEPTH).map(|n| (n.saturating_sub(1) * 16, n as u64)).collect());
        let mut memo = StackMemo::new().unwrap();
        memo.update(&mut deep, DEPTH * 16).unwrap();
        assert_eq!(memo.untold(0), Some((0, DEPTH)));
        assert_eq!(memo.set_told(), DEPTH as u32);
        let hash = memo.hash();
        deep.0[DEPTH].1 += 1;
        memo.update(&mut deep, DEPTH * 16).unwrap();
        assert_eq!(memo.untold(DEPTH as u32), Some((DEPTH as u32 - 1, 1)));
        assert_eq!(memo.hash(), hash, "the same place by another identity");
    }
}
