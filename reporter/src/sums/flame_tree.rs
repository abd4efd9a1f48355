//! The tree of calls, root first: stacks whose frames are the same places share their nodes.
//!
//! Nothing here recurses: stacks may be a hundred thousand frames deep.

use std::borrow::Cow;

use memprof_capture::file::{Tables, Thread};
use memprof_channel::ids::ThreadId;
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::metric::{Metric, Sums};
use memprof_replay::processes::Processes;
use memprof_replay::slots::Amount;

use crate::naming::places::{PlaceId, Places};
use crate::naming::view::Views;
use crate::reading::query::SlotFilter;
use crate::reading::report::{Report, TreeSource};
use crate::sums::actors::Split;
use crate::sums::actors::{Actor, NewActors};
use crate::sums::attached_nodes::AttachedNodes;
use crate::sums::flame_cells::SlotCells;
use crate::sums::flame_cells::{Cell, Cells, NewCells};
use crate::sums::node::{Node, NodeId};
use crate::sums::rows::indistinguishable;
use crate::sums::site_tree::SiteTree;

/// What a tree is made of, apart from sites and slots.
pub(crate) struct TreeContext<'a> {
    pub tables: &'a Tables,
    pub places: &'a mut Places,
    pub processes: &'a Processes,
    pub split: Split,
    pub slot_cells: SlotCells,
}

/// The tree of a capture.
pub struct FlameTree {
    nodes: Vec<Node>,
    cells: Cells,
    cell_of_slot: Vec<u32>,
    of_process: Vec<Option<NodeId>>,
}

impl FlameTree {
    /// Builds the tree of everything that was allocated in these slots, with the frames that some of `views` show.
    ///
    /// Each view sees the tree without the nodes whose places it does not show. Where it shows no frame of a stack at
    /// all, a node above the stack says so to this view alone. Where there are several processes, each has a node above
    /// all that it did.
    #[must_use]
    pub fn build(
        tables: &Tables,
        places: &mut Places,
        processes: &Processes,
        slots: &[SlotSummary],
        views: Views,
    ) -> Self {
        let mut has_slots = vec![false; tables.sites.len()];
        for slot in slots {
            if let Some(has_slots) = has_slots.get_mut(slot.site.index()) {
                *has_slots = true;
            }
        }
        let sites = SiteTree::of(tables, places, views, |site| has_slots[site.index()]);
        let (split, slot_cells) = (Split::ByProcess, SlotCells::Unknown);
        Self::grow(TreeContext { tables, places, processes, split, slot_cells }, sites, Cow::Borrowed(slots))
    }

    /// The same of a report that has all stacks, of any kind.
    pub(crate) fn of_report(report: &mut Report, views: Views, split: Split, slot_cells: SlotCells) -> Self {
        let TreeSource { tables, places, processes, slots, query } = report.tree_source();
        let filter = SlotFilter::of(query, tables, places);
        let sites = SiteTree::of(tables, places, views, |site| filter.may_leave(site));
        let context = TreeContext { tables, places, processes, split, slot_cells };
        Self::grow(context, sites, Cow::Borrowed(slots))
    }

    fn grow(context: TreeContext, sites: SiteTree, slots: Cow<[SlotSummary]>) -> Self {
        let mut growing = GrowingTree::new(context.split, &context.tables.threads, &slots);
        growing.add((context.tables, context.processes), &sites, slots);
        growing.finish(context, sites)
    }

    /// The nodes: each is followed by all that is below it.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What was allocated at the nodes, in their order.
    #[must_use]
    pub fn cells(&self) -> impl ExactSizeIterator<Item = Cell> + Clone {
        self.cells.iter()
    }

    /// Who has any cell.
    pub(crate) fn actors(&self) -> &[Actor] {
        self.cells.actors().list()
    }

    /// One of the cells.
    pub(crate) fn cell(&self, number: u32) -> Cell {
        self.cells.get(number)
    }

    /// The number of each slot's cell, where that was asked for.
    #[must_use]
    pub(crate) fn cell_of_slot(&self) -> &[u32] {
        &self.cell_of_slot
    }

    /// The node of each process; nothing for one that allocated nothing, or that is alone.
    #[must_use]
    pub fn of_process(&self) -> &[Option<NodeId>] {
        &self.of_process
    }

    /// By slot: the node that its memory is counted at, where the cells of slots were asked for.
    pub(crate) fn of_slot(&self) -> impl Iterator<Item = NodeId> {
        self.cell_of_slot.iter().map(|&cell| self.cells.get(cell).node)
    }

    /// A node and its callers, the innermost first, without the root.
    pub fn callers(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let mut next = node;
        std::iter::from_fn(move || {
            let at = next;
            next = self.nodes[at.index()].parent;
            (at != NodeId::ROOT).then_some(at)
        })
    }

    /// The places of a node and its callers, the innermost first.
    pub fn path(&self, node: NodeId) -> impl Iterator<Item = PlaceId> + '_ {
        self.callers(node).map(|at| self.nodes[at.index()].place)
    }

    /// What was allocated right at each node, without what it called.
    #[must_use]
    pub fn own(&self, metric: Metric) -> Vec<Amount> {
        let mut sums = vec![Amount::default(); self.nodes.len()];
        for cell in self.cells.iter() {
            sums[cell.node.index()].add(cell.sums[metric]);
        }
        sums
    }

    /// The same of the nodes that have a cell alone, in order.
    pub(crate) fn own_of_nodes(&self, metric: Metric) -> impl Iterator<Item = (NodeId, Amount)> {
        let mut cells = self.cells.iter().peekable();
        std::iter::from_fn(move || {
            let Cell { node, sums, .. } = cells.next()?;
            let mut sum = sums[metric];
            while let Some(cell) = cells.next_if(|cell| cell.node == node) {
                sum.add(cell.sums[metric]);
            }
            Some((node, sum))
        })
    }

    /// A figure of each node and everything below it.
    #[must_use]
    pub fn inclusive_by(&self, figure: impl Fn(&Sums) -> u64) -> Vec<u64> {
        let mut sums = vec![0_u64; self.nodes.len()];
        for cell in self.cells.iter() {
            let sum = &mut sums[cell.node.index()];
            *sum = sum.saturating_add(figure(&cell.sums));
        }
        for index in (1..self.nodes.len()).rev() {
            let parent = self.nodes[index].parent.index();
            sums[parent] = sums[parent].saturating_add(sums[index]);
        }
        sums
    }

    /// What each node and everything below it hold together.
    #[must_use]
    pub fn inclusive(&self, metric: Metric) -> Vec<Amount> {
        let mut sums = self.own(metric);
        for index in (1..self.nodes.len()).rev() {
            let sum = sums[index];
            sums[self.nodes[index].parent.index()].add(sum);
        }
        sums
    }
}

/// A tree to which slots are added, some after the others.
pub(crate) struct GrowingTree {
    /// For each thread, the first that cannot be distinguished from it.
    threads: Vec<ThreadId>,
    cells: NewCells,
}

impl GrowingTree {
    /// For slots of these threads. In `slots` is one at least of each.
    pub(crate) fn new(split: Split, threads: &[Option<Thread>], slots: &[SlotSummary]) -> Self {
        let threads = indistinguishable(threads, slots);
        Self { threads, cells: NewCells::new(NewActors::new(split)) }
    }

    /// Takes note of slots, so that their threads are in this order.
    pub(crate) fn see(&mut self, processes: &Processes, slots: &[SlotSummary]) {
        let mut last = None;
        for slot in slots {
            if last.replace((slot.image, slot.thread)) != Some((slot.image, slot.thread)) {
                self.cells.see(processes.of_slot(slot), first(&self.threads, slot));
            }
        }
    }

    /// Adds slots, of which each has a site with a node.
    pub(crate) fn add(
        &mut self,
        (tables, processes): (&Tables, &Processes),
        sites: &SiteTree,
        slots: Cow<[SlotSummary]>,
    ) {
        let threads = &self.threads;
        self.cells.add(slots, |slot| {
            let actor = Actor {
                process: processes.of_slot(slot),
                thread: first(threads, slot),
                allocator: tables.site(slot.site).map(|site| site.allocator),
            };
            (sites.of_site(slot.site), actor)
        });
    }

    /// The tree: the nodes of those sites that have slots.
    pub(crate) fn finish(self, context: TreeContext, sites: SiteTree) -> FlameTree {
        let TreeContext { tables, places, processes, slot_cells, .. } = context;
        let (mut cells, cell_of_slot) = self.cells.finish(slot_cells);
        let (nodes, of_process) = AttachedNodes::new(sites, (tables, processes)).run(places, &mut cells);
        FlameTree { nodes, cells, cell_of_slot, of_process }
    }
}

fn first(threads: &[ThreadId], slot: &SlotSummary) -> ThreadId {
    threads.get(slot.thread.index()).copied().unwrap_or(slot.thread)
}
