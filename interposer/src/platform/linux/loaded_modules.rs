//! The modules of the process, as the loader lists them, and what they export.
//!
//! The list is asked for under the loader's own lock, whose holder may wait for a thread that is just allocating. So it is
//! asked for only when the process has one thread, or by a thread that has that lock.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ops::Range;
use core::slice;

use libc::dl_phdr_info;

use crate::elf::{Exports, Image, ProgramHeader, Segments};
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
    pub fn segments(&self) -> Segments<'_> {
        // SAFETY: the headers of a module that is loaded: the list is looked at while nobody can unload any.
        Segments(unsafe { slice::from_raw_parts(self.headers as *const ProgramHeader, self.header_count) })
    }

    /// From its first byte to one past its last.
    pub fn range(&self) -> Range<usize> {
        let Range { start, end } = self.segments().extent().unwrap_or(0..0);
        self.bias.wrapping_add(start)..self.bias.wrapping_add(end)
    }

    /// The path of the loader that its file asks for; nothing where it asks for none.
    pub fn loader(&self) -> Option<&[u8]> {
        let path = self.bias.wrapping_add(self.segments().loader()?) as *const c_char;
        // SAFETY: a C string in the memory of a module that is loaded.
        Some(unsafe { CStr::from_ptr(path) }.to_bytes())
    }

    /// What it exports; nothing where it has no table of that.
    pub fn exports(&self) -> Option<Exports<'_>> {
        // SAFETY: the module is loaded, as above, and the loader itself believes it.
        Exports::of(unsafe { Image::new(self.range(), self.bias) }, self.segments())
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
