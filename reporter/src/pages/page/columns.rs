//! Columns of numbers and texts as bytes, for pages with more of them than JSON is good for.
//!
//! A container is the length of its head (u32, little-endian), the head, and the columns one after the other. The head
//! is JSON: `schema`, `head` (all that is no column) and `columns`, which says of each in this order its `name`,
//! `encoding`, `count` (of values), `length` (in bytes), and whether it is `wide`: some value has more than 31 bits.
//!
//! Whole numbers are LEB128. What is done before that is the `encoding`: `unsigned` nothing, `signed` zigzag,
//! `ascending` the difference from the value before. `text` is the lengths of the texts in UTF-16 units, unsigned, then
//! all texts in UTF-8. Columns are compressed together, so that what repeats costs next to nothing.

use std::io::{self, Write};

use serde::Serialize;

/// Columns in the order in which they will be written.
#[derive(Default)]
pub(crate) struct Columns {
    directory: Vec<Column>,
    bytes: Vec<u8>,
}

#[derive(Serialize)]
struct Column {
    name: String,
    encoding: Encoding,
    count: usize,
    length: usize,
    wide: bool,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Unsigned,
    Signed,
    Ascending,
    Text,
}

/// A column that grows together with others. It is given to [`Columns::add`] when it is complete.
#[derive(Default)]
pub(crate) struct GrowingColumn {
    bytes: Vec<u8>,
    count: usize,
    wide: bool,
    is_signed: bool,
}

impl GrowingColumn {
    /// A column of numbers of either sign.
    pub(crate) fn signed() -> Self {
        Self { is_signed: true, ..Self::default() }
    }

    /// Adds a number to a column of numbers that are not negative.
    pub(crate) fn push(&mut self, value: impl Into<u64>) {
        let value = value.into();
        push_leb128(&mut self.bytes, value);
        self.count += 1;
        self.wide |= value > LARGEST_NARROW;
    }

    /// Adds a number to a column of numbers of either sign.
    pub(crate) fn push_signed(&mut self, value: i64) {
        // As it is stored it has one bit more.
        self.push((value << 1 ^ value >> 63) as u64);
    }
}

#[derive(Serialize)]
struct Head<'a, H> {
    schema: &'static str,
    head: &'a H,
    columns: &'a [Column],
}

/// The widest values that go into the page's arrays of 32 bits.
const LARGEST_NARROW: u64 = i32::MAX as u64;

impl Columns {
    /// Adds numbers.
    pub(crate) fn unsigned<V: Into<u64>>(&mut self, name: &str, values: impl IntoIterator<Item = V>) {
        self.numbers(name, Encoding::Unsigned, values.into_iter().map(|value| (value.into(), false)));
    }

    /// Adds a column that has grown.
    pub(crate) fn add(&mut self, name: &str, column: GrowingColumn) {
        let encoding = if column.is_signed { Encoding::Signed } else { Encoding::Unsigned };
        let start = self.bytes.len();
        self.bytes.extend(column.bytes);
        self.enter(name, encoding, column.count, start, column.wide);
    }

    /// Adds numbers each of which may be missing: -1 then.
    pub(crate) fn optional(&mut self, name: &str, values: impl IntoIterator<Item = Option<u32>>) {
        let zigzag = |value: Option<u32>| value.map_or(1, |value| u64::from(value) << 1);
        self.numbers(
            name,
            Encoding::Signed,
            values.into_iter().map(|value| (zigzag(value), value > Some(i32::MAX as u32))),
        );
    }

    /// Adds numbers none of which is less than the one before.
    pub(crate) fn ascending(&mut self, name: &str, values: impl IntoIterator<Item = u32>) {
        let mut last = 0;
        let differences = values.into_iter().map(|value| {
            let difference = value - std::mem::replace(&mut last, value);
            (u64::from(difference), u64::from(value) > LARGEST_NARROW)
        });
        self.numbers(name, Encoding::Ascending, differences);
    }

    /// Adds texts.
    pub(crate) fn text<'t>(&mut self, name: &str, texts: impl Iterator<Item = &'t str> + Clone) {
        let start = self.bytes.len();
        let mut count = 0;
        for text in texts.clone() {
            push_leb128(&mut self.bytes, text.encode_utf16().count() as u64);
            count += 1;
        }
        texts.for_each(|text| self.bytes.extend_from_slice(text.as_bytes()));
        self.enter(name, Encoding::Text, count, start, false);
    }

    /// Numbers as they will be stored, and whether each makes its column wide although it is small.
    fn numbers(&mut self, name: &str, encoding: Encoding, values: impl Iterator<Item = (u64, bool)>) {
        let start = self.bytes.len();
        let (mut count, mut wide) = (0, false);
        for (value, is_wide) in values {
            push_leb128(&mut self.bytes, value);
            count += 1;
            wide |= is_wide || value > LARGEST_NARROW;
        }
        self.enter(name, encoding, count, start, wide);
    }

    fn enter(&mut self, name: &str, encoding: Encoding, count: usize, start: usize, wide: bool) {
        let (name, length) = (name.to_owned(), self.bytes.len() - start);
        self.directory.push(Column { name, encoding, count, length, wide });
    }

    /// Writes the container.
    ///
    /// # Errors
    /// What `out` answers to a write.
    pub(crate) fn write(
        &self,
        schema: &'static str,
        head: &impl Serialize,
        out: &mut (impl Write + ?Sized),
    ) -> io::Result<()> {
        let json = serde_json::to_vec(&Head { schema, head, columns: &self.directory })?;
        // Names of the profiled program make a head long, but not that long.
        let length = u32::try_from(json.len()).map_err(io::Error::other)?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(&json)?;
        out.write_all(&self.bytes)
    }
}

fn push_leb128(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn column(name: &str, encoding: &str, count: usize, length: usize, wide: bool) -> Value {
        json!({"name": name, "encoding": encoding, "count": count, "length": length, "wide": wide})
    }

    #[test]
    fn a_container_is_as_its_page_reads_it() {
        let mut columns = Columns::default();
        columns.unsigned("u", [0_u64, 127, 128, u64::MAX]);
        columns.optional("o", [None, Some(0), Some(64)]);
        columns.ascending("a", [3, 3, 300]);
        columns.text("t", ["", "é", "𝄞x"].into_iter());
        let (mut grown, mut signed) = (GrowingColumn::default(), GrowingColumn::signed());
        [5_u32, 1 << 31].into_iter().for_each(|value| grown.push(value));
        [-1, 1 << 29, -(1 << 30) - 1].into_iter().for_each(|value| signed.push_signed(value));
        columns.add("g", grown);
        columns.add("s", signed);
        let mut out = Vec::new();
        columns.write("test-1", &json!({"x": 1}), &mut out).expect("memory can be written");
        let (length, rest) = out.split_at(4);
        let (head, bytes) = rest.split_at(u32::from_le_bytes(length.try_into().expect("four bytes")) as usize);
        let head: Value = serde_json::from_slice(head).expect("the head is JSON");
        let expected = json!([
            column("u", "unsigned", 4, 14, true),
            column("o", "signed", 3, 4, false),
            column("a", "ascending", 3, 4, false),
            column("t", "text", 3, 10, false),
            column("g", "unsigned", 2, 6, true),
            column("s", "signed", 3, 11, true),
        ]);
        assert_eq!(head, json!({"schema": "test-1", "head": {"x": 1}, "columns": expected}));
        let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        let numbers = [&[0, 127, 0x80, 1][..], &largest, &[1, 0, 0x80, 1], &[3, 0, 0xa9, 2]].concat();
        let grown = [5, 0x80, 0x80, 0x80, 0x80, 8, 1, 0x80, 0x80, 0x80, 0x80, 4, 0x81, 0x80, 0x80, 0x80, 8];
        assert_eq!(bytes, [&numbers[..], &[0, 1, 3], "é𝄞x".as_bytes(), &grown].concat());
    }
}
