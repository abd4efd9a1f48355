//! The modules of the process: each is searched for allocators once, when it is there and nobody uses it yet.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::slice;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::{Acquire, Release};

use libc::{Elf64_Phdr, dl_phdr_info};

use super::census::Census;
use super::functions::{Function, LONGEST_NAME, PYTHON_MIMALLOC, may_begin, recognise};
use super::hooks::Hooked;
use super::loading;
use super::object_file::{ObjectFile, Symbol};
use super::patching::{Applied, Patches, Target};
use crate::memory::{MappedVec, OutOfMemory, Plain};

/// A module, as the loader describes it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Module {
    bias: usize,
    headers: usize,
    header_count: usize,
    name: *const c_char,
}

// SAFETY: integers and an address.
unsafe impl Plain for Module {}

/// A module that has been searched, and what its patches use.
#[derive(Clone, Copy)]
struct Searched {
    module: Module,
    patches: Applied,
}

// SAFETY: integers and addresses.
unsafe impl Plain for Searched {}

/// What is known of the process's modules.
struct Known {
    modules: MappedVec<Searched>,
    /// How many modules the loader had added and removed by then.
    changes: (u64, u64),
    /// Whether the loader tells of more.
    followed: bool,
}

/// It is used by one thread at a time: at first there is only one, later the loader's lock is held. If a process is forked
/// in the middle of that, its child finds it in use for ever, and goes without.
struct Owned {
    in_use: AtomicBool,
    known: UnsafeCell<Known>,
}

// SAFETY: the contents are reached through `with` only, by one thread at a time.
unsafe impl Sync for Owned {}

static KNOWN: Owned = Owned {
    in_use: AtomicBool::new(false),
    known: UnsafeCell::new(Known { modules: MappedVec::new(), changes: (0, 0), followed: false }),
};

impl Owned {
    fn with(&self, act: impl FnOnce(&mut Known)) {
        if self.in_use.swap(true, Acquire) {
            return;
        }
        // SAFETY: the flag says that nobody else uses it.
        act(unsafe { &mut *self.known.get() });
        self.in_use.store(false, Release);
    }
}

/// Records the allocators of everything that is loaded, now and later. To be called while the process has one thread, and
/// calls made by this thread pass through.
pub fn start() {
    look_again();
    KNOWN.with(|known| {
        // A forked child may begin a session of its own, in code that is patched already.
        if !known.followed {
            // SAFETY: a session starts with the first allocation of a process.
            known.followed = unsafe { loading::follow() };
        }
    });
}

/// Looks at modules that have come since the last time.
pub fn look_again() {
    KNOWN.with(|known| {
        let changes = changes();
        if known.changes != changes {
            known.changes = changes;
            // Without memory for their list, modules stay as they are.
            let _ = look_at_new(known);
        }
    });
}

/// How many modules the loader has added and removed.
fn changes() -> (u64, u64) {
    unsafe extern "C" fn first(info: *mut dl_phdr_info, size: usize, changes: *mut c_void) -> c_int {
        if size >= core::mem::offset_of!(dl_phdr_info, dlpi_subs) + 8 {
            // SAFETY: the loader passes a description of at least this size, and our counters.
            unsafe { *changes.cast() = ((*info).dlpi_adds, (*info).dlpi_subs) };
        }
        1
    }
    let mut changes = (0, 0);
    // SAFETY: the callback only writes the counters.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut changes).cast()) };
    changes
}

fn look_at_new(known: &mut Known) -> Result<(), OutOfMemory> {
    let present = loaded()?;
    let mut searched = MappedVec::with_room(present.len())?;
    for (index, &module) in present.iter().enumerate() {
        let before = known.modules.iter().find(|known| known.module == module);
        // The loader lists the program first.
        let patches =
            before.map_or_else(|| search(&module, index == 0).unwrap_or(Applied::NONE), |known| known.patches);
        searched.push(Searched { module, patches })?;
    }
    for gone in known.modules.iter().filter(|known| !present.contains(&known.module)) {
        // SAFETY: the loader has unmapped it.
        unsafe { gone.patches.release() };
    }
    known.modules = searched;
    Ok(())
}

/// All modules, the program first.
fn loaded() -> Result<MappedVec<Module>, OutOfMemory> {
    unsafe extern "C" fn note(info: *mut dl_phdr_info, _size: usize, modules: *mut c_void) -> c_int {
        // SAFETY: the loader passes a description that is valid during the call, and our list.
        let (info, modules) = unsafe { (&*info, &mut *modules.cast::<MappedVec<Module>>()) };
        let module = Module {
            bias: info.dlpi_addr as usize,
            headers: info.dlpi_phdr.addr(),
            header_count: usize::from(info.dlpi_phnum),
            name: info.dlpi_name,
        };
        c_int::from(modules.push(module).is_err())
    }
    let mut modules = MappedVec::new();
    // SAFETY: nothing else uses the list meanwhile.
    let failed = unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut modules).cast()) } != 0;
    if failed { Err(OutOfMemory) } else { Ok(modules) }
}

impl Module {
    fn headers(&self) -> &[Elf64_Phdr] {
        // SAFETY: the headers of a loaded module, which is not unloaded while the loader's lock is held.
        unsafe { slice::from_raw_parts(self.headers as *const Elf64_Phdr, self.header_count) }
    }

    /// The file that it was loaded from, if it is still there.
    fn file(&self, is_program: bool) -> Option<ObjectFile> {
        let path = if is_program || self.name.is_null() {
            c"/proc/self/exe"
        } else {
            // SAFETY: the loader's names are C strings.
            unsafe { CStr::from_ptr(self.name) }
        };
        // The kernel's own module has a name without a folder, and no file.
        if !path.to_bytes().contains(&b'/') {
            return None;
        }
        ObjectFile::open(path).filter(|file| file.has_program_headers(self.headers()))
    }

    /// The first address.
    fn start(&self) -> usize {
        let loaded = self.headers().iter().filter(|header| header.p_type == libc::PT_LOAD);
        loaded.map(|header| self.bias.wrapping_add(header.p_vaddr as usize)).min().unwrap_or(self.bias)
    }

    /// Whether it is the one that this code is part of.
    fn is_own(&self) -> bool {
        let here = (start as *const () as usize).wrapping_sub(self.bias);
        self.headers().iter().any(|header| {
            header.p_type == libc::PT_LOAD && here.wrapping_sub(header.p_vaddr as usize) < header.p_memsz as usize
        })
    }

    /// The code of a function in memory, with some bytes of what follows; nothing if it is not what the file says, for
    /// somebody else has patched it, or if its pages may be written to.
    fn code(&self, file: &ObjectFile, symbol: &Symbol<'_>) -> Option<&'static [u8]> {
        const BEHIND: usize = 32;
        let is_plain = self.headers().iter().any(|header| {
            header.p_type == libc::PT_LOAD
                && header.p_flags == libc::PF_R | libc::PF_X
                && symbol.address.wrapping_sub(header.p_vaddr as usize) < header.p_memsz as usize
        });
        let in_file = file.code(symbol.address, symbol.size.saturating_add(BEHIND)).filter(|_| is_plain)?;
        let address = self.bias.wrapping_add(symbol.address);
        // SAFETY: this part of the file is mapped there.
        let in_memory = unsafe { slice::from_raw_parts(address as *const u8, in_file.len()) };
        (in_memory[..in_memory.len().min(BEHIND)] == in_file[..in_file.len().min(BEHIND)]).then_some(in_memory)
    }
}

/// Looks for allocators in a module, and patches them.
fn search(module: &Module, is_program: bool) -> Option<Applied> {
    if module.is_own() {
        return None;
    }
    let file = module.file(is_program)?;
    let (census, found) = allocator_functions(&file).ok()?;
    let functions = || {
        let symbols = found.iter().filter_map(|&index| file.function(index));
        let functions = symbols.filter_map(|symbol| Some((recognise(symbol.name)?, symbol)));
        functions.filter(|(function, _)| census.wants(function, is_program))
    };
    let room = functions().count();
    if room == 0 {
        return None;
    }
    let mut patches = Patches::with_room(room, module.start())?;
    for (function, symbol) in functions() {
        let is_needed = function.family.is_some();
        let is_ready = prepare(module, &file, &census, &function, &symbol, &mut patches);
        if is_needed && !is_ready {
            return None;
        }
    }
    // SAFETY: the module has just been loaded, so that nobody executes its code yet. The functions are what their names
    // say that they are: each hook passes on all that they can be given.
    unsafe { patches.apply() }
}

/// The functions of a file that have the names of an allocator's.
fn allocator_functions(file: &ObjectFile) -> Result<(Census, MappedVec<usize>), OutOfMemory> {
    let (mut census, mut found) = (Census::default(), MappedVec::new());
    for (index, symbol) in file.functions(may_begin) {
        if symbol.name == PYTHON_MIMALLOC {
            census.note_python();
        } else if symbol.name.len() <= LONGEST_NAME
            && let Some(function) = recognise(symbol.name)
        {
            census.note(&function);
            found.push(index)?;
        }
    }
    Ok((census, found))
}

fn prepare(
    module: &Module,
    file: &ObjectFile,
    census: &Census,
    function: &Function,
    symbol: &Symbol<'_>,
    patches: &mut Patches,
) -> bool {
    let Some(code) = module.code(file, symbol) else { return false };
    if patches.has(code.as_ptr().addr()) {
        // Another name of the same function
        return true;
    }
    let allocator = function.family.and_then(|family| census.allocator(family)).unwrap_or(function.allocator);
    let hooked = Hooked { original: 0, function: 0, role: function.role, allocator };
    patches.prepare(&Target { code, size: symbol.size, hooked, hook: function.role.hook() })
}
