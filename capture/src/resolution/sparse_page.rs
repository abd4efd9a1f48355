//! The live blocks of a stretch of the program's memory on which there are few: that of large blocks, of which there
//! may be as many as of such stretches.

/// Places of a page, one for each address at which a block can begin.
pub const PLACES: usize = 256;
const _: () = assert!(PLACES == u8::MAX as usize + 1);

/// What is stored at a place without a block.
pub const VACANT: u32 = 0;

/// Most blocks of such a page.
const FEW: usize = 8;

/// The places of a few blocks, and what is stored there.
#[derive(Clone, Copy, Default)]
pub struct SparsePage {
    blocks: u8,
    places: [u8; FEW],
    entries: [u32; FEW],
}

/// The page has no room for another block.
pub struct Full;

impl SparsePage {
    fn position(&self, place: u8) -> Option<usize> {
        self.places[..usize::from(self.blocks)].iter().position(|&known| known == place)
    }

    /// Enters a block, and returns what was there before.
    pub fn enter(&mut self, place: u8, entry: u32) -> Result<u32, Full> {
        if let Some(at) = self.position(place) {
            return Ok(std::mem::replace(&mut self.entries[at], entry));
        }
        let count = usize::from(self.blocks);
        if count == FEW {
            return Err(Full);
        }
        (self.places[count], self.entries[count]) = (place, entry);
        self.blocks += 1;
        Ok(VACANT)
    }

    /// Takes a block away, and returns what was there.
    pub fn take(&mut self, place: u8) -> u32 {
        let Some(at) = self.position(place) else { return VACANT };
        let (before, last) = (self.entries[at], usize::from(self.blocks) - 1);
        (self.places[at], self.entries[at]) = (self.places[last], self.entries[last]);
        self.blocks -= 1;
        before
    }

    /// Whether no block is left.
    pub const fn is_blank(&self) -> bool {
        self.blocks == 0
    }

    /// The place and the entry of each block.
    pub fn blocks(&mut self) -> impl Iterator<Item = (u8, &mut u32)> {
        let count = usize::from(self.blocks);
        self.places[..count].iter().copied().zip(&mut self.entries[..count])
    }
}
