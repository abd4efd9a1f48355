//! jemalloc and mimalloc in files without the symbols that say where their functions are.
//!
//! The interposer has not hooked them, so that their memory appears as mappings. That they are there is shown by the
//! beginning of their messages, which every build of them has.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use memchr::memmem;
use memprof_capture::file::facts::LinkedAllocator;
use memprof_capture::file::{Fact, Module};
use memprof_channel::allocator::LINKED_PREFIXES;
use memprof_channel::ids::ModuleId;
use object::elf::{SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind};

use super::Options;
use super::elf_image::ElfImage;
use super::kept_files::KeptFiles;
use super::module_file::ModuleFile;

/// The allocators that these modules hide, of which each has mapped memory itself.
pub fn facts(modules: &[Option<Module>], mapping: impl IntoIterator<Item = ModuleId>) -> Vec<Fact> {
    // A file may have been loaded several times, at other addresses. It is read once.
    let mut by_file: BTreeMap<(&str, &[u8]), ModuleId> = BTreeMap::new();
    for id in mapping {
        if let Some(module) = modules.get(id.index()).and_then(Option::as_ref) {
            let first = by_file.entry((&module.path, &module.build_id)).or_insert(id);
            *first = (*first).min(id);
        }
    }
    let mut facts = Vec::new();
    for module in by_file.into_values() {
        let Some(known) = modules.get(module.index()).and_then(Option::as_ref) else { continue };
        // As for names: whatever a file is like, the recording is to be finished.
        let hidden = catch_unwind(AssertUnwindSafe(|| hidden_in(known))).unwrap_or_default();
        facts.extend(hidden.into_iter().map(|allocator| Fact::HiddenAllocator { module, allocator }));
    }
    facts
}

fn hidden_in(module: &Module) -> Vec<LinkedAllocator> {
    let ModuleFile::Same(file) = ModuleFile::find(module, &Options::default(), &KeptFiles::default()) else {
        return Vec::new();
    };
    let Ok(image) = ElfImage::parse(&file) else { return Vec::new() };
    if image.has_symbol_table() {
        return Vec::new();
    }
    let hidden = LinkedAllocator::ALL.into_iter().filter(|&allocator| {
        // Python's own copy is left alone, whether there are symbols or not.
        let is_python_s = module.is_interpreter && allocator == LinkedAllocator::Mimalloc;
        !is_python_s && !is_exported(&image, allocator) && has_messages(&image, allocator)
    });
    hidden.collect()
}

/// Whether the names for the dynamic linker say where the allocator is, too.
fn is_exported(image: &ElfImage<'_>, allocator: LinkedAllocator) -> bool {
    image.object().dynamic_symbols().any(|symbol| {
        let is_function = symbol.is_definition() && symbol.kind() == SymbolKind::Text;
        let name = symbol.name_bytes().unwrap_or_default();
        is_function && name.strip_suffix(b"malloc").is_some_and(|prefix| is_prefix_of(prefix, allocator))
    })
}

fn is_prefix_of(prefix: &[u8], allocator: LinkedAllocator) -> bool {
    let of_it = |whose| whose == allocator.in_events();
    LINKED_PREFIXES.iter().any(|&(known, whose)| known == prefix && whose.is_none_or(of_it))
}

/// What the texts begin with that the allocator writes to the standard error stream. In this program the bytes are part
/// of longer texts, so that memprof is not taken for an allocator.
const fn beginning_of_messages(allocator: LinkedAllocator) -> &'static [u8] {
    let (longer, text) = match allocator {
        LinkedAllocator::Jemalloc => (b"its messages begin with <jemalloc>: ".as_slice(), b"<jemalloc>: ".len()),
        LinkedAllocator::Mimalloc => (b"its messages begin with mimalloc: ".as_slice(), b"mimalloc: ".len()),
    };
    longer.split_at(longer.len() - text).1
}

fn has_messages(image: &ElfImage<'_>, allocator: LinkedAllocator) -> bool {
    let finder = memmem::Finder::new(beginning_of_messages(allocator));
    image.object().sections().any(|section| {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return false };
        let is_read_only =
            sh_flags.contains(SHF_ALLOC) && !sh_flags.contains(SHF_WRITE) && !sh_flags.contains(SHF_EXECINSTR);
        let data = if is_read_only { section.data().unwrap_or_default() } else { &[] };
        // Not in the middle of a text about allocators.
        finder.find_iter(data).any(|at| at.checked_sub(1).is_none_or(|before| data[before] == 0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::mapped_file::MappedFile;

    #[test]
    fn this_program_mentions_the_messages_and_has_no_allocator() {
        let file = MappedFile::open(&std::env::current_exe().unwrap()).unwrap();
        let image = ElfImage::parse(&file).unwrap();
        for allocator in LinkedAllocator::ALL {
            let text = beginning_of_messages(allocator);
            assert!(memmem::find(&file, text).is_some(), "{}", text.escape_ascii());
            assert!(!has_messages(&image, allocator), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn names_that_would_be_hooked_count_for_their_allocator() {
        use LinkedAllocator::{Jemalloc, Mimalloc};
        assert!(is_prefix_of(b"_rjem_", Jemalloc) && !is_prefix_of(b"_rjem_", Mimalloc));
        assert!(is_prefix_of(b"mi_", Mimalloc) && !is_prefix_of(b"mi_", Jemalloc));
        assert!(is_prefix_of(b"", Jemalloc) && is_prefix_of(b"", Mimalloc) && !is_prefix_of(b"xml_", Jemalloc));
    }
}
