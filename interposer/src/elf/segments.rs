//! The program headers of a module, and what they say.

use core::ops::Range;

use object::elf::{self, PT_DYNAMIC, PT_GNU_EH_FRAME, PT_INTERP, PT_LOAD, PT_NOTE, ProgramType};

use super::{ENDIAN, ProgramHeader};

/// Program headers. Addresses are in the file's terms.
#[derive(Clone, Copy)]
pub struct Segments<'a>(pub &'a [ProgramHeader]);

impl<'a> Segments<'a> {
    fn of_kind(self, kind: ProgramType) -> impl Iterator<Item = &'a ProgramHeader> {
        self.0.iter().filter(move |header| header.p_type.get(ENDIAN) == kind)
    }

    /// From the first address that is loaded to one past the last; nothing if none is.
    pub fn extent(self) -> Option<Range<usize>> {
        let loaded = || self.of_kind(PT_LOAD).map(addresses);
        let start = loaded().map(|segment| segment.start).min()?;
        Some(start..loaded().map(|segment| segment.end).max()?)
    }

    /// Whether an address is loaded.
    #[cfg(target_arch = "x86_64")]
    pub fn hold(self, address: usize) -> bool {
        self.of_kind(PT_LOAD).any(|header| addresses(header).contains(&address))
    }

    /// Whether an address is in code that nobody may write to.
    #[cfg(target_arch = "x86_64")]
    pub fn hold_plain_code(self, address: usize) -> bool {
        let is_plain = |header: &ProgramHeader| flags(header) == elf::PF_R | elf::PF_X;
        self.of_kind(PT_LOAD).any(|header| is_plain(header) && addresses(header).contains(&address))
    }

    /// Where the code at an address is in the file, up to the end of its segment.
    #[cfg(target_arch = "x86_64")]
    pub fn code_in_file(self, address: usize) -> Option<Range<usize>> {
        self.of_kind(PT_LOAD).filter(|header| flags(header).contains(elf::PF_X)).find_map(|header| {
            let within = address.checked_sub(header.p_vaddr.get(ENDIAN) as usize)?;
            let (offset, bytes) = (header.p_offset.get(ENDIAN) as usize, header.p_filesz.get(ENDIAN) as usize);
            (within < bytes).then_some(offset.checked_add(within)?..offset.checked_add(bytes)?)
        })
    }

    /// The address of the path of the loader that the module asks for.
    pub fn loader(self) -> Option<usize> {
        self.of_kind(PT_INTERP).next().map(|header| addresses(header).start)
    }

    /// The dynamic section.
    pub fn dynamic(self) -> Option<Range<usize>> {
        self.of_kind(PT_DYNAMIC).next().map(addresses)
    }

    /// The `.eh_frame_hdr`.
    pub fn eh_frame_header(self) -> Option<usize> {
        self.of_kind(PT_GNU_EH_FRAME).next().map(|header| addresses(header).start)
    }

    /// The notes: where they are, and what they are aligned to.
    pub fn notes(self) -> impl Iterator<Item = (Range<usize>, u64)> {
        self.of_kind(PT_NOTE).map(|header| (addresses(header), header.p_align.get(ENDIAN)))
    }

    /// Whether these are the program headers of the same build.
    #[cfg(target_arch = "x86_64")]
    pub fn are(self, other: Segments<'_>) -> bool {
        // Physical addresses and alignments say nothing that these do not.
        let parts = |header: &ProgramHeader| {
            let ProgramHeader { p_type, p_flags, p_offset, p_vaddr, p_filesz, p_memsz, .. } = *header;
            (p_type, p_flags, p_offset, p_vaddr, p_filesz, p_memsz)
        };
        self.0.len() == other.0.len() && self.0.iter().map(parts).eq(other.0.iter().map(parts))
    }
}

fn addresses(header: &ProgramHeader) -> Range<usize> {
    let start = header.p_vaddr.get(ENDIAN) as usize;
    // Nothing is in what would go past the end of memory.
    start..start.checked_add(header.p_memsz.get(ENDIAN) as usize).unwrap_or(start)
}

#[cfg(target_arch = "x86_64")]
fn flags(header: &ProgramHeader) -> elf::ProgramFlags {
    header.p_flags.get(ENDIAN)
}
