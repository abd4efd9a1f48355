//! The modules of the process, as the loader lists them, and what they export.
//!
//! The list is asked for under the loader's own lock, whose holder may wait for a thread that is just allocating. So it is
//! asked for only when the process has one thread, or by a thread that has that lock.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::slice;

use libc::{Elf64_Phdr, Elf64_Sym, dl_phdr_info};

use crate::memory::{MappedVec, OutOfMemory, Plain};

/// A module, as the loader describes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LoadedModule {
    /// What was added to the addresses that its file has.
    pub bias: usize,
    headers: usize,
    header_count: usize,
    /// A C string that the loader owns; empty for the program itself.
    pub name: *const c_char,
}

// SAFETY: integers and an address.
unsafe impl Plain for LoadedModule {}
// SAFETY: the name belongs to no thread.
unsafe impl Send for LoadedModule {}

/// How often the loader has loaded and unloaded something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Loaded.
    pub loads: u64,
    /// Unloaded.
    pub unloads: u64,
}

/// The right to ask for the list: nobody who has the loader's lock waits for the calling thread.
pub struct MayAskLoader(());

impl MayAskLoader {
    /// Says so.
    ///
    /// # Safety
    /// As long as this exists, the process has one thread, or the calling thread has the loader's lock.
    pub const unsafe fn new() -> Self {
        Self(())
    }
}

/// How often the loader has loaded and unloaded something so far.
pub fn changes(_: &MayAskLoader) -> Changes {
    unsafe extern "C" fn first(info: *mut dl_phdr_info, size: usize, changes: *mut c_void) -> c_int {
        if size >= core::mem::offset_of!(dl_phdr_info, dlpi_subs) + 8 {
            // SAFETY: the loader passes a description of at least this size, and our counters.
            unsafe { *changes.cast() = Changes { loads: (*info).dlpi_adds, unloads: (*info).dlpi_subs } };
        }
        1
    }
    let mut changes = Changes { loads: 0, unloads: 0 };
    // SAFETY: the callback only writes the counters.
    #[expect(clippy::disallowed_methods, reason = "the caller may ask the loader")]
    unsafe {
        libc::dl_iterate_phdr(Some(first), (&raw mut changes).cast())
    };
    changes
}

/// All modules, the program first, then in the order in which symbols are looked for.
pub fn all(_: &MayAskLoader) -> Result<MappedVec<LoadedModule>, OutOfMemory> {
    unsafe extern "C" fn note(info: *mut dl_phdr_info, _size: usize, modules: *mut c_void) -> c_int {
        // SAFETY: the loader passes a description that is valid during the call, and our list.
        let (info, modules) = unsafe { (&*info, &mut *modules.cast::<MappedVec<LoadedModule>>()) };
        let module = LoadedModule {
            bias: info.dlpi_addr as usize,
            headers: info.dlpi_phdr.addr(),
            header_count: usize::from(info.dlpi_phnum),
            name: info.dlpi_name,
        };
        c_int::from(modules.push(module).is_err())
    }
    let mut modules = MappedVec::new();
    // SAFETY: nothing else uses the list meanwhile.
    #[expect(clippy::disallowed_methods, reason = "the caller may ask the loader")]
    let failed = unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut modules).cast()) } != 0;
    if failed { Err(OutOfMemory) } else { Ok(modules) }
}

/// The address of a function or object, in the first module that defines it; 0 where none does. Unlike `dlsym` this leaves
/// no trace.
pub fn address_of(modules: &[LoadedModule], name: &CStr) -> usize {
    modules.iter().find_map(|module| module.exports()?.find(name)).unwrap_or(0)
}

impl LoadedModule {
    /// Its program headers.
    pub fn headers(&self) -> &[Elf64_Phdr] {
        // SAFETY: the headers of a module that is loaded: the list is looked at while nobody can unload any.
        unsafe { slice::from_raw_parts(self.headers as *const Elf64_Phdr, self.header_count) }
    }

    /// From its first byte to behind its last one.
    pub fn range(&self) -> core::ops::Range<usize> {
        let loaded = || self.headers().iter().filter(|header| header.p_type == libc::PT_LOAD);
        let at = |address: u64| self.bias.wrapping_add(address as usize);
        let start = loaded().map(|header| at(header.p_vaddr)).min().unwrap_or(self.bias);
        start..loaded().map(|header| at(header.p_vaddr + header.p_memsz)).max().unwrap_or(start)
    }

    /// The path of the loader that its file asks for; nothing where it asks for none.
    pub fn loader(&self) -> Option<&[u8]> {
        let header = self.headers().iter().find(|header| header.p_type == libc::PT_INTERP)?;
        let path = self.bias.wrapping_add(header.p_vaddr as usize) as *const c_char;
        // SAFETY: a C string in the memory of a module that is loaded.
        Some(unsafe { CStr::from_ptr(path) }.to_bytes())
    }

    /// What it exports; nothing where it has no table of that.
    pub fn exports(&self) -> Option<Exports> {
        let dynamic = self.headers().iter().find(|header| header.p_type == libc::PT_DYNAMIC)?;
        let mut exports = Exports { bias: self.bias, symbols: 0, names: 0, gnu_hash: 0, hash: 0 };
        let mut entry = self.bias.wrapping_add(dynamic.p_vaddr as usize) as *const [usize; 2];
        loop {
            // SAFETY: the entries of a loaded module's dynamic section, up to the one that ends it.
            let [tag, value] = unsafe { entry.read() };
            // The loader makes addresses of most of them; what is below the module is not one yet.
            let address = if value < self.bias { self.bias.wrapping_add(value) } else { value };
            match tag {
                0 => break,
                4 => exports.hash = address,
                5 => exports.names = address,
                6 => exports.symbols = address,
                0x6fff_fef5 => exports.gnu_hash = address,
                _ => {}
            }
            // SAFETY: it was not the last one.
            entry = unsafe { entry.add(1) };
        }
        (exports.symbols != 0 && exports.names != 0).then_some(exports)
    }
}

/// The symbols that a module exports, found as the loader finds them: by hash tables in its memory (System V gABI, chapter 5,
/// "Hash Table", and DT_GNU_HASH, which binutils define).
#[derive(Clone, Copy)]
pub struct Exports {
    bias: usize,
    symbols: usize,
    names: usize,
    gnu_hash: usize,
    hash: usize,
}

impl Exports {
    /// The address of a function or object; nothing if the module does not define it.
    pub fn find(&self, name: &CStr) -> Option<usize> {
        // SAFETY: the tables are those of a loaded module, which nobody can unload meanwhile, and are laid out as the loader
        // itself expects them.
        unsafe {
            let symbol = match (self.gnu_hash, self.hash) {
                (0, 0) => None,
                (0, table) => self.find_by_hash(table, name),
                (table, _) => self.find_by_gnu_hash(table, name),
            }?;
            Some(self.bias.wrapping_add(symbol.st_value as usize))
        }
    }

    /// # Safety
    /// As in [`Self::find`].
    unsafe fn symbol(&self, index: u32, name: &CStr) -> Option<Elf64_Sym> {
        // SAFETY: the hash table names symbols that are there, and each has a name.
        unsafe {
            let symbol = (self.symbols as *const Elf64_Sym).add(index as usize).read();
            let its_name = CStr::from_ptr((self.names + symbol.st_name as usize) as *const c_char);
            (symbol.st_shndx != 0 && its_name == name).then_some(symbol)
        }
    }

    /// # Safety
    /// `table` is the module's DT_GNU_HASH.
    unsafe fn find_by_gnu_hash(&self, table: usize, name: &CStr) -> Option<Elf64_Sym> {
        const HEADER: usize = 4;
        let hash =
            name.to_bytes().iter().fold(5381_u32, |hash, &byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)));
        let words = table as *const u32;
        // SAFETY: four words, the filter, the buckets, the chains.
        unsafe {
            let (buckets, first, filter_words, shift) =
                (words.read(), words.add(1).read(), words.add(2).read(), words.add(3).read());
            if buckets == 0 || filter_words == 0 {
                return None;
            }
            let filter = words.add(HEADER).cast::<u64>();
            let word = filter.add((hash / 64) as usize % filter_words as usize).read_unaligned();
            if word >> (hash % 64) & word >> ((hash >> shift) % 64) & 1 == 0 {
                return None;
            }
            let bucket = filter.add(filter_words as usize).cast::<u32>();
            let chains = bucket.add(buckets as usize);
            let mut index = bucket.add((hash % buckets) as usize).read();
            if index < first {
                return None;
            }
            loop {
                let chain = chains.add((index - first) as usize).read();
                if chain | 1 == hash | 1
                    && let Some(symbol) = self.symbol(index, name)
                {
                    return Some(symbol);
                }
                if chain & 1 != 0 {
                    return None;
                }
                index += 1;
            }
        }
    }

    /// # Safety
    /// `table` is the module's DT_HASH.
    unsafe fn find_by_hash(&self, table: usize, name: &CStr) -> Option<Elf64_Sym> {
        let hash = name.to_bytes().iter().fold(0_u32, |hash, &byte| {
            let hash = (hash << 4).wrapping_add(u32::from(byte));
            let high = hash & 0xf000_0000;
            (hash ^ high >> 24) & !high
        });
        let words = table as *const u32;
        // SAFETY: two words, the buckets, the chains.
        unsafe {
            let buckets = words.read();
            if buckets == 0 {
                return None;
            }
            let bucket = words.add(2);
            let chains = bucket.add(buckets as usize);
            let mut index = bucket.add((hash % buckets) as usize).read();
            while index != 0 {
                if let Some(symbol) = self.symbol(index, name) {
                    return Some(symbol);
                }
                index = chains.add(index as usize).read();
            }
        }
        None
    }
}

/// Whether the loader was executed, with the name of this program as its argument: for the kernel, the loader is the program.
pub fn is_loaded_by_name() -> bool {
    // SAFETY: getauxval only looks up a number: where the kernel has put the loader, if a program asked for one.
    unsafe { libc::getauxval(libc::AT_BASE) == 0 }
}

/// The name that the program was executed by: a path, perhaps a relative one.
pub fn executed_as() -> Option<&'static CStr> {
    // SAFETY: getauxval only looks up a number. That one is the address of a C string, which stays, or 0.
    unsafe {
        let name = libc::getauxval(libc::AT_EXECFN) as *const c_char;
        (!name.is_null()).then(|| CStr::from_ptr(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_found_where_the_loader_finds_them() {
        // SAFETY: no test loads or unloads modules.
        let ask = unsafe { MayAskLoader::new() };
        let modules = all(&ask).unwrap();
        assert!(changes(&ask).loads > 0);
        for name in [c"getpid", c"qsort", c"environ", c"dl_iterate_phdr"] {
            // SAFETY: the names are C strings.
            #[expect(clippy::disallowed_methods, reason = "the test compares with it")]
            let known = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
            assert_eq!(address_of(&modules, name), known as usize, "{name:?}");
        }
        assert_eq!(address_of(&modules, c"memprof_has_no_such_function"), 0);
        let here = exports_are_found_where_the_loader_finds_them as *const () as usize;
        assert!(modules[0].range().contains(&here));
    }
}
