//! Allocators that were not recorded because the files that have them are stripped.

use std::collections::{BTreeMap, BTreeSet};

use memprof_capture::file::facts::LinkedAllocator;
use memprof_capture::file::{Fact, Tables};

use crate::naming::runtime_functions::file_name;
use crate::reading::native_notes::listed;

/// One sentence on all of them, and what can be done about it.
pub(crate) fn note(facts: &[Fact], tables: &Tables) -> Option<String> {
    let mut by_file: BTreeMap<&str, BTreeSet<LinkedAllocator>> = BTreeMap::new();
    for fact in facts {
        if let Fact::HiddenAllocator { module, allocator } = fact
            && let Some(module) = tables.module(*module)
        {
            by_file.entry(&module.path).or_default().insert(*allocator);
        }
    }
    let files = by_file.iter().map(|(path, allocators)| {
        let names: Vec<&str> = allocators.iter().map(|allocator| allocator.name()).collect();
        format!("{} ({})", file_name(path), names.join(" and "))
    });
    let is = match by_file.len() {
        0 => return None,
        1 => "is",
        _ => "are",
    };
    let (that_allocator_is, its) = match by_file.values().map(BTreeSet::len).sum() {
        1 => ("that allocator is", "its"),
        _ => ("those allocators are", "their"),
    };
    Some(format!(
        "{} {is} stripped of the symbols that say where {that_allocator_is}: {its} memory appears as mmap, not block \
         by block. To see the blocks, keep the symbol table: `strip --strip-debug` instead of `strip`, in Cargo \
         `strip = \"debuginfo\"`.",
        listed(files),
    ))
}

#[cfg(test)]
mod tests {
    use memprof_capture::file::Module;
    use memprof_channel::ids::ModuleId;

    use super::*;

    fn tables(paths: &[&str]) -> Tables {
        let module = |path: &&str| {
            let path = (*path).to_owned();
            Some(Module { path, build_id: Vec::new(), bias: 0, start: 0, end: 0, is_interpreter: false })
        };
        Tables { modules: paths.iter().map(module).collect(), ..Tables::default() }
    }

    fn hidden(module: u32, allocator: LinkedAllocator) -> Fact {
        Fact::HiddenAllocator { module: ModuleId(module), allocator }
    }

    #[test]
    fn the_note_names_files_and_allocators_and_what_to_do() {
        use LinkedAllocator::{Jemalloc, Mimalloc};
        let tables = tables(&["/srv/server", "/lib/liba.so", "/srv/server"]);
        assert_eq!(note(&[], &tables), None);
        assert_eq!(note(&[hidden(3, Jemalloc)], &tables), None, "the module is lost");
        assert_eq!(
            note(&[hidden(0, Jemalloc), hidden(2, Jemalloc)], &tables).unwrap(),
            "server (jemalloc) is stripped of the symbols that say where that allocator is: its memory appears as \
             mmap, not block by block. To see the blocks, keep the symbol table: `strip --strip-debug` instead of \
             `strip`, in Cargo `strip = \"debuginfo\"`."
        );
        let both = note(&[hidden(1, Mimalloc), hidden(0, Jemalloc), hidden(1, Jemalloc)], &tables).unwrap();
        let begins = "liba.so (jemalloc and mimalloc) and server (jemalloc) are stripped of the symbols that say \
                      where those allocators are: their memory";
        assert!(both.starts_with(begins), "{both}");
        let both = note(&[hidden(1, Mimalloc), hidden(1, Jemalloc)], &tables).unwrap();
        assert!(both.starts_with("liba.so (jemalloc and mimalloc) is stripped") && both.contains("those"), "{both}");
    }
}
