//! The numbers of rows, as far as they are remembered.
//!
//! A table of all rows that ever were grows without bound, and each lookup in it waits for memory. Programs whose
//! stacks are new again and again have millions of them, and seldom come back to an old one: so a bounded table holds
//! those that came last, and what it has evicted gets another row when it comes again. Readers make the two one.

use std::hash::{BuildHasher, Hash};

use memprof_capture::file::{Site, StackNode};
use rustc_hash::{FxBuildHasher, FxHashMap};

/// What rows of a table are.
pub trait Row: Copy + Eq + Hash {
    /// The group that it belongs to. A group has few rows.
    fn group(&self) -> u32;
}

impl Row for StackNode {
    #[inline]
    fn group(&self) -> u32 {
        self.parent.0
    }
}

impl Row for Site {
    #[inline]
    fn group(&self) -> u32 {
        self.stack.0
    }
}

/// From rows to their numbers.
pub enum RecentIds<K> {
    /// Of all rows.
    All(FxHashMap<K, u32>),
    /// Of those that came last.
    Recent(Recent<K>),
}

/// A table with a bounded number of places.
///
/// They are in sets. Rows of groups with numbers side by side are in sets side by side: stacks are numbered as they
/// come, and those that came just now lie in the processor's caches. A row whose set is full of those groups' is in
/// another set, by its hash.
pub struct Recent<K> {
    /// The row that came last is first in its set, and the one that is evicted next is last. Numbers are one more than
    /// those of the rows; 0 is in a place that nobody has taken.
    places: Vec<(K, u32)>,
    /// By set, the last groups of which a row had to go to another set.
    full_of: Vec<Option<Groups>>,
    taken: usize,
    most_sets: usize,
    /// How many rows there have been.
    rows: u32,
    /// Whether one has been evicted.
    has_evicted: bool,
}

/// Places of a set.
const WAYS: usize = 8;

/// Groups with numbers side by side, which share a set: most have one row or none.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Groups(u32);

impl Groups {
    const TOGETHER: u32 = 4;

    #[inline]
    fn of<K: Row>(row: &K) -> Self {
        Self(row.group() / Self::TOGETHER)
    }
}

const FIRST_SETS: usize = 1 << 8;

impl<K: Row> RecentIds<K> {
    /// Remembers all.
    pub fn all() -> Self {
        Self::All(FxHashMap::default())
    }

    /// Remembers all, and has these rows already, no two of them equal.
    pub fn of(rows: impl ExactSizeIterator<Item = K>) -> Self {
        Self::All(rows.zip(0..).collect())
    }

    /// Remembers at most `places` rows, a power of two. `any` is a row like any other.
    pub fn at_most(places: usize, any: K) -> Self {
        let most_sets = (places / WAYS).max(1);
        let sets = FIRST_SETS.min(most_sets);
        let (places, full_of) = (vec![(any, 0); sets * WAYS], vec![None; sets]);
        Self::Recent(Recent { places, full_of, taken: 0, most_sets, rows: 0, has_evicted: false })
    }

    /// The number of a row that is `key`, and whether it is a new one.
    #[inline]
    pub fn number(&mut self, key: K) -> (u32, bool) {
        match self {
            Self::All(ids) => {
                let next = u32::try_from(ids.len()).expect("a table holds at most u32::MAX rows");
                let id = *ids.entry(key).or_insert(next);
                (id, id == next)
            }
            Self::Recent(recent) => match recent.find(key) {
                Some(number) => (number, false),
                None => (recent.enter(key), true),
            },
        }
    }

    /// The number of a row that is `key`, of which it is known that it is new. So it is not searched for, and there is
    /// no wait for memory.
    #[inline]
    pub fn new_number(&mut self, key: K) -> u32 {
        match self {
            Self::All(_) => self.number(key).0,
            Self::Recent(recent) => recent.enter(key),
        }
    }

    /// Whether a row may have been evicted.
    pub const fn may_repeat(&self) -> bool {
        matches!(self, Self::Recent(Recent { has_evicted: true, .. }))
    }
}

impl<K: Row> Recent<K> {
    /// The set of the row's groups.
    #[inline]
    fn set_of(&self, groups: Groups) -> usize {
        groups.0 as usize & (self.full_of.len() - 1)
    }

    /// The set of the row alone.
    #[inline]
    fn other_set_of(&self, key: &K) -> usize {
        // The lower bits of this hash are the better ones.
        FxBuildHasher.hash_one(key) as usize & (self.full_of.len() - 1)
    }

    #[inline]
    fn find(&self, key: K) -> Option<u32> {
        let find = |set: usize| {
            let places = &self.places[set * WAYS..(set + 1) * WAYS];
            places.iter().find(|&&(row, number)| number != 0 && row == key).map(|&(_, number)| number - 1)
        };
        let groups = Groups::of(&key);
        let set = self.set_of(groups);
        match find(set) {
            None if self.full_of[set] == Some(groups) => find(self.other_set_of(&key)),
            found => found,
        }
    }

    #[inline]
    fn enter(&mut self, key: K) -> u32 {
        self.rows = self.rows.checked_add(1).expect("a table holds at most u32::MAX rows");
        self.put(key, self.rows);
        self.rows - 1
    }

    #[inline]
    fn put(&mut self, key: K, number: u32) {
        let groups = Groups::of(&key);
        let mut set = self.set_of(groups);
        let place = match self.last_of_others(set, groups) {
            Some(place) => place,
            None => {
                self.full_of[set] = Some(groups);
                set = self.other_set_of(&key);
                self.last_of_others(set, groups).unwrap_or(WAYS - 1)
            }
        };
        let sets = self.full_of.len();
        let places = &mut self.places[set * WAYS..(set + 1) * WAYS];
        let evicts = places[place].1 != 0;
        if evicts && sets < self.most_sets && self.taken >= sets {
            return self.put_in_larger(key, number);
        }
        places[..=place].rotate_right(1);
        places[0] = (key, number);
        self.has_evicted |= evicts;
        self.taken += usize::from(!evicts);
    }

    /// The last place of a set that nobody has taken, or, if there is none, with a row that is not of these groups.
    #[inline]
    fn last_of_others(&self, set: usize, groups: Groups) -> Option<usize> {
        let is_other = |&(row, number): &(K, u32)| number == 0 || Groups::of(&row) != groups;
        self.places[set * WAYS..(set + 1) * WAYS].iter().rposition(is_other)
    }

    /// With twice as many places.
    #[cold]
    fn put_in_larger(&mut self, key: K, number: u32) {
        let (any, before) = (self.places[0].0, std::mem::take(&mut self.places));
        self.places = vec![(any, 0); before.len() * 2];
        self.full_of = vec![None; self.full_of.len() * 2];
        self.taken = 0;
        // From the end of each set on, so that what came last is in front again.
        for &(key, number) in before.iter().rev().filter(|(_, number)| *number != 0) {
            self.put(key, number);
        }
        self.put(key, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memprof_channel::ids::{FrameId, StackId};
    use proptest::prelude::*;

    fn node(parent: u32, frame: u32) -> StackNode {
        StackNode { parent: StackId(parent), frame: FrameId(frame) }
    }

    /// Nodes with few others beside them, and with many.
    fn nodes() -> impl Strategy<Value = StackNode> {
        prop_oneof![
            (0..1000_u32, 0..3_u32).prop_map(|(parent, frame)| node(parent, frame)),
            (0..5_u32, 0..500_u32).prop_map(|(parent, frame)| node(parent, frame)),
        ]
    }

    proptest! {
        /// A number is that of an equal key, and the last one that this key got.
        #[test]
        fn a_number_is_that_of_its_key_whatever_was_evicted(
            places in 3..12_u32, keys in proptest::collection::vec(nodes(), 1..3000),
        ) {
            let mut ids = RecentIds::at_most(1 << places, node(0, 0));
            let (mut rows, mut repeated) = (Vec::new(), false);
            for key in keys {
                let is_known_new = key.frame.0 % 3 == 0 && !rows.contains(&key);
                let (number, is_new) = if is_known_new { (ids.new_number(key), true) } else { ids.number(key) };
                if is_new {
                    repeated |= rows.contains(&key);
                    rows.push(key);
                    prop_assert_eq!(number as usize, rows.len() - 1);
                }
                prop_assert_eq!(rows[number as usize], key);
                prop_assert_eq!(ids.number(key), (number, false));
            }
            prop_assert!(!repeated || ids.may_repeat());
            if let RecentIds::Recent(recent) = &ids {
                prop_assert!(recent.places.len() <= 1_usize << places);
                prop_assert_eq!(recent.taken, recent.places.iter().filter(|(_, number)| *number != 0).count());
            }
        }
    }

    /// A chain, as most of a stack is, and callers with a thousand callees.
    #[test]
    fn little_is_evicted_that_there_is_room_for() {
        let (mut all, mut recent) = (RecentIds::all(), RecentIds::at_most(1 << 16, node(0, 0)));
        let chain = (0..6000).map(|number| node(number, number % 7));
        let keys: Vec<_> = chain.chain((0..1000).flat_map(|frame| [node(3, frame), node(4000, frame)])).collect();
        let mut evicted = 0;
        for &key in keys.iter().chain(&keys) {
            evicted += usize::from(all.number(key).1 != recent.number(key).1);
        }
        assert!(evicted < 10, "{evicted}");
        assert!(!all.may_repeat() && recent.may_repeat() == (evicted > 0));
    }
}
