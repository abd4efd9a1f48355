//! Descriptions of code objects that a thread has seen for the first time. They are copied while its frames are read,
//! and emitted afterwards: no thread waits for the recorder while it reads what another thread may be about to free.

use super::codes::{CodeNumber, CodeTable};
use crate::address_table::NotInserted;
use crate::channel::Channel;
use crate::lock::Recording;
use crate::memory::{MappedVec, OutOfMemory, Plain};
use crate::stop::Stop;

#[derive(Clone, Copy)]
#[repr(C)]
struct Description {
    /// The code object.
    address: usize,
    number: CodeNumber,
    unused: u32,
    /// One past its last byte.
    end: usize,
}

// SAFETY: integers, without padding.
unsafe impl Plain for Description {}

/// Some of them, each with the number that the code object will be known by.
pub struct Descriptions {
    list: MappedVec<Description>,
    bytes: MappedVec<u8>,
}

impl Descriptions {
    /// None.
    pub const fn new() -> Self {
        Self { list: MappedVec::new(), bytes: MappedVec::new() }
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of a code object, if it is one of them.
    pub fn number_of(&self, address: usize) -> Option<CodeNumber> {
        self.list.iter().find(|description| description.address == address).map(|description| description.number)
    }

    /// Adds one, in pieces.
    pub fn push(&mut self, address: usize, number: CodeNumber, pieces: &[&[u8]]) -> Result<(), OutOfMemory> {
        for piece in pieces {
            self.bytes.extend_from_slice(piece)?;
        }
        self.list.push(Description { address, number, unused: 0, end: self.bytes.len() })
    }

    /// Drops all.
    pub fn clear(&mut self) {
        self.list.truncate(0);
        self.bytes.truncate(0);
    }

    /// Emits all descriptions, and then lets other threads use the numbers of what is still alive. Returns whether all
    /// of them are known now: of one that is not, the deallocation will not be seen. Two threads may describe the same
    /// code object at the same time, each under a number of its own; the recorder finds that they are the same.
    #[cold]
    #[inline(never)]
    pub fn emit(
        &mut self,
        codes: &CodeTable,
        channel: &mut Channel,
        recording: &mut Recording,
        is_alive: impl Fn() -> bool,
    ) -> Result<bool, Stop> {
        let (mut start, mut all) = (0, true);
        for &Description { address, number, end, .. } in self.list.iter() {
            channel.writer(recording).code(number, &[&self.bytes[start..end]])?;
            match codes.insert(address, number, recording, &is_alive) {
                Ok(is_known) => all &= is_known,
                // It is described once more when it is seen again.
                Err(NotInserted::Busy) => all = false,
                Err(NotInserted::OutOfMemory) => return Err(OutOfMemory.into()),
            }
            start = end;
        }
        self.clear();
        Ok(all)
    }
}
