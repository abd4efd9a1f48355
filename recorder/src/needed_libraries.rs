//! The libraries that a program is linked with, as its file names them: the `DT_NEEDED` entries of an ELF file.

use std::fs::File;
use std::path::Path;

use object::elf::{DT_NEEDED, DT_STRSZ, DT_STRTAB, FileHeader64, PT_LOAD};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{LittleEndian, ReadCache, ReadRef, StringTable};

/// Their names; none for what is no such file, or a damaged one.
pub fn of(program: &Path) -> Vec<String> {
    File::open(program).ok().and_then(|file| read(&ReadCache::new(file))).unwrap_or_default()
}

fn read<'a>(file: impl ReadRef<'a>) -> Option<Vec<String>> {
    let endian = LittleEndian;
    let segments = FileHeader64::<LittleEndian>::parse(file).ok()?.program_headers(endian, file).ok()?;
    let entries = segments.iter().find_map(|segment| segment.dynamic(endian, file).ok()?)?;
    let value = |tag| entries.iter().find(|entry| entry.d_tag(endian) == tag).map(|entry| entry.d_val(endian));
    let (address, bytes) = (value(DT_STRTAB)?, value(DT_STRSZ)?);
    let start = segments.iter().find_map(|segment| {
        let within = address.checked_sub(segment.p_vaddr(endian)).filter(|&it| it < segment.p_filesz(endian))?;
        (segment.p_type(endian) == PT_LOAD).then(|| segment.p_offset(endian).checked_add(within))?
    })?;
    let names = StringTable::new(file, start, start.checked_add(bytes)?);
    let needed = entries.iter().filter(|entry| entry.d_tag(endian) == DT_NEEDED);
    let name = |offset: u64| Some(String::from_utf8_lossy(names.get(u32::try_from(offset).ok()?).ok()?).into_owned());
    Some(needed.filter_map(|entry| name(entry.d_val(endian))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_this_very_program() {
        let own = of(&std::env::current_exe().unwrap());
        assert!(own.iter().any(|name| name.starts_with("libc.so")), "{own:?}");
    }

    #[test]
    fn of_damaged_files() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needed = read(whole.as_slice()).unwrap();
        assert!(!needed.is_empty());
        for length in (0..4096).chain([whole.len() / 2, whole.len() - 1]) {
            // Nothing, some or all of them: no panic.
            let some = read(&whole[..length]).unwrap_or_default();
            assert!(some.iter().all(|name| needed.contains(name)));
        }
    }

    #[test]
    fn of_what_is_no_program() {
        assert_eq!(of(Path::new("/gone/program")), Vec::<String>::new());
        assert_eq!(read(&b"#!/bin/sh\n"[..]), None);
    }
}
