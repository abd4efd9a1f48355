//! Messages of Protocol Buffers, field by field.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>. Fields that are zero or empty are left out, as the
//! format has it; so only what is written takes room, and no message but the one that is being written is in memory.

use std::io::{self, Write};

use crate::export::varint::write_varint;

/// How the value of a field is written, in the low bits of its tag.
const VARINT: u64 = 0;
const LENGTH_DELIMITED: u64 = 2;

/// A message that is being put together.
#[derive(Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

/// Writing to a vector cannot fail.
const INFALLIBLE: &str = "memory takes it";

impl Message {
    /// A number.
    pub(super) fn number(mut self, field: u64, value: u64) -> Self {
        if value != 0 {
            write_varint(&mut self.bytes, field << 3 | VARINT).expect(INFALLIBLE);
            write_varint(&mut self.bytes, value).expect(INFALLIBLE);
        }
        self
    }

    /// A list of numbers, which may be zero.
    pub(super) fn numbers(mut self, field: u64, values: impl IntoIterator<Item = u64>) -> Self {
        let mut packed = Vec::new();
        values.into_iter().for_each(|value| write_varint(&mut packed, value).expect(INFALLIBLE));
        if !packed.is_empty() {
            write_bytes(&mut self.bytes, field, &packed).expect(INFALLIBLE);
        }
        self
    }

    /// A message within this one; once for each element of a list of them.
    pub(super) fn message(mut self, field: u64, message: &Self) -> Self {
        write_bytes(&mut self.bytes, field, &message.bytes).expect(INFALLIBLE);
        self
    }

    /// Writes it as a field of the outermost message.
    pub(super) fn write(&self, field: u64, out: &mut impl Write) -> io::Result<()> {
        write_bytes(out, field, &self.bytes)
    }

    /// Writes the fields of the outermost message that this one has.
    pub(super) fn write_fields(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.bytes)
    }
}

/// Writes a text or message, which may be empty.
pub(super) fn write_bytes(out: &mut impl Write, field: u64, bytes: &[u8]) -> io::Result<()> {
    write_varint(out, field << 3 | LENGTH_DELIMITED)?;
    write_varint(out, bytes.len() as u64)?;
    out.write_all(bytes)
}
