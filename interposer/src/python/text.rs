//! Python's strings as UTF-8, without calling Python.

use super::layout::Layout;
use super::sources::Source;
use crate::memory::{MappedVec, OutOfMemory};

/// The characters of a string object, as it stores them.
struct Characters {
    address: usize,
    count: usize,
    /// Bytes of one.
    width: usize,
    /// They are UTF-8 already.
    are_ascii: bool,
}

/// Appends the string at `address` to `out`, up to `most` characters of it. False if it cannot be read. Nothing is
/// appended for a null pointer, and for an object that is no string with characters.
///
/// # Safety
/// `address` is null or a Python string that may be read in this way during the call, of an interpreter with this
/// layout.
pub unsafe fn push_utf8<S: Source>(
    source: &S,
    layout: &Layout,
    address: usize,
    most: usize,
    out: &mut MappedVec<u8>,
) -> Result<bool, OutOfMemory> {
    if address == 0 {
        return Ok(true);
    }
    // SAFETY: the caller vouches for the string, which its characters live as long as.
    unsafe {
        let Some(Characters { address, count, width, are_ascii }) = characters(source, layout, address) else {
            return Ok(false);
        };
        let count = count.min(most);
        if are_ascii {
            return source.append(address, count, out);
        }
        for index in 0..count {
            let at = address.wrapping_add(index.wrapping_mul(width));
            let character = match width {
                1 => source.read::<u8>(at).map(u32::from),
                2 => source.read::<u16>(at).map(u32::from),
                _ => source.read::<u32>(at),
            };
            let Some(character) = character else { return Ok(false) };
            push_character(character, out)?;
        }
    }
    Ok(true)
}

/// # Safety
/// As [`push_utf8`].
unsafe fn characters<S: Source>(source: &S, layout: &Layout, address: usize) -> Option<Characters> {
    let object = layout.object;
    // SAFETY: these fields are part of every string object (Include/cpython/unicodeobject.h).
    let (count, state) = unsafe {
        (
            source.read::<usize>(address.wrapping_add(object.text_length()))?,
            source.read::<u32>(address.wrapping_add(object.text_state()))?,
        )
    };
    // `struct { interned, unsigned int kind:3, compact:1, ascii:1, ... } state`, from the lowest bit.
    let bits = state >> object.text_kind;
    let (width, compact, are_ascii) = (bits as usize & 7, bits >> 3 & 1 != 0, bits >> 4 & 1 != 0);
    let data = match (compact, are_ascii) {
        (true, true) => address.wrapping_add(layout.ascii_header),
        (true, false) => address.wrapping_add(layout.compact_header),
        // Of a subclass: a pointer to the characters follows the header.
        // SAFETY: a non-compact string has that pointer.
        (false, _) => unsafe { source.read(address.wrapping_add(layout.compact_header))? },
    };
    // Without them it is no string that has characters yet.
    let count = if data == 0 || !matches!(width, 1 | 2 | 4) { 0 } else { count };
    Some(Characters { address: data, count, width, are_ascii: are_ascii && width == 1 })
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

/// Appends the bytes of a bytes object. False if it cannot be read.
///
/// # Safety
/// `address` is null or a Python bytes object that may be read in this way during the call, of an interpreter with this
/// layout.
pub unsafe fn push_bytes<S: Source>(
    source: &S,
    layout: &Layout,
    address: usize,
    out: &mut MappedVec<u8>,
) -> Result<bool, OutOfMemory> {
    if address == 0 {
        return Ok(true);
    }
    // SAFETY: a bytes object has its length and, from a fixed offset, its bytes (Include/cpython/bytesobject.h).
    unsafe {
        let Some(length) = source.read::<usize>(address.wrapping_add(layout.object.size())) else { return Ok(false) };
        source.append(address.wrapping_add(layout.object.bytes()), length, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::memory::OwnMemory;
    use crate::python::layout::ObjectLayout;
    use crate::python::sources::InPlace;
    use crate::python::versions;

    #[test]
    fn characters_become_utf8() {
        for text in ["a", "é", "ß", "€", "\u{ffff}", "🦀", "\u{10ffff}"] {
            let mut out = MappedVec::new();
            text.chars().for_each(|c| push_character(u32::from(c), &mut out).unwrap());
            assert_eq!(&out[..], text.as_bytes());
        }
    }

    /// Reads a string object that has these characters, in both ways.
    fn read(object: ObjectLayout, kind: u32, ascii: bool, length: usize, data: &[u8]) -> String {
        let layout = Layout { object, ..versions::SAMPLE };
        let header = if ascii { layout.ascii_header } else { layout.compact_header };
        let mut words = vec![0_usize; 64];
        words[object.text_length() / 8] = length;
        words[object.text_state() / 8] = (kind | 1 << 3 | u32::from(ascii) << 4) as usize;
        words[object.text_state() / 8] <<= object.text_kind;
        let (bytes, address) = (words.as_mut_ptr().cast::<u8>(), words.as_ptr() as usize);
        let (mut out, mut same) = (MappedVec::new(), MappedVec::new());
        // SAFETY: the object is large enough for its header and these few characters, and outlives the calls.
        unsafe {
            bytes.add(header).copy_from_nonoverlapping(data.as_ptr(), data.len());
            assert_eq!(push_utf8(&InPlace, &layout, address, usize::MAX, &mut out), Ok(true));
            assert_eq!(push_utf8(&OwnMemory::open(), &layout, address, usize::MAX, &mut same), Ok(true));
        }
        assert_eq!(out[..], same[..]);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn string_objects_are_read_in_every_width() {
        for object in [ObjectLayout::WITH_LOCK, ObjectLayout::FREE_THREADED] {
            assert_eq!(read(object, 1, true, 3, b"abc"), "abc");
            assert_eq!(read(object, 1, false, 2, &[0xe9, 0x61]), "éa");
            assert_eq!(read(object, 2, false, 1, &0x20ac_u16.to_le_bytes()), "€");
            assert_eq!(read(object, 4, false, 1, &0x1f980_u32.to_le_bytes()), "🦀");
        }
    }

    #[test]
    fn what_is_not_there_is_no_string() {
        let mut out = MappedVec::new();
        let (memory, layout) = (OwnMemory::open(), versions::SAMPLE);
        // SAFETY: through the kernel any address may be read.
        let mut read = |address| unsafe {
            (
                push_utf8(&memory, &layout, address, 10, &mut out).unwrap(),
                push_bytes(&memory, &layout, address, &mut out).unwrap(),
            )
        };
        assert_eq!(read(0), (true, true));
        assert_eq!(read(16), (false, false));
        assert_eq!(read(usize::MAX - 7), (false, false));
        assert!(out.is_empty());
    }
}
