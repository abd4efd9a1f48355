//! What was allocated right at a node of the flame graph, by thread and allocator.

use std::borrow::Cow;
use std::ops::Range;

use memprof_channel::allocator::Allocator;
use memprof_channel::ids::ThreadId;
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::metric::Sums;
use memprof_replay::processes::ProcessId;

use crate::sums::actors::{Actor, ActorId, Actors, NewActors};
use crate::sums::node::NodeId;
use crate::sums::packed_amounts::{MixedAmounts, PackedAmounts};

/// Whether somebody will ask for the cells of slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SlotCells {
    /// No: that saves eight bytes for each.
    #[default]
    Unknown,
    /// Yes.
    Known,
}

/// What one thread allocated right at a node with one allocator, without what the node called.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Where.
    pub node: NodeId,
    /// Who.
    pub process: ProcessId,
    /// Which of its threads; the first of those that cannot be distinguished.
    pub thread: ThreadId,
    /// How; nothing where a damaged capture lost it.
    pub allocator: Option<Allocator>,
    /// How much.
    pub sums: Sums,
}

/// What distinguishes cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CellKey {
    pub node: NodeId,
    pub actor: ActorId,
}

/// A cell in 16 bytes. There may be millions, of which most have nothing at the peak or at the end.
#[derive(Clone, Copy, Debug)]
struct PackedCell {
    key: CellKey,
    amounts: PackedAmounts,
}

impl CellKey {
    /// The same order, by one comparison.
    const fn as_word(self) -> u64 {
        (self.node.0 as u64) << 32 | self.actor.0 as u64
    }
}

// Cells take the place of the slots in memory that they are made of: there is no second copy of all.
const _: () = assert!(
    size_of::<SlotSummary>().is_multiple_of(size_of::<PackedCell>())
        && align_of::<PackedCell>() == align_of::<SlotSummary>()
);

/// All cells of a tree: those of each top together, in the order of their keys.
pub(crate) struct Cells {
    packed: Vec<PackedCell>,
    mixed: MixedAmounts,
    actors: Actors,
}

/// Cells as they come, one for each slot.
pub(crate) struct NewCells {
    packed: Vec<PackedCell>,
    mixed: MixedAmounts,
    actors: NewActors,
}

impl NewCells {
    /// None yet.
    pub(crate) fn new(actors: NewActors) -> Self {
        Self { packed: Vec::new(), mixed: MixedAmounts::default(), actors }
    }

    /// Takes note of a slot whose cell comes later, or never.
    pub(crate) fn see(&mut self, process: ProcessId, thread: ThreadId) {
        self.actors.see(process, thread);
    }

    /// Adds those of slots, of which `place` says where and who they are.
    pub(crate) fn add(&mut self, slots: Cow<[SlotSummary]>, place: impl Fn(&SlotSummary) -> (NodeId, Actor)) {
        let Self { packed, mixed, actors } = self;
        let mut pack = |slot: &SlotSummary| {
            let (node, actor) = place(slot);
            let key = CellKey { node, actor: actors.enter(actor) };
            PackedCell { key, amounts: mixed.pack(&slot.sums) }
        };
        let mut more: Vec<PackedCell> = match slots {
            Cow::Borrowed(slots) => slots.iter().map(pack).collect(),
            Cow::Owned(slots) => slots.into_iter().map(|slot| pack(&slot)).collect(),
        };
        more.shrink_to_fit();
        if packed.is_empty() {
            *packed = more;
        } else {
            packed.extend_from_slice(&more);
        }
    }

    /// All of them, of which those of one node, thread and allocator have become one; and for each slot the number of
    /// its cell, if that is asked for.
    pub(crate) fn finish(self, slot_cells: SlotCells) -> (Cells, Vec<u32>) {
        let Self { mut packed, mut mixed, actors } = self;
        let (actors, numbers) = actors.finish();
        for cell in &mut packed {
            cell.key.actor = numbers[cell.key.actor.0 as usize];
        }
        let keys: Vec<CellKey> = match slot_cells {
            SlotCells::Known => packed.iter().map(|cell| cell.key).collect(),
            SlotCells::Unknown => Vec::new(),
        };
        if actors.have_one_top() {
            packed.sort_unstable_by_key(|cell| cell.key.as_word());
        } else {
            packed.sort_unstable_by_key(|cell| (actors.top_of(cell.key.actor), cell.key));
        }
        packed.dedup_by(|cell, kept| {
            let is_same = cell.key == kept.key;
            if is_same {
                let mut sum = mixed.unpack(kept.amounts);
                sum.add(&mixed.unpack(cell.amounts));
                kept.amounts = mixed.pack(&sum);
            }
            is_same
        });
        packed.shrink_to_fit();
        let cells = Cells { packed, mixed, actors };
        let of_slots = keys.into_iter().map(|key| cells.position(key)).collect();
        (cells, of_slots)
    }
}

impl Cells {
    /// The number of the cell that has a key, which one of them has.
    fn position(&self, key: CellKey) -> u32 {
        let order = |key: CellKey| (self.actors.top_of(key.actor), key);
        self.packed.partition_point(|cell| order(cell.key) < order(key)) as u32
    }

    /// Who has any of them.
    pub(crate) const fn actors(&self) -> &Actors {
        &self.actors
    }

    /// Their keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = CellKey> {
        self.keys_of(0..self.packed.len())
    }

    /// The keys of some.
    pub(crate) fn keys_of(&self, cells: Range<usize>) -> impl Iterator<Item = CellKey> {
        self.packed[cells].iter().map(|cell| cell.key)
    }

    /// The nodes of some, to be renumbered without a change of their order.
    pub(crate) fn nodes_mut(&mut self, cells: Range<usize>) -> impl Iterator<Item = &mut NodeId> {
        self.packed[cells].iter_mut().map(|cell| &mut cell.key.node)
    }

    /// The cells.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Cell> + Clone {
        self.packed.iter().map(|cell| self.unpack(cell))
    }

    /// One of them.
    pub(crate) fn get(&self, cell: u32) -> Cell {
        self.unpack(&self.packed[cell as usize])
    }

    #[inline]
    fn unpack(&self, &PackedCell { key, amounts }: &PackedCell) -> Cell {
        let Actor { process, thread, allocator } = self.actors.get(key.actor);
        Cell { node: key.node, process, thread, allocator, sums: self.mixed.unpack(amounts) }
    }
}
