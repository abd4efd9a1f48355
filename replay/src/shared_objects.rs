//! Which mappings show the same bytes of a file or of shared memory. These bytes count once: for the oldest of the
//! mappings.

use std::collections::BTreeMap;
use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::mapped_sites::ObjectId;
use crate::mappings::MappingId;
use crate::processes::ProcessId;
use crate::slots::{SlotId, SlotNumbers};
use crate::time_bins::BinMark;

/// A mapping that shows some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process that has it.
    pub process: ProcessId,
    /// Which of its mappings it is.
    pub mapping: MappingId,
    /// What the bytes are attributed to.
    pub slot: SlotId,
    /// The bin in which it began to count the bytes.
    pub mark: BinMark,
}

/// Bytes that a mapping no longer counts.
#[derive(Debug, PartialEq, Eq)]
pub struct GivenUp<'a> {
    /// How many.
    pub bytes: u64,
    /// What they were attributed to.
    pub slot: SlotId,
    /// The bin in which it had begun to count them.
    pub mark: BinMark,
    /// Who counts them from now on, if they are still mapped. Its slot and mark are to be renewed.
    pub next: Option<&'a mut Holder>,
}

/// The age of a mapping among those of an object: later ones have higher numbers.
type Age = u64;

/// Bytes that one mapping counts.
#[derive(Clone, Copy, Debug)]
struct Counted {
    end: u64,
    age: Age,
    slot: SlotId,
    mark: BinMark,
}

/// A file or shared memory, and who shows what of it.
#[derive(Clone, Debug, Default)]
struct Object {
    /// Who counts the bytes that are shown, by their first one. These stretches do not overlap.
    counted: BTreeMap<u64, Counted>,
    /// The mappings that are there, and of each the stretches that it shows: by its age and the first byte, where they
    /// end.
    holders: BTreeMap<Age, Holder>,
    shown: BTreeMap<(Age, u64), u64>,
    ages: FxHashMap<(ProcessId, MappingId), Age>,
    next: Age,
}

/// All of them, by number.
#[derive(Clone, Debug, Default)]
pub struct SharedObjects {
    objects: Vec<Object>,
}

impl SharedObjects {
    /// A mapping begins to show these bytes. Returns how many of them nobody has shown before: those it counts.
    pub fn map(&mut self, object: ObjectId, bytes: Range<u64>, holder: Holder) -> u64 {
        let index = object.0 as usize;
        if self.objects.len() <= index {
            self.objects.resize_with(index + 1, Object::default);
        }
        self.objects[index].map(bytes, holder)
    }

    /// The slots of processes have got other numbers, those of each process that shows something what `numbers` says.
    pub fn renumber_slots<'a>(&mut self, numbers: impl Fn(ProcessId) -> Option<&'a SlotNumbers>) {
        for Object { counted, holders, .. } in &mut self.objects {
            for counted in counted.values_mut() {
                if let Some(numbers) = holders.get(&counted.age).and_then(|holder| numbers(holder.process)) {
                    counted.slot = numbers.of(counted.slot);
                }
            }
            for holder in holders.values_mut() {
                if let Some(numbers) = numbers(holder.process) {
                    holder.slot = numbers.of(holder.slot);
                }
            }
        }
    }

    /// A mapping of this process no longer shows these bytes. Calls `given_up` for those that it counted.
    pub fn unmap(
        &mut self,
        object: ObjectId,
        bytes: Range<u64>,
        mapping: (ProcessId, MappingId),
        given_up: impl FnMut(GivenUp<'_>),
    ) {
        if let Some(object) = self.objects.get_mut(object.0 as usize) {
            object.unmap(bytes, mapping, given_up);
        }
    }
}

impl Object {
    fn map(&mut self, bytes: Range<u64>, holder: Holder) -> u64 {
        if bytes.is_empty() {
            return 0;
        }
        let age = self.next;
        self.next += 1;
        self.ages.insert((holder.process, holder.mapping), age);
        self.holders.insert(age, holder);
        self.shown.insert((age, bytes.start), bytes.end);
        let gaps = self.uncounted(bytes);
        let Holder { slot, mark, .. } = holder;
        for gap in &gaps {
            self.counted.insert(gap.start, Counted { end: gap.end, age, slot, mark });
        }
        gaps.iter().map(|gap| gap.end - gap.start).sum()
    }

    /// The parts of these bytes that nobody counts.
    fn uncounted(&self, bytes: Range<u64>) -> Vec<Range<u64>> {
        let before = self.counted.range(..bytes.start).next_back().map_or(0, |(_, counted)| counted.end);
        let (mut at, mut gaps) = (bytes.start.max(before), Vec::new());
        for (&start, counted) in self.counted.range(bytes.clone()) {
            if at < start {
                gaps.push(at..start);
            }
            at = counted.end;
        }
        if at < bytes.end {
            gaps.push(at..bytes.end);
        }
        gaps
    }

    fn unmap(&mut self, bytes: Range<u64>, mapping: (ProcessId, MappingId), mut given_up: impl FnMut(GivenUp<'_>)) {
        let Some(&age) = self.ages.get(&mapping) else { return };
        self.divide(age, bytes.start);
        self.divide(age, bytes.end);
        let hidden: Vec<u64> = self.shown.range((age, bytes.start)..(age, bytes.end)).map(|(key, _)| key.1).collect();
        for start in hidden {
            self.shown.remove(&(age, start));
        }
        if self.shown.range((age, 0)..(age + 1, 0)).next().is_none() {
            self.ages.remove(&mapping);
            self.holders.remove(&age);
        }
        let counted: Vec<u64> =
            self.counted.range(bytes).filter(|(_, it)| it.age == age).map(|(&start, _)| start).collect();
        for start in counted {
            if let Some(counted) = self.counted.remove(&start) {
                self.hand_over(start, counted, &mut given_up);
            }
        }
    }

    /// No stretch that a mapping shows or counts goes beyond this byte from below.
    fn divide(&mut self, age: Age, at: u64) {
        if let Some((_, end)) = self.shown.range_mut((age, 0)..(age, at)).next_back()
            && *end > at
        {
            let rest = std::mem::replace(end, at);
            self.shown.insert((age, at), rest);
        }
        if let Some((_, counted)) = self.counted.range_mut(..at).next_back()
            && counted.end > at
            && counted.age == age
        {
            let rest = *counted;
            counted.end = at;
            self.counted.insert(at, rest);
        }
    }

    /// Whoever is the oldest to show these bytes counts them.
    fn hand_over(&mut self, start: u64, counted: Counted, given_up: &mut impl FnMut(GivenUp<'_>)) {
        let Counted { end, slot, mark, .. } = counted;
        let mut left: Vec<Range<u64>> = std::iter::once(start..end).collect();
        for (&(age, first), &last) in &self.shown {
            if left.is_empty() {
                break;
            }
            let Some(&holder) = self.holders.get(&age) else { continue };
            for rest in std::mem::take(&mut left) {
                let taken = rest.start.max(first)..rest.end.min(last);
                if taken.is_empty() {
                    left.push(rest);
                    continue;
                }
                let mut next = holder;
                given_up(GivenUp { bytes: taken.end - taken.start, slot, mark, next: Some(&mut next) });
                let Holder { slot, mark, .. } = next;
                self.counted.insert(taken.start, Counted { end: taken.end, age, slot, mark });
                left.extend([rest.start..taken.start, taken.end..rest.end].into_iter().filter(|it| !it.is_empty()));
            }
        }
        for rest in left {
            given_up(GivenUp { bytes: rest.end - rest.start, slot, mark, next: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mappings::Mappings;
    use memprof_channel::ids::Address;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Map(u32, u64, u64, u32),
        /// One of the mappings, and which part of it.
        Unmap(prop::sample::Index, u64, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let map = (0..2_u32, 0..20_u64, 1..9_u64, 0..3_u32);
        let unmap = (any::<prop::sample::Index>(), 0..9_u64, 1..9_u64);
        prop_oneof![
            3 => map.prop_map(|(object, at, bytes, process)| Step::Map(object, at, bytes, process)),
            2 => unmap.prop_map(|(which, at, bytes)| Step::Unmap(which, at, bytes)),
        ]
    }

    proptest! {
        #[test]
        fn each_byte_counts_for_the_oldest_mapping_of_it(steps in proptest::collection::vec(step(), 1..60)) {
            let mut shared = SharedObjects::default();
            let mut mappings = Mappings::new(1);
            // By object and byte, which mappings show it; and of each its object, what is left of it, and its process.
            let mut model: BTreeMap<(u32, u64), Vec<usize>> = BTreeMap::new();
            let mut left: Vec<(usize, Range<u64>)> = Vec::new();
            let mut made: Vec<(u32, ProcessId, MappingId)> = Vec::new();
            let mut counted: Vec<u64> = Vec::new();
            for step in steps {
                match step {
                    Step::Map(object, at, bytes, process) => {
                        let (number, process) = (made.len(), ProcessId(process));
                        let address = Address(number as u64 * 1000);
                        // A slot of its own says which mapping it is.
                        let slot = SlotId(number as u32);
                        let mapping = mappings.map(address, 1, slot, BinMark::default(), None);
                        let holder = Holder { process, mapping, slot, mark: BinMark::default() };
                        counted.push(shared.map(ObjectId(object), at..at + bytes, holder));
                        for byte in at..at + bytes {
                            model.entry((object, byte)).or_default().push(number);
                        }
                        made.push((object, process, mapping));
                        left.push((number, at..at + bytes));
                    }
                    Step::Unmap(..) if left.is_empty() => {}
                    Step::Unmap(which, at, bytes) => {
                        let (number, range) = left.swap_remove(which.index(left.len()));
                        let (object, process, mapping) = made[number];
                        let from = (range.start + at).min(range.end);
                        let to = (from + bytes).min(range.end);
                        left.extend([range.start..from, to..range.end].map(|rest| (number, rest)));
                        left.retain(|(_, rest)| !rest.is_empty());
                        shared.unmap(ObjectId(object), from..to, (process, mapping), |given_up| {
                            counted[given_up.slot.0 as usize] -= given_up.bytes;
                            if let Some(next) = given_up.next {
                                counted[next.slot.0 as usize] += given_up.bytes;
                            }
                        });
                        for byte in from..to {
                            model.get_mut(&(object, byte)).unwrap().retain(|&holder| holder != number);
                        }
                    }
                }
                for (number, &counted) in counted.iter().enumerate() {
                    let expected = model.values().filter(|holders| holders.first() == Some(&number)).count() as u64;
                    prop_assert_eq!(counted, expected);
                }
            }
        }
    }
}
