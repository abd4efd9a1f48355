//! The tree of calls, root first: stacks whose frames are the same places share their nodes.
//!
//! Nothing here recurses: stacks may be a hundred thousand frames deep.

use memprof_capture::allocator::Allocator;
use memprof_capture::file::{Site, Tables};
use memprof_capture::ids::{StackId, ThreadId};
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::metric::Metric;
use memprof_replay::processes::{ProcessId, Processes};
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;

use crate::flame_cells::{self, Amounts, Cell};
use crate::node_lookup::{ChildIndex, StackNodes};
use crate::places::{NO_NATIVE_STACK, NO_PYTHON_STACK, PYTHON_RUNTIME, PlaceId, Places};
use crate::process_labels::ProcessLabels;
use crate::rows::indistinguishable;
use crate::stack_views::StackViews;
use crate::thread_labels::ThreadLabels;
use crate::view::Views;

/// The name of the root.
pub const ROOT: &str = "all";

/// The number of a node. Node 0 is the root; parents have lower numbers than their children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The root.
    pub const ROOT: Self = Self(0);

    /// The node as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A call, or a place where memory was allocated.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The caller. The root is its own.
    pub parent: NodeId,
    /// Where.
    pub place: PlaceId,
}

/// What has a node of its own above all that it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// Each process, where there are several.
    #[default]
    ByProcess,
    /// Each thread as well, below its process.
    ByThread,
}

/// The tree of a capture.
pub struct FlameTree {
    nodes: Vec<Node>,
    cells: Vec<Cell>,
    cell_of_slot: Vec<u32>,
    of_process: Vec<Option<NodeId>>,
}

impl FlameTree {
    /// Builds the tree of everything that was allocated, with the frames that some of `views` show.
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
        Self::build_split(tables, places, processes, slots, (views, Split::ByProcess))
    }

    /// The same with a node for each thread, too, where they are split like that.
    #[must_use]
    pub fn build_split(
        tables: &Tables,
        places: &mut Places,
        processes: &Processes,
        slots: &[SlotSummary],
        (views, split): (Views, Split),
    ) -> Self {
        let mut builder = Builder {
            views,
            nodes: Vec::new(),
            children: ChildIndex::default(),
            node_of: StackNodes::new(tables.stacks.len()),
            of_process: vec![None; processes.list().len()],
            of_thread: FxHashMap::default(),
            top: NodeId::ROOT,
        };
        let root = places.special(ROOT);
        builder.push(NodeId::ROOT, root);
        let stack_views = StackViews::of(tables, places);
        let threads = indistinguishable(&tables.threads, slots);
        let thread_of = |slot: &SlotSummary| threads.get(slot.thread.index()).copied().unwrap_or(slot.thread);
        let labels = &ThreadLabels::of(tables, processes);
        let names = &ProcessLabels::of(tables, processes);
        // In the order of stacks, so that the tree depends on the capture only.
        let mut order: Vec<u32> = (0..slots.len() as u32).collect();
        let stack_of = |slot: &SlotSummary| tables.site(slot.site).map(|site| site.stack);
        order.sort_by_cached_key(|&index| (slots[index as usize].process, stack_of(&slots[index as usize]), index));
        // The node of each slot. Cells are made of them when the tree is complete: they are large.
        let mut of_slots: Vec<(NodeId, u32)> = Vec::with_capacity(slots.len());
        for index in order {
            let slot = &slots[index as usize];
            let site = tables.site(slot.site);
            builder.enter_process(places, (processes, names), slot.process);
            if split == Split::ByThread {
                builder.enter_thread(places, labels, slot.process, thread_of(slot));
            }
            let node = match site {
                Some(site) => {
                    let base = builder.base(places, &stack_views, site);
                    builder.stack(tables, places, base, site.stack)
                }
                None => builder.lost(places),
            };
            of_slots.push((node, index));
        }
        drop(stack_views);
        let (nodes, of_process) = builder.finish(&mut of_slots);
        let cell = |(node, index): (NodeId, u32)| {
            let slot = &slots[index as usize];
            Cell {
                node,
                process: slot.process,
                thread: thread_of(slot),
                allocator: tables.site(slot.site).map(|site| site.allocator),
                slot: index,
                amounts: Amounts::of(slot),
            }
        };
        let mut cells: Vec<Cell> = of_slots.into_iter().map(cell).collect();
        let cell_of_slot = flame_cells::merge(&mut cells);
        Self { nodes, cells, cell_of_slot, of_process }
    }

    /// The nodes: each is followed by all that is below it.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What was allocated at the nodes, in their order.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The number of each slot's cell.
    #[must_use]
    pub fn cell_of_slot(&self) -> &[u32] {
        &self.cell_of_slot
    }

    /// The node of each process; nothing for one that allocated nothing, or that is alone.
    #[must_use]
    pub fn of_process(&self) -> &[Option<NodeId>] {
        &self.of_process
    }

    /// By slot: the node that its memory is counted at.
    pub fn of_slot(&self) -> impl Iterator<Item = NodeId> {
        self.cell_of_slot.iter().map(|&cell| self.cells[cell as usize].node)
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
        for cell in &self.cells {
            sums[cell.node.index()].add(cell.amounts.get(metric));
        }
        sums
    }

    /// A figure of each node and everything below it.
    #[must_use]
    pub fn inclusive_by(&self, figure: impl Fn(&Amounts) -> u64) -> Vec<u64> {
        let mut sums = vec![0_u64; self.nodes.len()];
        for cell in &self.cells {
            let sum = &mut sums[cell.node.index()];
            *sum = sum.saturating_add(figure(&cell.amounts));
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

/// The number of each of so many nodes, of which the parents are known, in the order in which a walk down every branch meets them. Parents have lower numbers than
/// their children before and after.
pub(crate) fn preorder(count: usize, parent: impl Fn(usize) -> NodeId) -> Vec<NodeId> {
    // Below each node, itself included.
    let mut sizes = vec![1_u32; count];
    for index in (1..count).rev() {
        sizes[parent(index).index()] += sizes[index];
    }
    let mut numbers = vec![NodeId::ROOT; count];
    // Where the next child of each node will stand.
    let mut next = vec![1_u32; count];
    for index in 1..count {
        let free = &mut next[parent(index).index()];
        numbers[index] = NodeId(*free);
        *free += sizes[index];
        next[index] = numbers[index].0 + 1;
    }
    numbers
}

struct Builder {
    views: Views,
    nodes: Vec<Node>,
    children: ChildIndex,
    node_of: StackNodes,
    of_process: Vec<Option<NodeId>>,
    of_thread: FxHashMap<(ProcessId, ThreadId), NodeId>,
    /// What the stacks of the present process or thread begin below.
    top: NodeId,
}

impl Builder {
    /// The nodes, numbered so that what is below a node follows it directly, those of the processes, and of slots.
    fn finish(self, of_slots: &mut [(NodeId, u32)]) -> (Vec<Node>, Vec<Option<NodeId>>) {
        let Self { nodes, children, node_of, mut of_process, .. } = self;
        // What follows needs as much room again.
        drop((children, node_of));
        let new_numbers = preorder(nodes.len(), |node| nodes[node].parent);
        let renumber = |node: &mut NodeId| *node = new_numbers[node.index()];
        let mut ordered = vec![nodes[0]; nodes.len()];
        for (mut node, number) in nodes.into_iter().zip(&new_numbers) {
            renumber(&mut node.parent);
            ordered[number.index()] = node;
        }
        of_slots.iter_mut().for_each(|(node, _)| renumber(node));
        of_process.iter_mut().flatten().for_each(renumber);
        (ordered, of_process)
    }

    fn push(&mut self, parent: NodeId, place: PlaceId) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { parent, place });
        id
    }

    fn child(&mut self, parent: NodeId, place: PlaceId) -> NodeId {
        self.children.get(&self.nodes, parent, place).unwrap_or_else(|| {
            let child = self.push(parent, place);
            self.children.insert(&self.nodes, child);
            child
        })
    }

    fn lost(&mut self, places: &Places) -> NodeId {
        self.child(self.top, places.lost_stack())
    }

    /// Goes to the node of a process: its own, or the root's where it is alone.
    fn enter_process(
        &mut self,
        places: &mut Places,
        (processes, labels): (&Processes, &ProcessLabels),
        process: ProcessId,
    ) {
        self.top = NodeId::ROOT;
        if !processes.are_several() {
            return;
        }
        self.top = self.of_process[process.index()].unwrap_or_else(|| {
            let pid = processes.get(process).label();
            let place = places.process(&format!("process {pid}: {}", labels.get(process)));
            // Not a child to be found again: two processes may have had the same number.
            let node = self.push(NodeId::ROOT, place);
            self.of_process[process.index()] = Some(node);
            node
        });
    }

    /// Goes on to the node of a thread of the process.
    fn enter_thread(&mut self, places: &mut Places, labels: &ThreadLabels, process: ProcessId, thread: ThreadId) {
        let of_process = self.top;
        self.top = self.of_thread.get(&(process, thread)).copied().unwrap_or_else(|| {
            let place = places.thread(&format!("thread {}", labels.get(thread)));
            // Not a child to be found again: threads of two programs that a process ran may be called the same.
            let node = self.push(of_process, place);
            self.of_thread.insert((process, thread), node);
            node
        });
    }

    /// The node that a site's stack begins below: the top, or what stands in for the stack where a view shows none of
    /// its frames. It stands above the frames, not below, so that one node does for all these stacks.
    fn base(&mut self, places: &mut Places, stack_views: &StackViews, site: Site) -> NodeId {
        let blind = self.views.without(stack_views.shown(site.stack));
        if blind.is_empty() {
            return self.top;
        }
        let is_runtime = stack_views.has_interpreter(site.stack);
        let runtime = if is_runtime { blind.within(Views::BOTH_HYBRID) } else { Views::NONE };
        let no_native = blind.within(Views::NATIVE);
        let no_python = blind.without(runtime).without(no_native);
        let mut base = self.stand_in(self.top, places, PYTHON_RUNTIME, runtime);
        base = self.stand_in(base, places, NO_NATIVE_STACK, no_native);
        base = self.stand_in(base, places, NO_PYTHON_STACK, no_python);
        self.by_allocator(base, places, site.allocator, no_python)
    }

    fn stand_in(&mut self, above: NodeId, places: &mut Places, name: &str, views: Views) -> NodeId {
        if views.is_empty() {
            return above;
        }
        let place = places.special_in(name, views);
        self.child(above, place)
    }

    fn by_allocator(&mut self, above: NodeId, places: &mut Places, allocator: Allocator, views: Views) -> NodeId {
        if views.is_empty() {
            return above;
        }
        let place = places.allocator_in(allocator, views);
        self.child(above, place)
    }

    /// The node of a stack below `base`: from the innermost caller that has one already.
    fn stack(&mut self, tables: &Tables, places: &Places, base: NodeId, stack: StackId) -> NodeId {
        let mut missing = Vec::new();
        let (mut at, mut node) = (stack, base);
        while at != StackId::EMPTY {
            if let Some(known) = self.node_of.get(base, at) {
                node = known;
                break;
            }
            match tables.stack(at).filter(|node| node.parent < at) {
                Some(parent) => {
                    missing.push((at, parent.frame));
                    at = parent.parent;
                }
                None => {
                    // Damage: the callers are unknown.
                    node = self.lost(places);
                    self.node_of.insert(base, at, node);
                    break;
                }
            }
        }
        for (stack, frame) in missing.into_iter().rev() {
            for &place in places.of_frame(frame) {
                if places.get(place).shown.meets(self.views) {
                    node = self.child(node, place);
                }
            }
            self.node_of.insert(base, stack, node);
        }
        node
    }
}
