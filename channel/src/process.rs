//! How a process is described in the channel: a [`ProcessPrefix`], then its arguments, each with a NUL after it.

/// The fixed part of a description. Numbers are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessPrefix {
    bytes: [u8; 8],
}

impl ProcessPrefix {
    /// The prefix for a process with this parent. `forked_from` is the image that it is a copy of; 0 where it began as
    /// a new program.
    #[must_use]
    pub fn new(parent: u32, forked_from: u32) -> Self {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&parent.to_le_bytes());
        bytes[4..].copy_from_slice(&forked_from.to_le_bytes());
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
pub struct ProcessDescription<'a> {
    /// The process that started it.
    pub parent: u32,
    /// The image that it is a copy of, if it is one.
    pub forked_from: Option<u32>,
    /// Its arguments, each with a NUL after it; cut off where there are very many.
    pub arguments: &'a [u8],
}

impl<'a> ProcessDescription<'a> {
    /// Reads a description; nothing when it is malformed.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (prefix, arguments) = bytes.split_first_chunk::<8>()?;
        let [a, b, c, d, e, f, g, h] = *prefix;
        let forked_from = Some(u32::from_le_bytes([e, f, g, h])).filter(|&image| image != 0);
        Some(Self { parent: u32::from_le_bytes([a, b, c, d]), forked_from, arguments })
    }

    /// The arguments as texts. Bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn command_line(&self) -> Vec<String> {
        let whole = self.arguments.strip_suffix(b"\0").unwrap_or(self.arguments);
        if whole.is_empty() {
            return Vec::new();
        }
        whole.split(|&byte| byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_as_written() {
        let bytes = [ProcessPrefix::new(77, 3).as_bytes(), b"python3\0-c\0\0pass\0"].concat();
        let read = ProcessDescription::parse(&bytes).unwrap();
        assert_eq!((read.parent, read.forked_from), (77, Some(3)));
        assert_eq!(read.command_line(), ["python3", "-c", "", "pass"]);
        let prefix = ProcessPrefix::new(1, 0);
        let empty = ProcessDescription::parse(prefix.as_bytes()).unwrap();
        assert_eq!((empty.forked_from, empty.command_line().len()), (None, 0));
        assert_eq!(ProcessDescription::parse(&bytes[..7]), None);
    }
}
