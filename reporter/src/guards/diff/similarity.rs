//! Pairs things of two captures that are called differently by what they have in common.

use std::hash::Hash;

use rustc_hash::{FxHashMap, FxHashSet};

/// Things with less in common than this (twice the number of shared features for each that they have together) are not
/// the same.
const ENOUGH: f64 = 0.5;
/// What more things than this have says nothing of any of them.
const COMMONPLACE: usize = 64;

/// Pairs the numbers of things before and after, the most similar ones first, each once. Where two pairs of one thing
/// are equally similar, nobody can decide: it stays alone.
pub(super) fn pair_similar<F: Hash + Eq>(before: &[&FxHashSet<F>], after: &[&FxHashSet<F>]) -> Vec<(usize, usize)> {
    let mut groups = scores(before, after);
    groups.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let (mut taken_before, mut taken_after) = (FxHashSet::default(), FxHashSet::default());
    let mut pairs = Vec::new();
    for group in groups.chunk_by(|a, b| a.0 == b.0) {
        let free = |&&(_, (a, b)): &&(f64, (usize, usize))| !taken_before.contains(&a) && !taken_after.contains(&b);
        let group: Vec<(usize, usize)> = group.iter().filter(free).map(|&(_, pair)| pair).collect();
        let (mut of_before, mut of_after) = (FxHashMap::<usize, u32>::default(), FxHashMap::<usize, u32>::default());
        for &(a, b) in &group {
            *of_before.entry(a).or_default() += 1;
            *of_after.entry(b).or_default() += 1;
        }
        pairs.extend(group.iter().filter(|(a, b)| of_before[a] == 1 && of_after[b] == 1));
        for (a, b) in group {
            taken_before.insert(a);
            taken_after.insert(b);
        }
    }
    pairs
}

/// How similar things are that are similar enough.
fn scores<F: Hash + Eq>(before: &[&FxHashSet<F>], after: &[&FxHashSet<F>]) -> Vec<(f64, (usize, usize))> {
    let mut having: FxHashMap<&F, Vec<usize>> = FxHashMap::default();
    for (number, features) in after.iter().enumerate() {
        features.iter().for_each(|feature| having.entry(feature).or_default().push(number));
    }
    let mut scores = Vec::new();
    for (a, features) in before.iter().enumerate() {
        let distinctive =
            features.iter().filter_map(|feature| having.get(feature)).filter(|all| all.len() <= COMMONPLACE);
        let candidates: FxHashSet<usize> = distinctive.flatten().copied().collect();
        for b in candidates {
            let shared = features.intersection(after[b]).count();
            let score = 2.0 * shared as f64 / (features.len() + after[b].len()) as f64;
            if score >= ENOUGH {
                scores.push((score, (a, b)));
            }
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(before: &[&[u8]], after: &[&[u8]]) -> Vec<(usize, usize)> {
        let sets = |lists: &[&[u8]]| -> Vec<FxHashSet<u8>> {
            lists.iter().map(|list| list.iter().copied().collect()).collect()
        };
        let (before, after) = (sets(before), sets(after));
        pair_similar(&before.iter().collect::<Vec<_>>(), &after.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_most_similar_ones_belong_together() {
        assert_eq!(pairs(&[&[1, 2, 3], &[7, 8]], &[&[7, 8, 9], &[1, 2, 3], &[1, 2]]), [(0, 1), (1, 0)]);
        assert_eq!(pairs(&[&[1, 2, 3]], &[&[3, 4, 5, 6]]), []);
        assert_eq!(pairs(&[&[]], &[&[]]), []);
    }

    #[test]
    fn what_cannot_be_distinguished_stays_alone() {
        assert_eq!(pairs(&[&[1], &[2]], &[&[1], &[1], &[2]]), [(1, 2)]);
        assert_eq!(pairs(&[&[1], &[1], &[2]], &[&[1], &[2]]), [(2, 1)]);
    }
}
