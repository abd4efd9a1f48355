//! The names of native frames.
//!
//! A frame is an address in a file. Its names are in that file, in a separate one, or nowhere on this machine; so they are
//! looked up where and when the program was recorded, and written into the capture.
//!
//! - [`Resolution::of`]: all frames of a recording; `resolve`: those of one module.
//! - `module_file`, [`KeptFiles`], `debug_files`, `debuginfod`, `vdso`: which files know the names.
//! - `dwarf`, `symbol_table`, `mini_debug_info`, `perf_map`: what they say.
//! - `cache`: what they said the last time.
//! - [`hidden_allocators`]: what could not be recorded because names are missing.
//! - [`redo`]: names for a capture that exists already.

mod cache;
mod debug_files;
mod debuginfod;
mod demangling;
mod dwarf;
mod elf_image;
pub mod hidden_allocators;
mod kept_files;
mod mapped_file;
mod mini_debug_info;
mod module_file;
mod options;
mod perf_map;
pub mod redo;
mod resolve;
mod symbol_table;
#[cfg(test)]
mod tests;
mod vdso;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use kept_files::KeptFiles;
pub use memprof_capture::file::SymbolSource;
use memprof_capture::file::{Fact, FrameSymbols, Function, Module, NativeFrame};
use memprof_channel::ids::{FrameId, ModuleId};

pub use options::Options;
pub use perf_map::Process;

/// The names of all native frames of a recording.
#[derive(Clone, Debug, Default)]
pub struct Resolution {
    /// Those that were found, in the order of the frames.
    pub symbols: Vec<FrameSymbols>,
    /// How it went for each module that has frames.
    pub modules: Vec<ModuleOutcome>,
    /// How it went for code that was made at run time, if there are frames of it: the frames, and how many have names.
    pub run_time_code: Option<(usize, usize)>,
    /// What the user should know: a sentence each.
    pub warnings: Vec<String>,
}

/// How it went for a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleOutcome {
    /// The module.
    pub module: ModuleId,
    /// Its frames.
    pub frames: usize,
    /// Those among them that have names.
    pub named: usize,
    /// Where the names come from, or why there are none.
    pub source: SymbolSource,
}

/// A frame, and the address by which to look it up.
type Wanted = (u64, FrameId);
/// Modules that are the same file, with their frames.
type SameFile = Vec<(ModuleId, Vec<Wanted>)>;

impl Resolution {
    /// Finds the names of these frames. The processes made the code that no module holds; files that are gone may have been kept.
    pub fn of(
        modules: &[Option<Module>],
        frames: impl IntoIterator<Item = (FrameId, NativeFrame)>,
        processes: &[Process],
        options: &Options,
        kept: &KeptFiles,
    ) -> Self {
        let mut by_module: BTreeMap<Option<ModuleId>, Vec<Wanted>> = BTreeMap::new();
        for (frame, native) in frames {
            by_module.entry(native.module).or_default().push((native.lookup_address(), frame));
        }
        let mut resolution = Self::default();
        if let Some(frames) = by_module.remove(&None) {
            resolution.name_run_time_code(frames, processes, options);
        }
        // The same file may have been loaded several times, by one image of the process after the other. It is read once.
        let mut by_file: BTreeMap<(&str, &[u8]), SameFile> = BTreeMap::new();
        for (module, frames) in by_module {
            let Some(module) = module else { continue };
            match modules.get(module.index()).and_then(Option::as_ref) {
                Some(known) => by_file.entry((&known.path, &known.build_id)).or_default().push((module, frames)),
                None => resolution.modules.push(ModuleOutcome {
                    module,
                    frames: frames.len(),
                    named: 0,
                    source: SymbolSource::Missing,
                }),
            }
        }
        if options.debuginfod && !by_file.is_empty() {
            resolution.warnings.extend(debuginfod::obstacle());
        }
        let cache = options.cache.as_deref().map(cache::Cache::in_folder);
        for group in by_file.into_values() {
            resolution.name_file(modules, group, (options, kept), cache.as_ref());
        }
        if let Some(cache) = cache {
            cache.tidy();
        }
        resolution.symbols.sort_unstable_by_key(|symbols| symbols.frame.index());
        resolution.modules.sort_unstable_by_key(|outcome| outcome.module.index());
        resolution
    }

    fn name_run_time_code(&mut self, mut frames: Vec<Wanted>, processes: &[Process], options: &Options) {
        frames.sort_unstable();
        let addresses = unique_addresses(&[&frames]);
        let mut names = vec![None; addresses.len()];
        for &process in processes {
            let Some((_, map)) = perf_map::open(process, options.sysroot.as_deref()) else { continue };
            let found = perf_map::names(map, &addresses).unwrap_or_default();
            for (name, found) in names.iter_mut().zip(found) {
                *name = found.or(name.take());
            }
        }
        let functions: Vec<Vec<Function>> = names
            .into_iter()
            .map(|name| name.into_iter().map(|name| Function { name, file: String::new(), line: 0 }).collect())
            .collect();
        let named = self.add(&frames, &addresses, &functions);
        self.run_time_code = Some((frames.len(), named));
    }

    /// Names the frames of modules that are the same file.
    fn name_file(
        &mut self,
        modules: &[Option<Module>],
        group: SameFile,
        (options, kept): (&Options, &KeptFiles),
        cache: Option<&cache::Cache>,
    ) {
        let Some(module) = group.first().and_then(|(module, _)| modules.get(module.index())?.as_ref()) else { return };
        let addresses = unique_addresses(&group.iter().map(|(_, frames)| frames.as_slice()).collect::<Vec<_>>());
        // Files may be damaged in more ways than anybody thought of. Whatever happens, the recording is to be finished.
        let resolved = catch_unwind(AssertUnwindSafe(|| resolve::resolve(module, &addresses, options, kept, cache)));
        let (functions, source) = match resolved {
            Ok(found) => (found.names.into_iter().map(|named| named.functions).collect(), found.source),
            Err(_) => {
                let reason = "memprof stumbled over what is in it; please report that".to_owned();
                (Vec::new(), SymbolSource::Unreadable(module.path.clone(), reason))
            }
        };
        for (module, frames) in group {
            let named = self.add(&frames, &addresses, &functions);
            self.modules.push(ModuleOutcome { module, frames: frames.len(), named, source: source.clone() });
        }
    }

    /// Takes the functions of the frames, and says how many frames have any. `addresses` are in ascending order.
    fn add(&mut self, frames: &[Wanted], addresses: &[u64], functions: &[Vec<Function>]) -> usize {
        let before = self.symbols.len();
        self.symbols.extend(frames.iter().filter_map(|(address, frame)| {
            let functions = functions.get(addresses.binary_search(address).ok()?)?;
            (!functions.is_empty()).then(|| FrameSymbols { frame: *frame, functions: functions.clone() })
        }));
        self.symbols.len() - before
    }

    /// What a capture is to say about where the names come from.
    pub fn facts(&self) -> Vec<Fact> {
        let fact =
            |outcome: &ModuleOutcome| Fact::ModuleSymbols { module: outcome.module, source: outcome.source.clone() };
        self.modules.iter().map(fact).collect()
    }
}

fn unique_addresses(groups: &[&[Wanted]]) -> Vec<u64> {
    let mut addresses: Vec<u64> = groups.iter().copied().flatten().map(|(address, _)| *address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
