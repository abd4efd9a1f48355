//! Makes room in the tables of a recording that may keep no more stacks: of the rarest, callers are left out.
//!
//! Which stacks are rare is said by the weights of sites: all of the sites of a stack and of what it called count for
//! it. So a stack never weighs more than that of its callers, and the heaviest ones are a tree from the root on. Of
//! another stack there remain the outermost frames that are in this tree, a [`Frame::ElidedCallers`] as a mark, and a
//! few frames at its end that say where the memory was allocated. So lists by Python function are what they would have
//! been, and trees end earlier. A native function is listed as ever if it is one of the last three; further out, one of
//! these represents it.

use std::cmp::Ordering;

use memprof_channel::ids::{FrameId, SiteId, StackId};
use rustc_hash::FxHashMap;

use super::repeated_rows::unite_rows;
use super::site_numbers::SiteNumbers;
use super::tables::{Frame, StackNode, Tables};

/// What is left of a stack.
#[derive(Clone, Copy)]
enum Left {
    /// All of it, which has this number.
    All(StackId),
    /// The stack of these callers, and an ending by its number.
    CallersAndEnding(StackId, u32),
}

/// This many native frames at the end of a stack say where it allocates: some may be an allocator's, or a library's.
const NATIVE: usize = 3;
/// An ending may have a Python frame and the start of a thread besides.
const LONGEST: usize = NATIVE + 2;

/// Frames of a stack's end that say where it allocates: the innermost Python frame, the last start of a thread, and the
/// native ones after them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Ending {
    frames: [FrameId; LONGEST],
    length: usize,
}

/// What of an ending a frame takes the place of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Python,
    ThreadStart,
    Native,
}

impl Kind {
    fn of(tables: &Tables, frame: FrameId) -> Self {
        match tables.frame(frame) {
            Some(Frame::Python { .. }) => Self::Python,
            Some(Frame::ThreadStart) => Self::ThreadStart,
            Some(Frame::Native(_) | Frame::Elided { .. } | Frame::ElidedCallers) | None => Self::Native,
        }
    }
}

impl Ending {
    fn frames(&self) -> &[FrameId] {
        &self.frames[..self.length]
    }

    /// The ending of the stack that has one more frame.
    fn then(&self, tables: &Tables, frame: FrameId) -> Self {
        let kind = Kind::of(tables, frame);
        let of_kind = |kind| self.frames().iter().filter(move |&&frame| Kind::of(tables, frame) == kind).count();
        let mut too_many_native = (of_kind(Kind::Native) + 1).saturating_sub(NATIVE);
        let mut next = Self::default();
        for &before in self.frames() {
            let stays = match (Kind::of(tables, before), kind) {
                (Kind::Native, Kind::Native) if too_many_native > 0 => {
                    too_many_native -= 1;
                    false
                }
                (Kind::Native, Kind::Native) | (Kind::Python | Kind::ThreadStart, Kind::Native) => true,
                // Who called it does not say where it allocates.
                (Kind::Native, Kind::Python | Kind::ThreadStart) => false,
                (before, _) => before != kind,
            };
            if stays {
                next.push(before);
            }
        }
        next.push(frame);
        next
    }

    fn push(&mut self, frame: FrameId) {
        self.frames[self.length] = frame;
        self.length += 1;
    }
}

/// All endings that occur, by number. The first one has no frames.
struct Endings {
    numbers: FxHashMap<Ending, u32>,
    list: Vec<Ending>,
    /// What an ending becomes by one more frame.
    next: FxHashMap<(u32, FrameId), u32>,
}

impl Endings {
    const EMPTY: u32 = 0;

    fn new() -> Self {
        let empty = Ending::default();
        Self { numbers: FxHashMap::from_iter([(empty, Self::EMPTY)]), list: vec![empty], next: FxHashMap::default() }
    }

    fn then(&mut self, tables: &Tables, ending: u32, frame: FrameId) -> u32 {
        let Self { numbers, list, next } = self;
        *next.entry((ending, frame)).or_insert_with(|| {
            let ending = list[ending as usize].then(tables, frame);
            *numbers.entry(ending).or_insert_with(|| {
                list.push(ending);
                list.len() as u32 - 1
            })
        })
    }
}

/// Keeps the `most` heaviest stacks whole, and makes rows of sites that have become equal one. `weights` are those of
/// the sites, none of them negative or no number; `mark` is the frame that represents callers that are left out. Stacks
/// get other numbers, and sites those that are returned.
pub fn elide_rare_callers(tables: &mut Tables, weights: &[f64], most: usize, mark: FrameId) -> SiteNumbers {
    let stays = heaviest(tables, weights, most, mark);
    let (left, endings) = keep(tables, &stays, mark);
    let mut ended = EndedStacks { mark, known: FxHashMap::default(), nodes: FxHashMap::default() };
    for site in tables.sites.iter_mut().flatten() {
        site.stack = match left.get(site.stack.index()) {
            Some(&Left::All(stack)) => stack,
            Some(&Left::CallersAndEnding(callers, ending)) => {
                ended.stack(&mut tables.stacks, callers, ending, &endings)
            }
            // Damage, which stays what it is.
            None => StackId(u32::MAX),
        };
    }
    let mut numbers = Vec::new();
    unite_rows(&mut tables.sites, &mut numbers, |site, _| site, |_| None, SiteId::from_index);
    SiteNumbers::Each(numbers)
}

/// By stack, the empty one first: whether it stays.
fn heaviest(tables: &Tables, weights: &[f64], most: usize, mark: FrameId) -> Vec<bool> {
    let mut of_stacks = vec![0.0; tables.stacks.len() + 1];
    for (site, weight) in tables.sites.iter().zip(weights) {
        if let Some(sum) = site.and_then(|site| of_stacks.get_mut(site.stack.index())) {
            *sum += weight;
        }
    }
    for (index, node) in (1..of_stacks.len()).rev().zip(tables.stacks.iter().rev()) {
        if let Some(node) = node.filter(|node| node.parent.index() < index) {
            of_stacks[node.parent.index()] += of_stacks[index];
        }
    }
    let mut stays = vec![false; of_stacks.len()];
    stays[StackId::EMPTY.index()] = true;
    // Those without a mark. What has one, or is lost, does not stay as it is.
    for (index, node) in (1..).zip(&tables.stacks) {
        stays[index] =
            node.is_some_and(|node| node.frame != mark && node.parent.index() < index && stays[node.parent.index()]);
    }
    let mut order: Vec<u32> = (1..stays.len()).filter(|&index| stays[index]).map(|index| index as u32).collect();
    // Of equal ones the older first: callers come before what they called.
    let heavier_first = |one: &u32, other: &u32| -> Ordering {
        let weight = |index: u32| of_stacks[index as usize];
        weight(*other).total_cmp(&weight(*one)).then(one.cmp(other))
    };
    if most < order.len() {
        order.select_nth_unstable_by(most, heavier_first);
        order[most..].iter().for_each(|&index| stays[index as usize] = false);
    }
    stays
}

/// Takes the other stacks out of the table. Returns what is left of each.
fn keep(tables: &mut Tables, stays: &[bool], mark: FrameId) -> (Vec<Left>, Endings) {
    let mut endings = Endings::new();
    let mut left = vec![Left::All(StackId::EMPTY)];
    let before = std::mem::take(&mut tables.stacks);
    for (index, node) in (1..).zip(&before) {
        let callers = node.and_then(|node| left.get(node.parent.index()).copied());
        // What is lost, or names callers that do not come before, ends without any.
        let callers = callers.unwrap_or(Left::All(StackId::EMPTY));
        left.push(match (callers, *node) {
            (Left::All(parent), Some(node)) if stays[index] => {
                tables.stacks.push(Some(StackNode { parent, ..node }));
                Left::All(StackId::from_index(tables.stacks.len()))
            }
            (callers, node) => {
                let (callers, ending) = match callers {
                    Left::All(callers) => (callers, Endings::EMPTY),
                    Left::CallersAndEnding(callers, ending) => (callers, ending),
                };
                let frame = node.map(|node| node.frame).filter(|frame| *frame != mark);
                Left::CallersAndEnding(callers, frame.map_or(ending, |frame| endings.then(tables, ending, frame)))
            }
        });
    }
    (left, endings)
}

/// Stacks of which callers are left out. They come after all others.
struct EndedStacks {
    mark: FrameId,
    known: FxHashMap<(StackId, u32), StackId>,
    nodes: FxHashMap<StackNode, StackId>,
}

impl EndedStacks {
    fn stack(
        &mut self,
        stacks: &mut Vec<Option<StackNode>>,
        callers: StackId,
        ending: u32,
        endings: &Endings,
    ) -> StackId {
        let Self { mark, known, nodes } = self;
        *known.entry((callers, ending)).or_insert_with(|| {
            [*mark].iter().chain(endings.list[ending as usize].frames()).fold(callers, |parent, &frame| {
                let node = StackNode { parent, frame };
                *nodes.entry(node).or_insert_with(|| {
                    stacks.push(Some(node));
                    StackId::from_index(stacks.len())
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{NativeFrame, Site};
    use memprof_channel::allocator::Allocator;
    use memprof_channel::ids::CodeId;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet, HashSet};

    /// Native ones, Python's, starts of threads, and the mark.
    const FRAMES: [Frame; 6] = [native(1), native(2), python(1), python(2), Frame::ThreadStart, Frame::ElidedCallers];
    const MARK: u32 = 5;

    const fn native(address: u64) -> Frame {
        Frame::Native(NativeFrame { module: None, address, interrupted: false, evaluates: false })
    }

    const fn python(offset: u32) -> Frame {
        Frame::Python { code: CodeId(0), offset }
    }

    /// A stack by its frames, outermost first.
    fn frames(tables: &Tables, stack: StackId) -> Vec<u32> {
        let mut frames: Vec<u32> = tables.frames_of(stack).map(|frame| frame.0).collect();
        frames.reverse();
        frames
    }

    /// Different stacks, and different sites there with weights.
    fn tables() -> impl Strategy<Value = (Tables, Vec<f64>)> {
        let nodes = proptest::collection::vec((any::<prop::sample::Index>(), 0..=MARK), 0..60);
        let sites = proptest::collection::vec((any::<prop::sample::Index>(), 0..2_usize, 0..5_u32), 0..60);
        (nodes, sites).prop_map(|(nodes, sites)| {
            let mut tables = Tables { frames: FRAMES.map(Some).to_vec(), ..Tables::default() };
            for (parent, frame) in nodes {
                let parent = StackId::from_index(parent.index(tables.stacks.len() + 1));
                let node = Some(StackNode { parent, frame: FrameId(frame) });
                // A stack has one mark at most.
                let is_second = frame == MARK && frames(&tables, parent).contains(&MARK);
                if !is_second && !tables.stacks.contains(&node) {
                    tables.stacks.push(node);
                }
            }
            let mut known: BTreeMap<(u32, usize), f64> = BTreeMap::new();
            for (stack, allocator, weight) in sites {
                known.insert((stack.index(tables.stacks.len() + 1) as u32, allocator), weight.into());
            }
            let site = |&(stack, allocator): &(u32, usize)| Some(Site::new(StackId(stack), Allocator::ALL[allocator]));
            tables.sites = known.keys().map(site).collect();
            (tables, known.into_values().collect())
        })
    }

    /// Of frames that are left out, those that are not, by checking all of them.
    fn ending(frames: &[u32]) -> Vec<u32> {
        let is_python = |frame: &u32| matches!(FRAMES[*frame as usize], Frame::Python { .. });
        let is_start = |frame: &u32| FRAMES[*frame as usize] == Frame::ThreadStart;
        let (last_python, last_start) = (frames.iter().rposition(is_python), frames.iter().rposition(is_start));
        let first_native = last_python.max(last_start).map_or(0, |at| at + 1).max(frames.len().saturating_sub(NATIVE));
        let stays = |at: usize| Some(at) == last_python || Some(at) == last_start || at >= first_native;
        (0..frames.len()).filter(|at| stays(*at)).map(|at| frames[at]).collect()
    }

    proptest! {
        /// Against the rule, said with lists of frames.
        #[test]
        fn rare_stacks_keep_the_callers_that_stay_and_their_ends((before, weights) in tables(), most in 0..40_usize) {
            let of_site = |row: usize| frames(&before, before.sites[row].unwrap().stack);
            let weight = |stack: &[u32]| -> f64 {
                let there = weights.iter().enumerate().filter(|(row, _)| of_site(*row).starts_with(stack));
                there.fold(0.0, |sum, (_, weight)| sum + weight)
            };
            let whole = |tables: &Tables| -> Vec<Vec<u32>> {
                let all = (1..=tables.stacks.len()).map(|stack| frames(tables, StackId(stack as u32)));
                all.filter(|stack| !stack.contains(&MARK)).collect()
            };
            let mut order = whole(&before);
            order.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
            order.truncate(most);
            let stay: BTreeSet<Vec<u32>> = order.into_iter().chain([Vec::new()]).collect();

            let mut after = before.clone();
            let numbers = elide_rare_callers(&mut after, &weights, most, FrameId(MARK));
            prop_assert_eq!(&whole(&after).into_iter().chain([Vec::new()]).collect::<BTreeSet<_>>(), &stay);
            for (row, site) in before.sites.iter().enumerate() {
                let now = after.sites[numbers.of(SiteId::from_index(row)).index()].unwrap();
                prop_assert_eq!(now.allocator, site.unwrap().allocator);
                let was = of_site(row);
                let nearest = (0..=was.len()).rev().map(|length| &was[..length]).find(|stack| stay.contains(*stack)).unwrap();
                let rest: Vec<u32> = was[nearest.len()..].iter().copied().filter(|frame| *frame != MARK).collect();
                let expected = if stay.contains(&was) { was.clone() } else { [nearest, &[MARK], &ending(&rest)].concat() };
                prop_assert_eq!(frames(&after, now.stack), expected);
            }
            // No two rows are the same, and callers come before what they called.
            prop_assert_eq!(after.sites.len(), after.sites.iter().collect::<HashSet<_>>().len());
            prop_assert_eq!(after.stacks.len(), after.stacks.iter().collect::<HashSet<_>>().len());
            prop_assert!(after.stacks.iter().enumerate().all(|(row, node)| node.unwrap().parent.index() <= row));
            // In two steps it is the same as in one.
            let (mut once, mut twice) = (before, after);
            elide_rare_callers(&mut once, &vec![1.0; weights.len()], 0, FrameId(MARK));
            elide_rare_callers(&mut twice, &vec![1.0; weights.len()], 0, FrameId(MARK));
            let all = |tables: &Tables| -> BTreeSet<(Vec<u32>, Allocator)> {
                tables.sites.iter().flatten().map(|site| (frames(tables, site.stack), site.allocator)).collect()
            };
            prop_assert_eq!(all(&once), all(&twice));
        }
    }
}
