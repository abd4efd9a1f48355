//! The heap blocks that are live at a moment of the replay.

use std::collections::HashMap;

use memprof_capture::ids::Address;
use rustc_hash::FxBuildHasher;

use crate::slots::SlotId;

/// A live block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The bytes that were asked for.
    pub size: u64,
    /// What it is attributed to.
    pub slot: SlotId,
}

/// All live heap blocks by address. Every operation is one probe.
#[derive(Default)]
pub struct LiveBlocks {
    blocks: HashMap<u64, Block, FxBuildHasher>,
}

impl LiveBlocks {
    /// Enters a block. What the address held before is returned: its release was not seen.
    #[inline]
    pub fn insert(&mut self, address: Address, block: Block) -> Option<Block> {
        self.blocks.insert(address.0, block)
    }

    /// Takes the block at this address out, if one is live there.
    #[inline]
    pub fn remove(&mut self, address: Address) -> Option<Block> {
        self.blocks.remove(&address.0)
    }

    /// How many are live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.blocks = HashMap::default();
    }
}
