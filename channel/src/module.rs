//! How a module is described in the channel: a [`ModulePrefix`], the build id, the path.

/// The fixed part of a description. Numbers are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModulePrefix {
    bytes: [u8; 26],
}

impl ModulePrefix {
    /// The prefix for these facts: what the loader added to the file's own addresses, where the module begins and ends
    /// in memory, whether it holds the Python interpreter, and how long its build id is.
    #[must_use]
    pub fn new(bias: u64, start: u64, end: u64, is_interpreter: bool, build_id_bytes: u8) -> Self {
        let mut bytes = [0; 26];
        bytes[..8].copy_from_slice(&bias.to_le_bytes());
        bytes[8..16].copy_from_slice(&start.to_le_bytes());
        bytes[16..24].copy_from_slice(&end.to_le_bytes());
        bytes[24] = u8::from(is_interpreter);
        bytes[25] = build_id_bytes;
        Self { bytes }
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A description, read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleDescription<'a> {
    /// What the loader added to the addresses that the file's own tables have.
    pub bias: u64,
    /// Its first byte in memory.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
    /// Whether it holds the Python interpreter.
    pub is_interpreter: bool,
    /// The build id; empty where the file has none.
    pub build_id: &'a [u8],
    /// The file, as the loader knows it.
    pub path: &'a [u8],
}

impl<'a> ModuleDescription<'a> {
    /// Reads a description; nothing when it is malformed.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (prefix, rest) = bytes.split_first_chunk::<26>()?;
        let word = |at: usize| Some(u64::from_le_bytes(prefix.get(at..at + 8)?.try_into().ok()?));
        let (build_id, path) = rest.split_at_checked(usize::from(prefix[25]))?;
        Some(Self { bias: word(0)?, start: word(8)?, end: word(16)?, is_interpreter: prefix[24] != 0, build_id, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_as_written() {
        let prefix = ModulePrefix::new(0x7f00_0000_0000, 0x7f00_0000_1000, 0x7f00_0020_0000, true, 3);
        let bytes = [prefix.as_bytes(), b"abc", b"/lib/libc.so.6"].concat();
        let expected = ModuleDescription {
            bias: 0x7f00_0000_0000,
            start: 0x7f00_0000_1000,
            end: 0x7f00_0020_0000,
            is_interpreter: true,
            build_id: b"abc",
            path: b"/lib/libc.so.6",
        };
        assert_eq!(ModuleDescription::parse(&bytes), Some(expected));
        assert_eq!(ModuleDescription::parse(&bytes[..28]), None);
    }
}
