//! The memo against a full walk of the chain.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Frames in memory: slots that are used again and again, as an interpreter's are.
struct Machine {
    slots: Vec<(FrameAddress, u64)>,
    /// The present chain, outermost first.
    chain: Vec<FrameAddress>,
    /// What ends it.
    end: FrameAddress,
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
        let previous = self.top();
        *self.slot(frame) = (previous, identity);
        self.chain.push(frame);
    }

    fn unwind(&mut self, depth: usize) {
        self.chain.truncate(depth);
    }

    /// Another chain begins, which ends otherwise.
    fn switch(&mut self, end: FrameAddress) {
        self.unwind(0);
        self.end = end;
    }

    fn step(&mut self, identity: u64) {
        if let Some(&top) = self.chain.last() {
            self.slot(top).1 = identity;
        }
    }

    fn places(&self) -> Vec<CodePosition> {
        self.chain
            .iter()
            .filter_map(|&frame| match content_of(self.slots[(frame - BASE) / 64].1) {
                FrameContent::Place(place) => Some(place),
                FrameContent::Auxiliary | FrameContent::Entry => None,
            })
            .collect()
    }
}

fn content_of(identity: u64) -> FrameContent {
    if identity.is_multiple_of(5) {
        return FrameContent::Auxiliary;
    }
    FrameContent::Place(CodePosition { code: identity as u32 / 8, offset: identity as u32 % 8 })
}

// Reads are checked: a frame outside the present chain fails the test.
impl FrameChain for Machine {
    type Error = OutOfMemory;

    fn top(&self) -> FrameAddress {
        self.chain.last().copied().unwrap_or(self.end)
    }

    fn end(&self) -> FrameAddress {
        self.end
    }

    unsafe fn identity(&self, frame: FrameAddress) -> u64 {
        assert!(self.chain.contains(&frame), "read a frame that is not in the chain");
        self.slots[(frame - BASE) / 64].1
    }

    unsafe fn previous(&self, frame: FrameAddress) -> FrameAddress {
        assert!(self.chain.contains(&frame), "read a frame that is not in the chain");
        self.slots[(frame - BASE) / 64].0
    }

    unsafe fn content(&mut self, frame: FrameAddress) -> Result<FrameContent, OutOfMemory> {
        // SAFETY: the caller's contract.
        Ok(content_of(unsafe { self.identity(frame) }))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Call { slot: usize, identity: u64 },
    Unwind { depth: usize },
    Execute { identity: u64 },
    Switch { end: FrameAddress },
    Allocate,
    AllocateWithoutEmitting,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..SLOTS, 1..40_u64).prop_map(|(slot, identity)| Step::Call { slot, identity }),
        2 => (0..12_usize).prop_map(|depth| Step::Unwind { depth }),
        3 => (1..40_u64).prop_map(|identity| Step::Execute { identity }),
        1 => (0..3_usize).prop_map(|end| Step::Switch { end: end * 8 }),
        3 => Just(Step::Allocate),
        3 => Just(Step::AllocateWithoutEmitting),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_stack_is_always_that_of_a_full_walk(steps in proptest::collection::vec(step(), 1..120)) {
        let mut machine = Machine { slots: vec![(0, 0); SLOTS], chain: Vec::new(), end: 0 };
        let mut memo = StackMemo::new().unwrap();
        let mut emitted: Vec<CodePosition> = Vec::new();
        let mut hashes: HashMap<Vec<(u32, u32)>, StackHash> = HashMap::new();
        for step in steps {
            match step {
                Step::Call { slot, identity } => machine.call(slot, identity),
                Step::Unwind { depth } => machine.unwind(depth),
                Step::Execute { identity } => machine.step(identity),
                Step::Switch { end } => machine.switch(end),
                Step::Clear => memo.clear(),
                Step::Allocate | Step::AllocateWithoutEmitting => {
                    memo.update(&mut machine).unwrap();
                    let places = machine.places();
                    let key: Vec<_> = places.iter().map(|place| (place.code, place.offset)).collect();
                    prop_assert_eq!(*hashes.entry(key).or_insert(memo.hash()), memo.hash());
                    if matches!(step, Step::Allocate) {
                        emitted.truncate(memo.places_before(memo.emitted()));
                        emitted.extend(memo.places(memo.emitted()..memo.len()));
                        memo.set_emitted();
                        prop_assert_eq!(&emitted, &places);
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
    // All frames exist all the time.
    impl FrameChain for Deep {
        type Error = OutOfMemory;
        fn top(&self) -> FrameAddress {
            DEPTH * 16
        }
        unsafe fn identity(&self, frame: FrameAddress) -> u64 {
            self.0[frame / 16].1
        }
        unsafe fn previous(&self, frame: FrameAddress) -> FrameAddress {
            self.0[frame / 16].0
        }
        unsafe fn content(&mut self, frame: FrameAddress) -> Result<FrameContent, OutOfMemory> {
            Ok(FrameContent::Place(CodePosition { code: (frame / 16) as u32, offset: 0 }))
        }
    }
    const DEPTH: usize = 100_000;
    let mut deep = Deep((0..=DEPTH).map(|n| (n.saturating_sub(1) * 16, n as u64)).collect());
    let mut memo = StackMemo::new().unwrap();
    memo.update(&mut deep).unwrap();
    assert_eq!((memo.emitted(), memo.len()), (1, DEPTH + 1));
    memo.set_emitted();
    let hash = memo.hash();
    deep.0[DEPTH].1 += 1;
    memo.update(&mut deep).unwrap();
    assert_eq!((memo.emitted(), memo.len()), (DEPTH, DEPTH + 1));
    assert_eq!(memo.places_before(DEPTH), DEPTH - 1);
    assert_eq!(memo.hash(), hash, "the same place by another identity");
}
