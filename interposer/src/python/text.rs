//! Python's strings as UTF-8, without calling Python.

use super::layout::{Layout, object};
use crate::memory::{MappedVec, OutOfMemory};

/// The characters of a string object, as it stores them.
enum Characters<'a> {
    /// ASCII: already UTF-8.
    Ascii(&'a [u8]),
    Latin1(&'a [u8]),
    Ucs2(&'a [u16]),
    Ucs4(&'a [u32]),
}

/// Appends the string at `address` to `out`. A null pointer and what is no string with characters append nothing.
///
/// # Safety
/// `address` is null or a Python string that stays alive during the call, of an interpreter with this layout.
pub unsafe fn push_utf8(layout: &Layout, address: usize, out: &mut MappedVec<u8>) -> Result<(), OutOfMemory> {
    if address == 0 {
        return Ok(());
    }
    // SAFETY: the caller vouches for the string.
    match unsafe { characters(layout, address) } {
        None => Ok(()),
        Some(Characters::Ascii(text)) => out.extend_from_slice(text),
        Some(Characters::Latin1(text)) => text.iter().try_for_each(|&c| push_character(u32::from(c), out)),
        Some(Characters::Ucs2(text)) => text.iter().try_for_each(|&c| push_character(u32::from(c), out)),
        Some(Characters::Ucs4(text)) => text.iter().try_for_each(|&c| push_character(c, out)),
    }
}

/// # Safety
/// As [`push_utf8`].
unsafe fn characters<'a>(layout: &Layout, address: usize) -> Option<Characters<'a>> {
    // SAFETY: these fields are part of every string object (Include/cpython/unicodeobject.h).
    let (length, state) = unsafe {
        (
            ((address + object::TEXT_LENGTH) as *const usize).read(),
            ((address + object::TEXT_STATE) as *const u32).read(),
        )
    };
    // `struct { unsigned int interned:2, kind:3, compact:1, ascii:1, ... } state`, from the lowest bit.
    let (kind, compact, ascii) = (state >> 2 & 7, state >> 5 & 1 != 0, state >> 6 & 1 != 0);
    let data = match (compact, ascii) {
        (true, true) => address + layout.ascii_header,
        (true, false) => address + layout.compact_header,
        // Of a subclass: a pointer to the characters follows the header.
        // SAFETY: a non-compact string has that pointer.
        (false, _) => unsafe { ((address + layout.compact_header) as *const usize).read() },
    };
    if data == 0 {
        return None;
    }
    // SAFETY: `data` points to `length` characters of the width that `kind` names, which live as long as the string.
    unsafe {
        match kind {
            1 if ascii => Some(Characters::Ascii(core::slice::from_raw_parts(data as *const u8, length))),
            1 => Some(Characters::Latin1(core::slice::from_raw_parts(data as *const u8, length))),
            2 => Some(Characters::Ucs2(core::slice::from_raw_parts(data as *const u16, length))),
            4 => Some(Characters::Ucs4(core::slice::from_raw_parts(data as *const u32, length))),
            _ => None,
        }
    }
}

/// Appends a character. A lone surrogate, as in undecodable file names, becomes three bytes as in WTF-8.
pub fn push_character(character: u32, out: &mut MappedVec<u8>) -> Result<(), OutOfMemory> {
    let tail = |shift: u32| 0x80 | (character >> shift & 0x3f) as u8;
    match character {
        0..0x80 => out.push(character as u8),
        0x80..0x800 => out.extend_from_slice(&[0xc0 | (character >> 6) as u8, tail(0)]),
        0x800..0x1_0000 => out.extend_from_slice(&[0xe0 | (character >> 12) as u8, tail(6), tail(0)]),
        _ => out.extend_from_slice(&[0xf0 | (character >> 18) as u8 & 7, tail(12), tail(6), tail(0)]),
    }
}

/// The bytes of a bytes object.
///
/// # Safety
/// `address` is null or a Python bytes object that outlives the result.
pub unsafe fn bytes<'a>(address: usize) -> &'a [u8] {
    if address == 0 {
        return &[];
    }
    // SAFETY: a bytes object has its length and, from a fixed offset, its bytes (Include/cpython/bytesobject.h).
    unsafe {
        let length = ((address + object::SIZE) as *const usize).read();
        core::slice::from_raw_parts((address + object::BYTES) as *const u8, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::versions;

    #[test]
    fn characters_become_utf8() {
        for text in ["a", "é", "ß", "€", "\u{ffff}", "🦀", "\u{10ffff}"] {
            let mut out = MappedVec::new();
            text.chars().for_each(|c| push_character(u32::from(c), &mut out).unwrap());
            assert_eq!(&out[..], text.as_bytes());
        }
    }

    #[test]
    fn string_objects_are_read_in_every_width() {
        let layout = versions::SAMPLE;
        let read = |kind: u32, ascii: bool, length: u64, data: &[u8]| {
            let header = if ascii { layout.ascii_header } else { layout.compact_header };
            let mut object = vec![0_u64; 64];
            object[object::TEXT_LENGTH / 8] = length;
            object[object::TEXT_STATE / 8] = u64::from(kind << 2 | 1 << 5 | u32::from(ascii) << 6);
            let bytes = object.as_mut_ptr().cast::<u8>();
            let mut out = MappedVec::new();
            // SAFETY: the object is large enough for its header and these few characters, and outlives the call.
            unsafe {
                bytes.add(header).copy_from_nonoverlapping(data.as_ptr(), data.len());
                push_utf8(&layout, object.as_ptr() as usize, &mut out).unwrap();
            }
            String::from_utf8(out.to_vec()).unwrap()
        };
        assert_eq!(read(1, true, 3, b"abc"), "abc");
        assert_eq!(read(1, false, 2, &[0xe9, 0x61]), "éa");
        assert_eq!(read(2, false, 1, &0x20ac_u16.to_le_bytes()), "€");
        assert_eq!(read(4, false, 1, &0x1f980_u32.to_le_bytes()), "🦀");
    }
}
