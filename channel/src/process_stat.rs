//! `/proc/PID/stat` (proc(5)): numbers that come after a name, which may hold any bytes.

/// A field by its number in proc(5), from 3 on: nothing where it is not there. (Field 2, the name, is in brackets and
/// may hold brackets itself; no field after it does.)
#[must_use]
pub fn field(stat: &[u8], number: usize) -> Option<&[u8]> {
    let after_name = stat.get(stat.iter().rposition(|&byte| byte == b')')? + 1..)?;
    let mut fields = after_name.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    fields.nth(number.checked_sub(3)?)
}

/// Likewise, a field that is a number.
#[must_use]
pub fn number<T: core::str::FromStr>(stat: &[u8], number: usize) -> Option<T> {
    core::str::from_utf8(field(stat, number)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_after_any_name() {
        let stat = b"12 (a) b (c) S 7 -1 12 0\n";
        assert_eq!(field(stat, 3), Some(&b"S"[..]));
        assert_eq!((number(stat, 4), number(stat, 5), number(stat, 7)), (Some(7), Some(-1), Some(0)));
        assert_eq!((field(stat, 8), field(stat, 2), field(b"12 (a", 3), field(b"", 3)), (None, None, None, None));
        assert_eq!(number::<u32>(stat, 3), None);
    }
}
