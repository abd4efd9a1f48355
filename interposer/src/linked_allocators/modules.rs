//! The modules of the process: each is searched for allocators once, when it is there and nobody uses it yet.

use core::ffi::CStr;
use core::slice;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::census::Census;
use super::functions::{Function, LONGEST_NAME, PYTHON_MIMALLOC, may_begin, recognise};
use super::hooks::Hooked;
use super::instructions::only_returns;
use super::loading;
use super::patching::{Applied, Patches, Target};
use crate::elf::{ObjectFile, Symbol};
use crate::lock::{AnyLock, Lock, Recording};
use crate::memory::{MappedVec, OutOfMemory, Plain};
use crate::platform::loaded_modules::{self, Changes, LoadedModule, MayAskLoader};
use crate::python_start;
use crate::session;
use crate::unwind::modules::push_own_path;
use crate::unwind::unloading;

/// A module that has been searched, and what its patches use.
#[derive(Clone, Copy)]
struct Searched {
    module: LoadedModule,
    patches: Applied,
}

// SAFETY: integers and addresses.
unsafe impl Plain for Searched {}

/// What is known of the process's modules.
struct Known {
    modules: MappedVec<Searched>,
    changes: Changes,
}

impl Known {
    const fn nothing() -> Self {
        Self { modules: MappedVec::new(), changes: Changes { loads: 0, unloads: 0 } }
    }
}

static KNOWN: Lock<Known> = Lock::new(Known::nothing(), Known::nothing);
/// Whether the loader notifies of more.
static FOLLOWED: AtomicBool = AtomicBool::new(false);

/// The lock of what is known.
pub fn lock() -> &'static dyn AnyLock {
    &KNOWN
}

/// Records the allocators of everything that is loaded, now and later.
///
/// # Safety
/// The process has one thread only.
pub unsafe fn start(recording: &mut Recording, ask: &MayAskLoader) {
    update(recording, ask);
    // A forked child may begin a session of its own, in code that is patched already.
    // SAFETY: the caller says so.
    let follow = |modules: MappedVec<LoadedModule>| unsafe { loading::follow(&modules) };
    if !FOLLOWED.load(Acquire) && loaded_modules::all(ask).is_ok_and(follow) {
        FOLLOWED.store(true, Release);
        unloading::loader_notifies();
    }
}

/// Searches modules that have come, and releases those that have gone, since the last time.
pub fn update(recording: &mut Recording, ask: &MayAskLoader) {
    let Ok(mut known) = KNOWN.lock(recording) else {
        // What is remembered may have gone.
        unloading::modules_have_gone();
        return;
    };
    let changes = loaded_modules::changes(ask);
    if known.changes == changes {
        return;
    }
    if known.changes.unloads != changes.unloads {
        unloading::modules_have_gone();
    }
    known.changes = changes;
    // Without memory for their list, modules stay as they are.
    let Ok(present) = loaded_modules::all(ask) else { return };
    python_start::note_modules(&present);
    let _ = search_new(&mut known, &present);
}

fn search_new(known: &mut Known, present: &[LoadedModule]) -> Result<(), OutOfMemory> {
    let mut searched = MappedVec::with_room(present.len())?;
    for (index, &module) in present.iter().enumerate() {
        let before = known.modules.iter().find(|known| known.module == module);
        // The loader lists the program first.
        let patches =
            before.map_or_else(|| search(&module, index == 0).unwrap_or(Applied::NONE), |known| known.patches);
        searched.push(Searched { module, patches })?;
    }
    for gone in known.modules.iter().filter(|known| !present.contains(&known.module)) {
        // SAFETY: the loader does not list it any more: it has unmapped it, or is about to and runs none of its code.
        unsafe { gone.patches.release() };
    }
    known.modules = searched;
    Ok(())
}

/// The file that a module was loaded from, if it is still there.
fn file_of(module: &LoadedModule, is_program: bool) -> Option<ObjectFile> {
    let open = |path: &CStr| ObjectFile::open(path).filter(|file| file.has_segments(module.segments()));
    if is_program || module.name.is_null() {
        return open(c"/proc/self/exe").or_else(|| {
            let mut path = MappedVec::new();
            push_own_path(module.range().start, &mut path).ok()?;
            path.push(0).ok()?;
            open(CStr::from_bytes_until_nul(&path).ok()?)
        });
    }
    // SAFETY: the loader's names are C strings.
    let path = unsafe { CStr::from_ptr(module.name) };
    // The kernel's own module has a name without a folder, and no file.
    if path.to_bytes().contains(&b'/') { open(path) } else { None }
}

/// Whether a module is the one that this code is part of.
fn is_own(module: &LoadedModule) -> bool {
    module.segments().hold((start as *const () as usize).wrapping_sub(module.bias))
}

/// The code of a function in memory, with some bytes of what follows; nothing if it is not what the file says, for
/// somebody else has patched it, or if its pages may be written to.
fn code_of(module: &LoadedModule, file: &ObjectFile, symbol: &Symbol<'_>) -> Option<&'static [u8]> {
    const FOLLOWING: usize = 32;
    let is_plain = module.segments().hold_plain_code(symbol.address);
    let in_file = file.code(symbol.address, symbol.size.saturating_add(FOLLOWING)).filter(|_| is_plain)?;
    let address = module.bias.wrapping_add(symbol.address);
    // SAFETY: this part of the file is mapped there.
    let in_memory = unsafe { slice::from_raw_parts(address as *const u8, in_file.len()) };
    (in_memory[..in_memory.len().min(FOLLOWING)] == in_file[..in_file.len().min(FOLLOWING)]).then_some(in_memory)
}

/// Looks for allocators in a module, and patches them.
fn search(module: &LoadedModule, is_program: bool) -> Option<Applied> {
    if is_own(module) {
        return None;
    }
    let file = file_of(module, is_program)?;
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
    let mut patches = Patches::with_room(room, module.range().start)?;
    for (function, symbol) in functions() {
        let is_needed = function.family.is_some();
        let is_ready = prepare(module, &file, &census, &function, &symbol, &mut patches);
        if is_needed && !is_ready {
            report_not_hooked();
            return None;
        }
    }
    // SAFETY: the module has just been loaded, so that nobody executes its code yet. The functions are what their names
    // say that they are: each hook passes on all that they can be given.
    unsafe { patches.apply() }
}

/// Lets the recorder say that there is an allocator whose blocks are not recorded.
fn report_not_hooked() {
    if let Some(session) = session::known() {
        session.pool().header().allocators_not_hooked.fetch_add(1, Relaxed);
    }
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
    module: &LoadedModule,
    file: &ObjectFile,
    census: &Census,
    function: &Function,
    symbol: &Symbol<'_>,
    patches: &mut Patches,
) -> bool {
    let Some(code) = code_of(module, file, symbol) else { return false };
    if patches.has(code.as_ptr().addr()) {
        // Another name of the same function
        return true;
    }
    // An allocator that never frees anything may have no room for a jump there.
    if function.role.frees() && only_returns(code) {
        return true;
    }
    let allocator = function.family.and_then(|family| census.allocator(family)).unwrap_or(function.allocator);
    let hooked = Hooked { original: 0, function: 0, role: function.role, allocator };
    patches.prepare(&Target { code, size: symbol.size, hooked, hook: function.role.hook() })
}
