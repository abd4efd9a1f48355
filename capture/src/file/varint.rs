//! Numbers in as few bytes as they need: seven bits to a byte, the lowest first (LEB128).

/// Appends `value`.
#[inline]
pub fn push(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number off the front of `bytes`; nothing when they end within it or it exceeds 64 bits.
#[inline]
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(u64::from(first));
    }
    let mut value = u64::from(first & 0x7f);
    for (index, &byte) in rest.iter().enumerate().take(9) {
        let shift = 7 * (index as u32 + 1);
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return None;
        }
        value |= part << shift;
        if byte < 0x80 {
            *bytes = &rest[index + 1..];
            return Some(value);
        }
    }
    None
}

/// Maps numbers near zero, of either sign, to small ones.
#[inline]
#[must_use]
pub const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// The inverse of [`zigzag`].
#[inline]
#[must_use]
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_read_back(value: u64, tail: Vec<u8>) {
            let mut bytes = Vec::new();
            push(&mut bytes, value);
            bytes.extend(&tail);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take(&mut rest), Some(value));
            prop_assert_eq!(rest, tail.as_slice());
        }

        #[test]
        fn a_sign_is_read_back(value: i64) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }

        #[test]
        fn any_bytes_are_a_number_or_nothing(bytes: Vec<u8>) {
            let mut rest = bytes.as_slice();
            if take(&mut rest).is_some() {
                prop_assert!(rest.len() < bytes.len());
            }
        }
    }
}
