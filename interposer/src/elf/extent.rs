//! Where a module is, of which nothing is known but its first address.

use core::ops::Range;
use core::slice;

use memprof_channel::elf_record::copied;
use object::read::elf::FileHeader as _;

use super::{ENDIAN, FileHeader, ProgramHeader, Segments};

/// Where a module is in memory.
pub struct Extent {
    /// From its first byte to one past its last.
    pub range: Range<usize>,
    /// What was added to the addresses that its file has.
    pub bias: usize,
    /// Its `.eh_frame_hdr`.
    pub eh_frame_header: Option<usize>,
}

impl Extent {
    /// That of the module whose header is at `start`. It may be gone by now: `read` fills a buffer from an address, or
    /// says that it cannot.
    pub fn read(start: usize, read: impl Fn(usize, &mut [u8]) -> bool) -> Option<Self> {
        let header: FileHeader = copied(|bytes| read(start, bytes))?;
        if !header.is_supported() || usize::from(header.e_phentsize.get(ENDIAN)) != size_of::<ProgramHeader>() {
            return None;
        }
        let table = start.checked_add(header.e_phoff.get(ENDIAN) as usize)?;
        let (mut range, mut eh_frame_header) = (None, None);
        for index in 0..usize::from(header.e_phnum.get(ENDIAN)) {
            let at = table.checked_add(index * size_of::<ProgramHeader>())?;
            let header: ProgramHeader = copied(|bytes| read(at, bytes))?;
            let segment = Segments(slice::from_ref(&header));
            range = match (range, segment.extent()) {
                (Some(Range { start, end }), Some(more)) => Some(more.start.min(start)..more.end.max(end)),
                (range, more) => range.or(more),
            };
            eh_frame_header = segment.eh_frame_header().or(eh_frame_header);
        }
        let range = range?;
        let bias = start.wrapping_sub(range.start & !4095);
        Some(Self {
            range: bias.wrapping_add(range.start)..bias.wrapping_add(range.end),
            bias,
            eh_frame_header: eh_frame_header.map(|at| bias.wrapping_add(at)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As an address, this is where the file begins.
    const START: usize = 0x1000_0000;

    fn extent(file: &[u8]) -> Option<Extent> {
        Extent::read(START, |address, bytes| {
            let from = address.checked_sub(START).and_then(|at| file.get(at..)?.get(..bytes.len()));
            from.map(|from| bytes.copy_from_slice(from)).is_some()
        })
    }

    #[test]
    fn a_program_is_where_its_headers_say() {
        let file = std::fs::read("/proc/self/exe").unwrap();
        let whole = extent(&file).unwrap();
        assert_eq!(whole.range.start, START);
        assert!(whole.range.len() > 1 << 16 && whole.range.contains(&whole.eh_frame_header.unwrap()));
        assert!(extent(b"#!/bin/sh").is_none());
        assert!(extent(&file[..64 + 56]).is_none(), "only some of its headers are there");
    }

    #[test]
    fn damaged_headers_do_no_harm() {
        let file = std::fs::read("/proc/self/exe").unwrap();
        for at in 0..1024 {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut damaged = file[..4096].to_vec();
                damaged[at] = byte;
                let _ = extent(&damaged);
            }
        }
    }
}
