//! How large a report will be, said before it is written.
//!
//! Some formats spell out every stack: of a capture of some MiB with deep recursion they make a file of many GiB.

use std::io::{self, Write};

/// A number of bytes, as far as it can be known without writing them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedSize {
    /// This many.
    Exactly(u64),
    /// About this many: more than half, and fewer than twice as many.
    About(u64),
    /// This many when it is unpacked. What is written is smaller.
    Unpacked(u64),
}

/// Where a report goes that may be far larger than its capture. It is given the size before the first byte.
pub trait SizedWrite: Write {
    /// Bytes of this size are about to be written.
    ///
    /// # Errors
    /// When there is no room for it, or nobody would expect that much. Then nothing is to be written.
    fn expect(&mut self, size: ExpectedSize) -> io::Result<()>;
}

/// Memory takes what comes.
impl SizedWrite for Vec<u8> {
    fn expect(&mut self, _: ExpectedSize) -> io::Result<()> {
        Ok(())
    }
}

/// So does what keeps nothing.
impl SizedWrite for io::Sink {
    fn expect(&mut self, _: ExpectedSize) -> io::Result<()> {
        Ok(())
    }
}

/// Counts bytes instead of keeping them.
#[derive(Default)]
pub(crate) struct ByteCount(u64);

impl ByteCount {
    /// How many bytes something writes.
    pub(crate) fn of(write: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<u64> {
        let mut count = Self::default();
        write(&mut count)?;
        Ok(count.0)
    }
}

impl Write for ByteCount {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many digits a number has.
pub(crate) fn digits(number: u64) -> u64 {
    u64::from(number.checked_ilog10().unwrap_or(0)) + 1
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn zero_is_a_digit() {
        assert_eq!([0, 9, 10, 999, 1000, u64::MAX].map(digits), [1, 1, 2, 3, 4, 20]);
    }
}
