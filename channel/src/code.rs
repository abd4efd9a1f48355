//! How a code object is described in the channel: `first_line: u32`, `table_format: u8`, then four texts or tables
//! (name, qualified name, file, line table), each a `u32` length and its bytes. Numbers are little-endian; names are
//! UTF-8, with lone surrogates as in WTF-8.

/// How a code object's instruction offsets are mapped to lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum LineTableFormat {
    /// `co_lnotab`: CPython 3.9 (Objects/lnotab_notes.txt).
    Lnotab = 1,
    /// `co_linetable` of CPython 3.10 (PEP 626).
    Lines = 2,
    /// `co_linetable` from CPython 3.11 (Objects/locations.md): lines and columns.
    Locations = 3,
}

impl LineTableFormat {
    /// The format with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Lnotab),
            2 => Some(Self::Lines),
            3 => Some(Self::Locations),
            _ => None,
        }
    }
}

/// The fixed part of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePrefix {
    bytes: [u8; 5],
}

impl CodePrefix {
    /// The prefix for these facts.
    #[must_use]
    pub const fn new(first_line: u32, format: LineTableFormat) -> Self {
        let line = first_line.to_le_bytes();
        Self { bytes: [line[0], line[1], line[2], line[3], format as u8] }
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A description, read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeDescription<'a> {
    /// The line of its `def`.
    pub first_line: u32,
    /// The format of `line_table`.
    pub format: LineTableFormat,
    /// `co_name`.
    pub name: &'a [u8],
    /// `co_qualname`, or the name again where Python has none.
    pub qualified_name: &'a [u8],
    /// `co_filename`.
    pub file: &'a [u8],
    /// The line table.
    pub line_table: &'a [u8],
}

impl<'a> CodeDescription<'a> {
    /// Reads a description; nothing when it is malformed.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (line, rest) = bytes.split_first_chunk::<4>()?;
        let (&format, mut rest) = rest.split_first()?;
        let mut text = || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = after;
            Some(text)
        };
        Some(Self {
            first_line: u32::from_le_bytes(*line),
            format: LineTableFormat::from_number(format)?,
            name: text()?,
            qualified_name: text()?,
            file: text()?,
            line_table: text()?,
        })
    }
}
