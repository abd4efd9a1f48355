//! How much memory a file's tables may take. Numbers in a damaged or hostile file are not trusted: a kilobyte of it
//! could ask for all there is.

use serde::de::DeserializeOwned;

use super::varint;

/// What is left of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    bytes: u64,
}

/// However small a file is, its tables may take this.
const BASE_BYTES: u64 = 256 << 20;
/// And so much for each byte of it. Most tables become 3 to 10 times as large when they are read; a stack takes 28
/// bytes, and may take a tenth of one in the file where stacks are regular.
const BYTES_PER_BYTE: u64 = 256;

impl Allowance {
    /// For a file of this size.
    pub const fn for_file(bytes: u64) -> Self {
        Self { bytes: bytes.saturating_mul(BYTES_PER_BYTE).saturating_add(BASE_BYTES) }
    }

    /// Takes the memory for `rows` rows of this size; nothing when there is not enough.
    pub fn take(&mut self, rows: usize, row_bytes: usize) -> Option<()> {
        self.bytes = self.bytes.checked_sub((rows as u64).checked_mul(row_bytes as u64)?)?;
        Some(())
    }

    /// Takes the length of a list off the front of a payload, if there is room for that many rows.
    pub fn count<T>(&mut self, payload: &mut &[u8]) -> Option<usize> {
        // A row has at least a byte.
        let length = usize::try_from(varint::take(payload)?).ok().filter(|&length| length <= payload.len())?;
        self.take(length, size_of::<T>())?;
        Some(length)
    }

    /// Reads a list, if there is room for its rows.
    pub fn rows<T: DeserializeOwned>(&mut self, mut payload: &[u8]) -> Option<Vec<T>> {
        let length = self.count::<T>(&mut payload)?;
        // Texts in the rows take about as much in memory as in the payload.
        self.take(payload.len(), 1)?;
        // Row by row: a list that grows would take twice as much for a moment.
        let mut rows = Vec::with_capacity(length);
        for _ in 0..length {
            let row;
            (row, payload) = postcard::take_from_bytes(payload).ok()?;
            rows.push(row);
        }
        Some(rows)
    }
}
