//! The nodes of all sites of a capture, without processes and threads: they are known before its events are replayed.
//!
//! Nothing here recurses: stacks may be a hundred thousand frames deep.

use memprof_capture::file::{Site, Tables};
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{FrameId, SiteId, StackId};

use crate::naming::places::{NO_NATIVE_STACK, NO_PYTHON_STACK, PYTHON_RUNTIME, PlaceId, Places};
use crate::naming::stack_views::StackViews;
use crate::naming::view::Views;
use crate::sums::node::{Node, NodeId, ROOT};
use crate::sums::node_lookup::{ChildIndex, StackNodes};

/// A node for each place on the stack of each site. Whether anything was allocated there is another question.
pub(crate) struct SiteTree {
    nodes: Vec<Node>,
    of_site: Vec<NodeId>,
    lost: NodeId,
}

impl SiteTree {
    /// Of the frames that some of `views` show: see [`crate::sums::flame_tree::FlameTree::build`].
    ///
    /// The children of a node are in the order of their first sites that are wanted, so that they depend on the capture
    /// and on what is asked of it only. Nobody may ask for the nodes of the others.
    pub(crate) fn of(tables: &Tables, places: &mut Places, views: Views, is_wanted: impl Fn(SiteId) -> bool) -> Self {
        let mut builder = Builder {
            views,
            nodes: Vec::new(),
            children: ChildIndex::default(),
            node_of: StackNodes::new(tables.stacks.len()),
            missing: Vec::new(),
        };
        let root = places.special(ROOT);
        builder.push(NodeId::ROOT, root);
        if tables.sites.contains(&None) {
            builder.lost(places);
        }
        let stack_views = StackViews::of(tables, places);
        let mut node = |site: &Option<Site>| match *site {
            Some(site) => {
                let base = builder.base(places, &stack_views, site);
                match builder.stack(tables, places, base, site.stack) {
                    NodeId::ROOT => builder.machinery(tables, places, site.stack),
                    node => node,
                }
            }
            None => builder.lost(places),
        };
        let all = (0..).map(SiteId).zip(&tables.sites);
        let mut of_site: Vec<NodeId> =
            all.map(|(id, site)| if is_wanted(id) { node(site) } else { NodeId::ROOT }).collect();
        // Of what refers to no row at all. It is no part of a tree unless something does.
        let mut lost = node(&None);
        let Builder { nodes, children, node_of, .. } = builder;
        // What follows needs as much room again.
        drop((children, node_of, stack_views));
        let new_numbers = preorder(nodes.len(), |node| nodes[node].parent);
        let renumber = |node: &mut NodeId| *node = new_numbers[node.index()];
        let mut ordered = vec![nodes[0]; nodes.len()];
        for (mut node, number) in nodes.into_iter().zip(&new_numbers) {
            renumber(&mut node.parent);
            ordered[number.index()] = node;
        }
        of_site.iter_mut().chain([&mut lost]).for_each(renumber);
        Self { nodes: ordered, of_site, lost }
    }

    /// The nodes: each is followed by all that is below it.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node that what is allocated at a site counts at.
    pub(crate) fn of_site(&self, site: SiteId) -> NodeId {
        self.of_site.get(site.index()).copied().unwrap_or(self.lost)
    }

    /// Gives the sites other numbers, by which these nodes are theirs.
    pub(crate) fn renumber_sites(&mut self, of_site: Vec<NodeId>) {
        self.of_site = of_site;
    }

    /// The nodes alone.
    pub(crate) fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }
}

/// The number of each of `count` nodes, of which the parents are known, in the order in which a walk down every branch
/// comes to them. Parents have lower numbers than their children before and after.
pub(crate) fn preorder(count: usize, parent: impl Fn(usize) -> NodeId) -> Vec<NodeId> {
    // Below each node, itself included.
    let mut sizes = vec![1_u32; count];
    for index in (1..count).rev() {
        sizes[parent(index).index()] += sizes[index];
    }
    let mut numbers = vec![NodeId::ROOT; count];
    // The number that the next child of each node will have.
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
    /// The callers on the way to a stack that have no node yet. Empty between two stacks.
    missing: Vec<(StackId, FrameId)>,
}

impl Builder {
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
        self.child(NodeId::ROOT, places.lost_stack())
    }

    /// The node that a site's stack begins below: the root, or the placeholder of the stack where a view shows none of
    /// its frames. It is above the frames, not below, so that one node does for all these stacks.
    fn base(&mut self, places: &mut Places, stack_views: &StackViews, site: Site) -> NodeId {
        let blind = self.views.without(stack_views.shown(site.stack));
        if blind.is_empty() {
            return NodeId::ROOT;
        }
        let is_runtime = stack_views.has_interpreter(site.stack);
        let runtime = if is_runtime { blind.within(Views::BOTH_HYBRID) } else { Views::NONE };
        let no_native = blind.within(Views::NATIVE);
        let no_python = blind.without(runtime).without(no_native);
        let mut base = self.placeholder(NodeId::ROOT, places, PYTHON_RUNTIME, runtime);
        base = self.placeholder(base, places, NO_NATIVE_STACK, no_native);
        base = self.placeholder(base, places, NO_PYTHON_STACK, no_python);
        self.by_allocator(base, places, site.allocator, no_python)
    }

    fn placeholder(&mut self, above: NodeId, places: &mut Places, name: &str, views: Views) -> NodeId {
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

    /// The node of a stack of which only import machinery could be shown, and is not: its innermost frame.
    fn machinery(&mut self, tables: &Tables, places: &Places, stack: StackId) -> NodeId {
        let mut at = stack;
        while let Some(node) = tables.stack(at).filter(|node| node.parent < at) {
            let mut frame = places.of_frame(node.frame).iter();
            if let Some(&place) = frame.rfind(|&&place| places.get(place).is_import_machinery()) {
                return self.child(NodeId::ROOT, place);
            }
            at = node.parent;
        }
        NodeId::ROOT
    }

    /// The node of a stack below `base`: from the innermost caller that has one already.
    fn stack(&mut self, tables: &Tables, places: &Places, base: NodeId, stack: StackId) -> NodeId {
        let (mut at, mut node) = (stack, base);
        while at != StackId::EMPTY {
            if let Some(known) = self.node_of.get(base, at) {
                node = known;
                break;
            }
            match tables.stack(at) {
                Some(parent) => {
                    self.missing.push((at, parent.frame));
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
        while let Some((stack, frame)) = self.missing.pop() {
            for &place in places.of_frame(frame) {
                if places.get(place).shown.intersects(self.views) {
                    node = self.child(node, place);
                }
            }
            self.node_of.insert(base, stack, node);
        }
        node
    }
}
