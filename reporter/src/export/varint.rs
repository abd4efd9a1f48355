//! Numbers of variable length, as both Protocol Buffers and memray have them: seven bits a byte, the lowest first, with
//! the top bit of every byte but the last one set.

use std::io::{self, Write};

/// Writes an unsigned number.
pub(super) fn write_varint(out: &mut impl Write, mut number: u64) -> io::Result<()> {
    let mut bytes = [0; 10];
    let mut length = 0;
    while number > 0x7f {
        bytes[length] = (number & 0x7f) as u8 | 0x80;
        length += 1;
        number >>= 7;
    }
    bytes[length] = number as u8;
    out.write_all(&bytes[..=length])
}

/// How many bytes an unsigned number takes.
pub(super) fn varint_length(number: u64) -> u64 {
    u64::from(number.checked_ilog2().unwrap_or(0)) / 7 + 1
}

/// A signed number as an unsigned one that is small where its absolute value is.
pub(super) const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_bytes_as_they_need() {
        let bytes = |number| {
            let mut out = Vec::new();
            write_varint(&mut out, number).expect("memory takes it");
            out
        };
        assert_eq!(bytes(0), [0]);
        assert_eq!(bytes(127), [127]);
        assert_eq!(bytes(300), [0xac, 2]);
        assert_eq!(bytes(u64::MAX), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
        for number in [0, 1, 127, 128, 300, 1 << 14, u64::MAX] {
            assert_eq!(varint_length(number), bytes(number).len() as u64, "{number}");
        }
        assert_eq!([0, -1, 1, i64::MIN].map(zigzag), [0, 1, 2, u64::MAX]);
    }
}
