//! The tree that is shown: calls with what they and everything below them allocated, found as they are asked for.
//!
//! Nothing here recurses: stacks may be a hundred thousand frames deep.

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;

use super::branches::{Branches, Position};
use super::folding::Role;
use crate::naming::places::{PlaceId, Places};
use crate::sums::flame_tree::FlameTree;
use crate::sums::rows::Ranking;

/// The number of a call in its tree. The root is the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u32);

impl CallId {
    /// Everything.
    pub const ROOT: Self = Self(0);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node of the call tree represents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// Calls of one line.
    Call(PlaceId),
    /// What the node above allocated itself, beside the calls that it made. In an inverted tree, what had no caller.
    Own,
    /// Calls that are folded.
    Hidden {
        /// How many there are.
        frames: u32,
        /// Whether the import machinery is all that they are.
        machinery: bool,
    },
}

/// A node of the call tree.
#[derive(Clone, Debug)]
pub struct Call {
    /// The node above; the root is its own.
    pub parent: CallId,
    /// What it is.
    pub what: What,
    /// What passed through it.
    pub amount: Amount,
    /// The part of it that has nothing below.
    pub own: Amount,
    /// How many nodes there are above.
    pub depth: u32,
    /// Whether any of it is among the largest allocations, if the tree is about these.
    pub kept: bool,
    /// What is below may be folded with it: it is a frame of a library.
    in_library: bool,
    /// Nothing below is folded.
    unfolded: bool,
    children: Children,
    positions: Vec<Position>,
}

#[derive(Clone, Copy, Debug)]
enum Children {
    NotYet,
    Known { first: u32, count: u32 },
}

impl Call {
    /// Whether there is anything below.
    #[must_use]
    pub fn has_children(&self) -> bool {
        self.own != self.amount
    }
}

/// Calls of one place that are about to become a node.
struct Group {
    place: PlaceId,
    positions: Vec<Position>,
}

/// A node that is about to be entered.
struct Draft {
    what: What,
    positions: Vec<Position>,
    amount: Amount,
    own: Amount,
    kept: bool,
    in_library: bool,
}

/// What a call tree is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Direction {
    /// Which memory it shows.
    pub metric: Metric,
    /// Which calls come first.
    pub ranking: Ranking,
    /// Whether callers are below what they call.
    pub inverted: bool,
    /// How many of the largest allocations are kept; all where nothing is said.
    pub biggest: Option<usize>,
}

/// The call tree of one metric.
pub struct CallTree {
    branches: Branches,
    ranking: Ranking,
    /// By place.
    roles: Vec<Role>,
    calls: Vec<Call>,
    memory: Memory,
}

/// What a tree remembers of a node once it knows what is below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Everything: somebody may fold and unfold it, or look for what leads on.
    Whole,
    /// What is printed. In an inverted tree a node represents as many positions as stacks pass through it, so that with
    /// deep recursion all of them are the square of the depth.
    Printed,
}

impl CallTree {
    /// The tree of these stacks, with nothing but its root. `roles` says by place what is folded.
    pub(crate) fn new(tree: &FlameTree, direction: Direction, roles: Vec<Role>, memory: Memory) -> Self {
        let branches = Branches::of(tree, direction.metric, direction.inverted, direction.biggest);
        let (amount, own) =
            (branches.total(), if direction.inverted { Amount::default() } else { branches.own_amounts()[0] });
        let root = Call {
            parent: CallId::ROOT,
            what: What::Call(branches.place(crate::sums::node::NodeId::ROOT)),
            amount,
            own,
            depth: 0,
            kept: true,
            in_library: false,
            unfolded: false,
            children: Children::NotYet,
            positions: Vec::new(),
        };
        Self { branches, ranking: direction.ranking, roles, calls: vec![root], memory }
    }

    /// A node.
    #[must_use]
    pub fn get(&self, call: CallId) -> &Call {
        &self.calls[call.index()]
    }

    /// How many nodes have been asked for so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// There is always a root.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// How calls are ranked.
    #[must_use]
    pub const fn ranking(&self) -> Ranking {
        self.ranking
    }

    /// What it is made of.
    #[must_use]
    pub const fn branches(&self) -> &Branches {
        &self.branches
    }

    /// The positions that a node represents. Those of a fold are what comes after it.
    #[must_use]
    pub fn positions(&self, call: CallId) -> &[Position] {
        &self.get(call).positions
    }

    /// What is below a node, the largest first.
    pub fn children(
        &mut self,
        call: CallId,
        places: &Places,
    ) -> impl DoubleEndedIterator<Item = CallId> + Clone + use<> {
        if matches!(self.get(call).children, Children::NotYet) {
            let drafts = self.drafts(call, places);
            self.enter(call, drafts);
        }
        let Children::Known { first, count } = self.get(call).children else { unreachable!("they were just entered") };
        (first..first + count).map(CallId)
    }

    /// Whether a node is all that is below one of the same place: a function that does nothing but call itself.
    #[must_use]
    pub fn repeats(&self, call: CallId) -> bool {
        let (call, above) = (self.get(call), self.get(self.get(call).parent));
        call.what == above.what && call.amount == above.amount
    }

    /// Shows what is folded right below a node and in its library calls, or folds it again.
    pub fn set_unfolded(&mut self, call: CallId, unfolded: bool) {
        let call = &mut self.calls[call.index()];
        call.unfolded = unfolded;
        call.children = Children::NotYet;
    }

    /// Whether nothing below a node is folded.
    #[must_use]
    pub fn is_unfolded(&self, call: CallId) -> bool {
        self.get(call).unfolded
    }

    fn role(&self, place: PlaceId) -> Role {
        self.roles.get(place.index()).copied().unwrap_or(Role::Shown)
    }

    fn drafts(&self, call: CallId, places: &Places) -> Vec<Draft> {
        let node = self.get(call);
        if !node.has_children() {
            return Vec::new();
        }
        let mut found = Vec::new();
        match (call, node.what) {
            (CallId::ROOT, _) => self.branches.roots(&mut found),
            (_, What::Hidden { .. }) => {
                found.extend(self.positions(call).iter().map(|&position| (self.branches.place(position.at), position)));
            }
            _ => self.positions(call).iter().for_each(|&position| self.branches.after(position, &mut found)),
        }
        let (mut drafts, mut folded) = (Vec::new(), Vec::new());
        for group in grouped(found) {
            let role = self.role(group.place);
            let hides = match role {
                Role::Shown => false,
                Role::Library => node.in_library,
                Role::Machinery => true,
            };
            if hides && !node.unfolded {
                folded.push(group);
            } else {
                drafts.push(self.draft(group, role == Role::Library));
            }
        }
        drafts.extend(self.fold(folded, node.in_library));
        if !node.own.is_zero() && !drafts.is_empty() {
            let (what, own) = (What::Own, node.own);
            drafts.push(Draft { what, positions: Vec::new(), amount: own, own, kept: node.kept, in_library: false });
        }
        let key = |draft: &Draft| {
            let name = match draft.what {
                What::Call(place) => (0, places.file(place), places.line(place), places.function(place)),
                What::Hidden { .. } => (1, "", 0, ""),
                What::Own => (2, "", 0, ""),
            };
            (std::cmp::Reverse(self.ranking.key(draft.amount)), name)
        };
        drafts.sort_by(|a, b| key(a).cmp(&key(b)));
        drafts
    }

    fn draft(&self, group: Group, in_library: bool) -> Draft {
        let (mut amount, mut own, mut kept) = (Amount::default(), Amount::default(), false);
        for &position in &group.positions {
            amount.add(position.amount);
            own.add(self.branches.ending(position));
            kept |= position.kept;
        }
        Draft { what: What::Call(group.place), positions: group.positions, amount, own, kept, in_library }
    }

    /// One node for all these calls and what they call in turn, up to what is shown. A single frame is no shorter when
    /// it is folded.
    fn fold(&self, groups: Vec<Group>, in_library: bool) -> Option<Draft> {
        let is_hidden = |role| role == Role::Machinery || (in_library && role == Role::Library);
        let (mut amount, mut own, mut kept) = (Amount::default(), Amount::default(), false);
        let (mut frames, mut machinery) = (0_u32, true);
        for position in groups.iter().flat_map(|group| &group.positions) {
            amount.add(position.amount);
            kept |= position.kept;
        }
        let (mut waiting, mut shown, mut found) = (groups, Vec::new(), Vec::new());
        let mut single = None;
        while let Some(group) = waiting.pop() {
            frames += 1;
            machinery &= self.role(group.place) == Role::Machinery;
            for &position in &group.positions {
                own.add(self.branches.ending(position));
                self.branches.after(position, &mut found);
            }
            shown
                .extend(found.extract_if(.., |(place, _)| !is_hidden(self.role(*place))).map(|(_, position)| position));
            waiting.extend(grouped(std::mem::take(&mut found)));
            single = (frames == 1).then_some(group);
        }
        if let Some(group) = single {
            return Some(self.draft(group, in_library));
        }
        let what = What::Hidden { frames, machinery };
        (frames > 0).then_some(Draft { what, positions: shown, amount, own, kept, in_library: false })
    }

    fn enter(&mut self, parent: CallId, drafts: Vec<Draft>) {
        let (first, count) = (self.calls.len() as u32, drafts.len() as u32);
        let (depth, unfolded) = (self.get(parent).depth + 1, self.get(parent).unfolded);
        for draft in drafts {
            let Draft { what, positions, amount, own, kept, in_library } = draft;
            self.calls.push(Call {
                parent,
                what,
                amount,
                own,
                depth,
                kept,
                in_library,
                unfolded: unfolded && in_library,
                children: Children::NotYet,
                positions,
            });
        }
        let parent = &mut self.calls[parent.index()];
        parent.children = Children::Known { first, count };
        if self.memory == Memory::Printed {
            parent.positions = Vec::new();
        }
    }
}

/// The positions by place, each node once.
fn grouped(mut found: Vec<(PlaceId, Position)>) -> Vec<Group> {
    found.sort_unstable_by_key(|&(place, position)| (place, position.at));
    let mut groups: Vec<Group> = Vec::new();
    for (place, position) in found {
        match groups.last_mut() {
            Some(group) if group.place == place => match group.positions.last_mut() {
                Some(last) if last.at == position.at => {
                    last.amount.add(position.amount);
                    last.kept |= position.kept;
                }
                _ => group.positions.push(position),
            },
            _ => groups.push(Group { place, positions: vec![position] }),
        }
    }
    groups
}
