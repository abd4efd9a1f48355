//! The symbol table of a module, read from its file.
//!
//! The file is mapped while it is looked at, and what it says is believed only where it is the file that was loaded.

use core::ffi::CStr;
use core::ptr::NonNull;
use core::slice;

use memprof_channel::kept_errno::KeptErrno;
use object::elf::{SHN_UNDEF, SHT_DYNSYM, SHT_SYMTAB, STT_FUNC};
use object::read::elf::{FileHeader as _, SectionHeader as _};

use super::{ENDIAN, FileHeader, Segments, SymbolEntry};
use crate::platform::memory::{map_file, unmap};
use crate::platform::quiet_file::QuietFile;

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

    fn header(&self) -> Option<&FileHeader> {
        FileHeader::parse(self.bytes()).ok()
    }

    fn segments(&self) -> Option<Segments<'_>> {
        self.header()?.program_headers(ENDIAN, self.bytes()).ok().map(Segments)
    }

    /// Whether this is the file of a module that was loaded with these program headers.
    pub fn has_segments(&self, loaded: Segments<'_>) -> bool {
        self.segments().is_some_and(|own| own.are(loaded))
    }

    /// The code at an address of the file's terms.
    pub fn code(&self, address: usize, length: usize) -> Option<&[u8]> {
        let rest = self.bytes().get(self.segments()?.code_in_file(address)?)?;
        rest.get(..length.min(rest.len()))
    }

    /// The functions that the file defines, of which `wanted` accepts the beginning of the name, and their places in
    /// the file's symbol table; in that for dynamic linking where it has no other. None if it has neither.
    pub fn functions<'a>(&'a self, wanted: impl Fn([u8; 4]) -> bool + 'a) -> impl Iterator<Item = (usize, Symbol<'a>)> {
        let (symbols, names) = self.symbol_table().unwrap_or_default();
        let functions = symbols.iter().enumerate().filter(move |(_, symbol)| {
            let is_defined = symbol.st_type() == STT_FUNC && symbol.st_shndx.get(ENDIAN) != SHN_UNDEF;
            let beginning = names.get(symbol.st_name.get(ENDIAN) as usize..).and_then(|name| name.first_chunk());
            is_defined && beginning.is_some_and(|beginning| wanted(*beginning))
        });
        functions.filter_map(move |(index, symbol)| Some((index, described(symbol, names)?)))
    }

    /// The function at a place in the symbol table.
    pub fn function(&self, index: usize) -> Option<Symbol<'_>> {
        let (symbols, names) = self.symbol_table()?;
        described(symbols.get(index)?, names)
    }

    fn symbol_table(&self) -> Option<(&[SymbolEntry], &[u8])> {
        let data = self.bytes();
        let sections = self.header()?.section_headers(ENDIAN, data).ok()?;
        let of_kind = |kind| sections.iter().find(|section| section.sh_type.get(ENDIAN) == kind);
        let table = of_kind(SHT_SYMTAB).or_else(|| of_kind(SHT_DYNSYM))?;
        let names = sections.get(table.sh_link.get(ENDIAN) as usize)?;
        Some((table.data_as_array(ENDIAN, data).ok()?, names.data(ENDIAN, data).ok()?))
    }
}

fn described<'a>(symbol: &SymbolEntry, names: &'a [u8]) -> Option<Symbol<'a>> {
    let name = names.get(symbol.st_name.get(ENDIAN) as usize..)?;
    let name = &name[..name.iter().position(|&byte| byte == 0)?];
    Some(Symbol { name, address: symbol.st_value.get(ENDIAN) as usize, size: symbol.st_size.get(ENDIAN) as usize })
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
        let Segments(headers) = file.segments().unwrap();
        assert!(file.has_segments(Segments(headers)));
        assert!(!file.has_segments(Segments(&headers[1..])));
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
