//! The nodes of a tree of calls.

use crate::naming::places::PlaceId;

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
