//! Rows that a table has more than once.
//!
//! A recorder remembers a bounded number of stacks and sites. When one that it has evicted comes again, it gets another
//! row. Here each gets one number, in the order in which they came first: the one that a recorder without bounds would
//! have given it.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use memprof_channel::ids::{SiteId, StackId};
use rustc_hash::FxBuildHasher;

use super::site_numbers::SiteNumbers;
use super::tables::{Site, StackNode, Tables};

/// What [`unite`] takes meanwhile for each row: its new number, and a place in a table of them that grows by doubling.
pub(super) const BYTES_A_ROW: usize = 16;

/// Makes equal rows of stacks and of sites one.
pub(super) fn unite(tables: &mut Tables) -> SiteNumbers {
    // Of the rows' stacks; stack 0 is the empty one. A damaged site may refer to one that there is not, and goes on
    // doing so.
    let known = |stacks: &[StackId], stack: StackId| stacks.get(stack.index()).copied().unwrap_or(StackId(u32::MAX));
    let mut stacks = vec![StackId::EMPTY];
    unite_rows(
        &mut tables.stacks,
        &mut stacks,
        |node: StackNode, stacks| StackNode { parent: known(stacks, node.parent), ..node },
        // After the row of its callers.
        |node| Some(node.parent.index()),
        |row| StackId::from_index(row + 1),
    );
    let mut sites = Vec::new();
    let renumbered = |site: Site, _: &[SiteId]| Site { stack: known(&stacks, site.stack), ..site };
    unite_rows(&mut tables.sites, &mut sites, renumbered, |_| None, SiteId::from_index);
    SiteNumbers::Each(sites)
}

/// Makes equal rows of a table one, the first of them, and appends the new number of each to `numbers`. A row that is
/// lost is equal to none. `renumbered` gets the numbers of the rows before. `beside` says where a row is if it came
/// right after the row that it refers to, as most do: no table is needed to find it there. If that is the end, none
/// before can be equal.
pub(super) fn unite_rows<T: Copy + Eq + Hash, I: Copy>(
    rows: &mut Vec<Option<T>>,
    numbers: &mut Vec<I>,
    renumbered: impl Fn(T, &[I]) -> T,
    beside: impl Fn(&T) -> Option<usize>,
    id: impl Fn(usize) -> I,
) {
    // Of row numbers alone: a map with keys would hold all rows once more.
    let mut known: HashTable<u32> = HashTable::new();
    let hash = |row: &Option<T>| FxBuildHasher.hash_one(row);
    numbers.reserve(rows.len());
    let mut distinct = 0;
    for at in 0..rows.len() {
        let row = rows[at].map(|row| renumbered(row, numbers));
        let beside = row.as_ref().and_then(&beside);
        let found = match beside {
            Some(beside) if beside == distinct => None,
            Some(beside) if beside < distinct && rows[beside] == row => Some(beside),
            _ => {
                row.and_then(|_| known.find(hash(&row), |&other| rows[other as usize] == row)).map(|&row| row as usize)
            }
        };
        let number = found.unwrap_or_else(|| {
            rows[distinct] = row;
            if let (Some(_), Ok(number)) = (row, u32::try_from(distinct))
                && beside != Some(distinct)
            {
                known.insert_unique(hash(&row), number, |&other| hash(&rows[other as usize]));
            }
            distinct += 1;
            distinct - 1
        });
        numbers.push(id(number));
    }
    rows.truncate(distinct);
    rows.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use memprof_channel::allocator::Allocator;
    use memprof_channel::ids::FrameId;
    use proptest::prelude::*;

    proptest! {
        /// Rows in any order, some of them repeated and some lost, as those are whose callers would come later.
        #[test]
        fn every_row_is_what_it_was_and_no_two_are_equal(
            nodes in proptest::collection::vec((0..40_u32, 0..3_u32, 0..20), 0..40),
            sites in proptest::collection::vec((0..45_u32, 0..2_usize, 0..20), 0..40),
        ) {
            let stacks = nodes.iter().map(|&(parent, frame, lost)| {
                (lost > 0).then_some(StackNode { parent: StackId(parent), frame: FrameId(frame) })
            });
            let of = |stack: u32, allocator: usize| Site::new(StackId(stack), Allocator::ALL[allocator]);
            let sites = sites.iter().map(|&(stack, allocator, lost)| (lost > 0).then(|| of(stack, allocator)));
            let mut before = Tables { stacks: stacks.collect(), sites: sites.collect(), ..Tables::default() };
            before.lose_stacks_without_callers();
            let mut after = before.clone();
            let numbers = unite(&mut after);
            let frames = |tables: &Tables, stack: StackId| tables.frames_of(stack).collect::<Vec<_>>();
            for (row, site) in before.sites.iter().enumerate() {
                let united = after.sites[numbers.of(SiteId::from_index(row)).index()];
                prop_assert_eq!(united.is_some(), site.is_some());
                if let (Some(united), Some(site)) = (united, site) {
                    prop_assert_eq!(united.allocator, site.allocator);
                    prop_assert_eq!(frames(&after, united.stack), frames(&before, site.stack));
                }
            }
            let distinct = |row: usize, rows: &[Option<StackNode>]| !rows[..row].contains(&rows[row]);
            prop_assert!((0..after.stacks.len()).all(|row| after.stacks[row].is_none() || distinct(row, &after.stacks)));
            prop_assert_eq!(after.sites.iter().flatten().count(), after.sites.iter().flatten().collect::<std::collections::HashSet<_>>().len());
            // Once more there is nothing to do.
            let mut again = after.clone();
            unite(&mut again);
            prop_assert_eq!(again.sites, after.sites);
        }
    }
}
