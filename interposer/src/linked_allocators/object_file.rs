//! The symbol table of a module, read from its file.
//!
//! The file is mapped while it is looked at, and what it says is believed only where it is the file that was loaded.

use core::ffi::CStr;
use core::mem::{align_of, size_of};
use core::ptr::NonNull;
use core::slice;

use libc::{Elf64_Ehdr, Elf64_Phdr, Elf64_Shdr, Elf64_Sym};
use memprof_channel::kept_errno::KeptErrno;

use crate::platform::memory::{map_file, unmap};
use crate::platform::quiet_file::QuietFile;

/// Types of which any bytes are a value.
///
/// # Safety
/// Implement it only for those.
unsafe trait Record {}
// SAFETY: integers.
unsafe impl Record for Elf64_Ehdr {}
// SAFETY: integers.
unsafe impl Record for Elf64_Phdr {}
// SAFETY: integers.
unsafe impl Record for Elf64_Shdr {}
// SAFETY: integers.
unsafe impl Record for Elf64_Sym {}

const SYMBOLS: u32 = 2;
const DYNAMIC_SYMBOLS: u32 = 11;
const FUNCTION: u8 = 2;

/// A mapped ELF file.
pub struct ObjectFile {
    start: NonNull<u8>,
    bytes: usize,
}

/// A function that a file defines.
#[derive(Clone, Copy)]
pub struct Symbol<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its address in the file's terms.
    pub address: usize,
    /// How many bytes it has.
    pub size: usize,
}

impl ObjectFile {
    /// Maps a file.
    pub fn open(path: &CStr) -> Option<Self> {
        let _errno = KeptErrno::new();
        let file = QuietFile::open(path)?;
        let bytes = file.bytes().filter(|&bytes| bytes > 0)?;
        Some(Self { start: map_file(bytes, file.descriptor())?, bytes })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping has this length and lives as long as this. Whoever shortens the file of a loaded module
        // breaks the program in any case.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    /// So many records at an offset.
    fn records<T: Record>(&self, offset: usize, count: usize) -> Option<&[T]> {
        let bytes = self.bytes().get(offset..)?.get(..count.checked_mul(size_of::<T>())?)?;
        if !bytes.as_ptr().addr().is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: they lie within the mapping, are aligned, and any bytes are a value.
        Some(unsafe { slice::from_raw_parts(bytes.as_ptr().cast(), count) })
    }

    fn header(&self) -> Option<&Elf64_Ehdr> {
        let header = self.records::<Elf64_Ehdr>(0, 1)?.first()?;
        (header.e_ident[..5] == *b"\x7fELF\x02").then_some(header)
    }

    fn program_headers(&self) -> Option<&[Elf64_Phdr]> {
        let header = self.header()?;
        self.records(header.e_phoff as usize, usize::from(header.e_phnum))
    }

    /// Whether this is the file of a module that was loaded with these program headers.
    pub fn has_program_headers(&self, loaded: &[Elf64_Phdr]) -> bool {
        self.program_headers().is_some_and(|own| {
            own.len() == loaded.len()
                && own.iter().zip(loaded).all(|(own, loaded)| {
                    (own.p_type, own.p_flags, own.p_offset, own.p_vaddr, own.p_filesz, own.p_memsz)
                        == (
                            loaded.p_type,
                            loaded.p_flags,
                            loaded.p_offset,
                            loaded.p_vaddr,
                            loaded.p_filesz,
                            loaded.p_memsz,
                        )
                })
        })
    }

    /// The code at an address of the file's terms.
    pub fn code(&self, address: usize, length: usize) -> Option<&[u8]> {
        let segment = self.program_headers()?.iter().find(|segment| {
            segment.p_type == libc::PT_LOAD
                && segment.p_flags & libc::PF_X != 0
                && address.checked_sub(segment.p_vaddr as usize).is_some_and(|at| at < segment.p_filesz as usize)
        })?;
        let within = address - segment.p_vaddr as usize;
        let length = length.min(segment.p_filesz as usize - within);
        self.bytes().get(segment.p_offset as usize + within..)?.get(..length)
    }

    /// The functions that the file defines, of which `wanted` accepts the beginning of the name, and their places in the
    /// file's symbol table; in that for dynamic linking where it has no other. None if it has neither.
    pub fn functions<'a>(&'a self, wanted: impl Fn([u8; 4]) -> bool + 'a) -> impl Iterator<Item = (usize, Symbol<'a>)> {
        let (symbols, names) = self.symbol_table().unwrap_or_default();
        let functions = symbols.iter().enumerate().filter(move |(_, symbol)| {
            let is_defined = symbol.st_info & 0xf == FUNCTION && symbol.st_shndx != 0;
            let beginning = names.get(symbol.st_name as usize..).and_then(|name| name.first_chunk());
            is_defined && beginning.is_some_and(|beginning| wanted(*beginning))
        });
        functions.filter_map(move |(index, symbol)| Some((index, described(symbol, names)?)))
    }

    /// The function at a place in the symbol table.
    pub fn function(&self, index: usize) -> Option<Symbol<'_>> {
        let (symbols, names) = self.symbol_table()?;
        described(symbols.get(index)?, names)
    }

    fn symbol_table(&self) -> Option<(&[Elf64_Sym], &[u8])> {
        let header = self.header()?;
        let sections = self.records::<Elf64_Shdr>(header.e_shoff as usize, usize::from(header.e_shnum))?;
        let of_kind = |kind| sections.iter().find(|section| section.sh_type == kind);
        let table = of_kind(SYMBOLS).or_else(|| of_kind(DYNAMIC_SYMBOLS))?;
        let names = sections.get(table.sh_link as usize)?;
        let symbols = self.records(table.sh_offset as usize, table.sh_size as usize / size_of::<Elf64_Sym>())?;
        let names = self.bytes().get(names.sh_offset as usize..)?.get(..names.sh_size as usize)?;
        Some((symbols, names))
    }
}

fn described<'a>(symbol: &Elf64_Sym, names: &'a [u8]) -> Option<Symbol<'a>> {
    let name = names.get(symbol.st_name as usize..)?;
    let name = &name[..name.iter().position(|&byte| byte == 0)?];
    Some(Symbol { name, address: symbol.st_value as usize, size: symbol.st_size as usize })
}

impl Drop for ObjectFile {
    fn drop(&mut self) {
        // SAFETY: it is this one's own mapping.
        unsafe { unmap(self.start, self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn a_function_of_the_test_program() -> u32 {
        4711
    }

    #[test]
    fn the_test_program_has_its_functions_and_their_code() {
        let file = ObjectFile::open(c"/proc/self/exe").unwrap();
        let symbol = file
            .functions(|beginning| beginning == *b"_ZN1" || beginning[..2] == *b"_R")
            .find(|(_, symbol)| symbol.name.windows(30).any(|name| name == b"a_function_of_the_test_program"));
        let (index, symbol) = symbol.expect("test programs are not stripped");
        assert_eq!(file.function(index).map(|symbol| symbol.address), Some(symbol.address));
        let address = a_function_of_the_test_program as *const () as usize;
        let bias = address - symbol.address;
        assert!(bias.is_multiple_of(4096));
        let code = file.code(symbol.address, symbol.size).unwrap();
        // SAFETY: it is the function's code.
        assert_eq!(code, unsafe { slice::from_raw_parts(address as *const u8, symbol.size) });
        assert!(file.has_program_headers(file.program_headers().unwrap()));
        assert!(!file.has_program_headers(&file.program_headers().unwrap()[1..]));
        assert_eq!(file.code(usize::MAX, 1), None);
    }

    #[test]
    fn what_is_no_object_has_no_functions() {
        let file = ObjectFile::open(c"/proc/self/exe").unwrap();
        let count = file.functions(|_| true).count();
        assert!(count > 100);
        assert!(ObjectFile::open(c"/").is_none() && ObjectFile::open(c"/nowhere").is_none());
        let text = ObjectFile::open(c"/etc/passwd").unwrap();
        assert_eq!(text.functions(|_| true).count(), 0);
    }
}
