//! Attaches the nodes of sites below those of the processes and threads that allocated there, and leaves the others
//! out.

use std::ops::Range;

use memprof_capture::file::Tables;
use memprof_replay::processes::{ProcessId, Processes};

use crate::naming::places::{PlaceId, Places};
use crate::naming::process_labels::ProcessLabels;
use crate::naming::thread_labels::ThreadLabels;
use crate::sums::actors::{Top, TopId};
use crate::sums::flame_cells::Cells;
use crate::sums::node::{Node, NodeId};
use crate::sums::site_tree::SiteTree;

/// A tree to which the nodes of sites are attached, top by top.
pub(crate) struct AttachedNodes<'a> {
    tables: &'a Tables,
    processes: &'a Processes,
    /// The nodes of sites, in preorder.
    of_sites: Vec<Node>,
    nodes: Vec<Node>,
    of_process: Vec<Option<NodeId>>,
}

impl<'a> AttachedNodes<'a> {
    pub(crate) fn new(sites: SiteTree, (tables, processes): (&'a Tables, &'a Processes)) -> Self {
        let of_sites = sites.into_nodes();
        let nodes = vec![of_sites[NodeId::ROOT.index()]];
        Self { tables, processes, of_sites, nodes, of_process: vec![None; processes.list().len()] }
    }

    /// Gives the cells, which have nodes of sites and are in the order of their tops, their nodes in the tree. Returns
    /// its nodes, in preorder, and those of processes.
    pub(crate) fn run(mut self, places: &mut Places, cells: &mut Cells) -> (Vec<Node>, Vec<Option<NodeId>>) {
        let labels = (&ProcessLabels::of(self.tables, self.processes), &ThreadLabels::of(self.tables, self.processes));
        // The number that a node of sites has below the present top; that of the root where it is not there.
        let mut numbers = vec![NodeId::ROOT; self.of_sites.len()];
        let mut present: Vec<NodeId> = Vec::new();
        for (top, run) in runs(cells) {
            let above = self.enter(places, labels, cells.actors().top(top));
            for key in cells.keys_of(run.clone()) {
                let mut at = key.node;
                while at != NodeId::ROOT && numbers[at.index()] == NodeId::ROOT {
                    present.push(at);
                    // Any number will do until they get their own, in order.
                    numbers[at.index()] = NodeId(1);
                    at = self.of_sites[at.index()].parent;
                }
            }
            present.sort_unstable();
            for &node in &present {
                let Node { parent, place } = self.of_sites[node.index()];
                let parent = if parent == NodeId::ROOT { above } else { numbers[parent.index()] };
                numbers[node.index()] = self.push(parent, place);
            }
            for node in cells.nodes_mut(run) {
                *node = if *node == NodeId::ROOT { above } else { numbers[node.index()] };
            }
            for node in present.drain(..) {
                numbers[node.index()] = NodeId::ROOT;
            }
        }
        (self.nodes, self.of_process)
    }

    fn push(&mut self, parent: NodeId, place: PlaceId) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { parent, place });
        id
    }

    /// The node of a top: the root's for a process that is alone.
    fn enter(
        &mut self,
        places: &mut Places,
        (processes, threads): (&ProcessLabels, &ThreadLabels),
        Top { process, thread }: Top,
    ) -> NodeId {
        let above = self.enter_process(places, processes, process);
        match thread {
            // Not to be found again: threads of two programs that a process ran may be called the same.
            Some(thread) => self.push(above, places.thread(&format!("thread {}", threads.get(thread)))),
            None => above,
        }
    }

    fn enter_process(&mut self, places: &mut Places, labels: &ProcessLabels, process: ProcessId) -> NodeId {
        if !self.processes.are_several() {
            return NodeId::ROOT;
        }
        self.of_process[process.index()].unwrap_or_else(|| {
            let pid = self.processes.get(process).label();
            // Not to be found again either: two processes may have had the same number.
            let place = places.process(&format!("process {pid}: {}", labels.get(process)));
            let node = self.push(NodeId::ROOT, place);
            self.of_process[process.index()] = Some(node);
            node
        })
    }
}

/// The cells of each top.
fn runs(cells: &Cells) -> Vec<(TopId, Range<usize>)> {
    let mut runs: Vec<(TopId, Range<usize>)> = Vec::new();
    for (cell, key) in cells.keys().enumerate() {
        let top = cells.actors().top_of(key.actor);
        match runs.last_mut() {
            Some((last, run)) if *last == top => run.end = cell + 1,
            _ => runs.push((top, cell..cell + 1)),
        }
    }
    runs
}
