//! A loaded module in memory.

use core::marker::PhantomData;
use core::ops::Range;

use object::elf::{ELF_NOTE_GNU, NT_GNU_BUILD_ID};
use object::pod::{Pod, slice_from_all_bytes};
use object::read::elf::{FileHeader as _, NoteIterator};

use super::{ENDIAN, FileHeader, ProgramHeader, Segments};

/// A module in memory. Of what it says, nothing is read that is outside of it.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    start: usize,
    end: usize,
    /// What was added to the addresses that the file has.
    bias: usize,
    loaded: PhantomData<&'a [u8]>,
}

impl<'a> Image<'a> {
    /// The module that was loaded there.
    ///
    /// # Safety
    /// It stays there for the lifetime of this, and what it says of its headers, notes and symbols is true: these can
    /// be read, and nobody changes them.
    pub const unsafe fn new(range: Range<usize>, bias: usize) -> Self {
        Self { start: range.start, end: range.end, bias, loaded: PhantomData }
    }

    /// Where an address of the file's is.
    pub fn loaded(&self, address: usize) -> usize {
        self.bias.wrapping_add(address)
    }

    /// What was added to the addresses that the file has.
    pub fn bias(&self) -> usize {
        self.bias
    }

    /// `count` records at an address, if they lie within the module.
    pub fn records<T: Pod>(&self, address: usize, count: usize) -> Option<&'a [T]> {
        let length = count.checked_mul(size_of::<T>())?;
        let end = address.checked_add(length)?;
        if address < self.start || end > self.end {
            return None;
        }
        // SAFETY: they lie within the module, and the caller of `new` vouches that they stay there and do not change.
        slice_from_all_bytes(unsafe { core::slice::from_raw_parts(address as *const u8, length) }).ok()
    }

    /// The record at an address.
    pub fn record<T: Pod>(&self, address: usize) -> Option<&'a T> {
        self.records(address, 1)?.first()
    }

    fn header(&self) -> Option<&'a FileHeader> {
        self.record::<FileHeader>(self.start).filter(|header| header.is_supported())
    }

    fn segments(&self) -> Option<Segments<'a>> {
        let header = self.header()?;
        if usize::from(header.e_phentsize.get(ENDIAN)) != size_of::<ProgramHeader>() {
            return None;
        }
        let table = self.start.checked_add(header.e_phoff.get(ENDIAN) as usize)?;
        self.records(table, usize::from(header.e_phnum.get(ENDIAN))).map(Segments)
    }

    /// Where its first instruction is.
    pub fn entry(&self) -> Option<usize> {
        Some(self.loaded(self.header()?.e_entry.get(ENDIAN) as usize))
    }

    /// Its build id.
    pub fn build_id(&self) -> Option<&'a [u8]> {
        self.segments()?.notes().find_map(|(range, align)| {
            let notes = self.records(self.loaded(range.start), range.len())?;
            build_id_among(notes, align)
        })
    }
}

fn build_id_among(notes: &[u8], align: u64) -> Option<&[u8]> {
    let mut notes = NoteIterator::<FileHeader>::new(ENDIAN, align, notes).ok()?;
    while let Ok(Some(note)) = notes.next() {
        if note.n_type(ENDIAN) == NT_GNU_BUILD_ID && note.name() == ELF_NOTE_GNU {
            return Some(note.desc());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_ids_are_read_from_notes() {
        let mut notes = Vec::new();
        for (name, kind, content) in [(b"GNU\0", 1_u32, &b"abcd"[..]), (b"GNU\0", 3, b"\x01\x02\x03\x04\x05")] {
            notes.extend(4_u32.to_le_bytes());
            notes.extend((content.len() as u32).to_le_bytes());
            notes.extend(kind.to_le_bytes());
            notes.extend(name);
            notes.extend(content);
            notes.resize(notes.len().next_multiple_of(4), 0);
        }
        assert_eq!(build_id_among(&notes, 4), Some(&b"\x01\x02\x03\x04\x05"[..]));
        assert_eq!(build_id_among(&notes[..20], 4), None);
        assert_eq!(build_id_among(&[0xff; 40], 4), None);
    }

    #[test]
    fn nothing_is_read_outside_of_a_module() {
        let words = [1_u32, 2, 3, 4];
        let start = words.as_ptr().addr();
        // SAFETY: the words stay as they are.
        let image = unsafe { Image::new(start..start + 16, 0) };
        assert_eq!(image.records::<u32>(start + 4, 3), Some(&words[1..]));
        assert_eq!(image.records::<u32>(start + 4, 4), None);
        assert_eq!(image.records::<u32>(start - 4, 1), None);
        assert_eq!(image.records::<u32>(start + 2, 1), None);
        assert_eq!(image.records::<u32>(start, usize::MAX), None);
        assert!(image.entry().is_none() && image.build_id().is_none());
    }
}
