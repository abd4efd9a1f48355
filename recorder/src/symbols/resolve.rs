//! The names of one module's addresses, from all the files that know some.

use std::path::Path;

use memprof_capture::file::{Function, Module, SymbolSource};
use rustc_hash::FxHashMap;

use super::cache::Cache;
use super::debug_files::{self, Wanted};
use super::dwarf::{self, Located};
use super::elf_image::ElfImage;
use super::kept_files::KeptFiles;
use super::mini_debug_info;
use super::module_file::{ModuleFile, is_build};
use super::options::Options;
use super::symbol_table;
use super::vdso;

/// Who knew an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Origin {
    /// Nobody.
    Nowhere,
    /// Debugging information.
    DebugInformation,
    /// The module's own tables of symbols.
    ModuleTable,
    /// The table of symbols of the separate file.
    DebugFileTable,
}

/// What an address is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The functions, outermost first.
    pub functions: Vec<Function>,
    /// Who says so.
    pub origin: Origin,
}

impl Named {
    /// What nobody knows.
    pub fn nothing() -> Self {
        Self { functions: Vec::new(), origin: Origin::Nowhere }
    }
}

/// The names of a module's addresses.
pub struct ModuleNames {
    /// In the order of the addresses.
    pub names: Vec<Named>,
    /// Where they come from, or why there are none.
    pub source: SymbolSource,
}

/// The files that know a module's names.
#[derive(Clone, Copy)]
struct Sources<'d> {
    module: Option<Source<'d>>,
    debug: Option<Source<'d>>,
}

/// One of them.
#[derive(Clone, Copy)]
struct Source<'d> {
    path: &'d Path,
    image: &'d ElfImage<'d>,
    /// Whether it has debugging information that is to be read.
    is_informed: bool,
}

/// Names a module's addresses, which are in ascending order.
pub fn resolve(
    module: &Module,
    addresses: &[u64],
    options: &Options,
    kept: &KeptFiles,
    cache: Option<&Cache>,
) -> ModuleNames {
    let nothing = |source| ModuleNames { names: vec![Named::nothing(); addresses.len()], source };
    if vdso::is_vdso(&module.path) {
        let Some(Ok(image)) = vdso::image().map(ElfImage::parse) else { return nothing(SymbolSource::Missing) };
        if !is_build(&image, &module.build_id) {
            return nothing(SymbolSource::OtherBuild(module.path.clone()));
        }
        let module =
            Source { path: Path::new(&module.path), image: &image, is_informed: image.has_debug_information() };
        return Sources { module: Some(module), debug: None }.names(addresses, options);
    }
    let (file, trouble) = match ModuleFile::find(module, options, kept) {
        ModuleFile::Same(file) => (Some(file), SymbolSource::Nameless),
        ModuleFile::Other(path) => (None, SymbolSource::OtherBuild(text(&path))),
        ModuleFile::Missing => (None, SymbolSource::Missing),
        ModuleFile::Unreadable(path, why) => (None, SymbolSource::Unreadable(text(&path), why)),
    };
    let image = file.as_deref().and_then(|data| ElfImage::parse(data).ok());
    let debug = if image.as_ref().is_some_and(ElfImage::has_debug_information) {
        None
    } else {
        let link = image.as_ref().and_then(ElfImage::debug_link);
        let wanted = Wanted {
            path: Path::new(&module.path),
            build_id: &module.build_id,
            link: link.as_ref().map(|(name, checksum)| (name.as_path(), *checksum)),
        };
        debug_files::find(wanted, file.as_ref(), options)
    };
    let debug_image = debug.as_deref().and_then(|data| ElfImage::parse(data).ok());
    let sources = Sources {
        module: file.as_ref().zip(image.as_ref()).map(|(file, image)| {
            let is_informed = image.has_debug_information();
            Source { path: file.path(), image, is_informed }
        }),
        debug: debug.as_ref().zip(debug_image.as_ref()).map(|(file, image)| {
            let is_too_dear = !options.unpack && image.is_packed() && image.has_symbol_table();
            let is_informed = image.has_debug_information() && !is_too_dear;
            Source { path: file.path(), image, is_informed }
        }),
    };
    if sources.module.is_none() && sources.debug.is_none() {
        return nothing(trouble);
    }
    let found = match cache.filter(|_| !module.build_id.is_empty()) {
        Some(cache) => sources.names_with(cache, &module.build_id, addresses, options),
        None => sources.names(addresses, options),
    };
    match found.source {
        SymbolSource::Nameless => ModuleNames { source: trouble, ..found },
        _ => found,
    }
}

impl Sources<'_> {
    /// Names addresses, first from what earlier runs left in the cache, to which is added what it did not have.
    fn names_with(self, cache: &Cache, build_id: &[u8], addresses: &[u64], options: &Options) -> ModuleNames {
        let key = self.key();
        let mut known: FxHashMap<u64, Named> = cache.load(build_id, &key);
        let unknown: Vec<u64> = addresses.iter().copied().filter(|address| !known.contains_key(address)).collect();
        if !unknown.is_empty() {
            known.extend(unknown.iter().copied().zip(self.names(&unknown, options).names));
            cache.store(build_id, &key, &known, addresses);
        }
        let names = addresses.iter().map(|address| known.remove(address).unwrap_or_else(Named::nothing)).collect();
        self.with_source(names)
    }

    /// Distinguishes what different files say about one module: a stripped file and a full one have the same build id.
    fn key(&self) -> String {
        let file = |source: Source<'_>| format!("{}:{}", source.image.bytes(), source.is_informed);
        let module = self.module.map(file).unwrap_or_default();
        let debug = self.debug.map(file).unwrap_or_default();
        format!("{module}/{debug}")
    }

    fn names(self, addresses: &[u64], options: &Options) -> ModuleNames {
        let mut names = vec![Named::nothing(); addresses.len()];
        let mut located = vec![Located::default(); addresses.len()];
        if let Some(Source { path, image, .. }) = self.informed() {
            let shared = debug_files::find_shared(path, image, options);
            let shared = shared.as_deref().and_then(|data| ElfImage::parse(data).ok());
            located = dwarf::locate(image, shared.as_ref(), addresses);
            for (named, located) in names.iter_mut().zip(&mut located).filter(|(_, it)| !it.functions.is_empty()) {
                let functions = std::mem::take(&mut located.functions);
                *named = Named { functions, origin: Origin::DebugInformation };
            }
        }
        for (source, origin) in [(self.debug, Origin::DebugFileTable), (self.module, Origin::ModuleTable)] {
            if let Some(source) = source {
                fill(&mut names, &mut located, addresses, origin, |missing| symbol_table::names(source.image, missing));
            }
        }
        if let Some(source) = self.module {
            fill(&mut names, &mut located, addresses, Origin::ModuleTable, |missing| {
                let unpacked = mini_debug_info::unpacked(source.image).unwrap_or_default();
                ElfImage::parse(&unpacked).map_or_else(|_| Vec::new(), |image| symbol_table::names(&image, missing))
            });
        }
        // What has no name anywhere cannot be shown.
        for named in &mut names {
            named.functions.retain(|function| !function.name.is_empty());
            if named.functions.is_empty() {
                named.origin = Origin::Nowhere;
            }
        }
        self.with_source(names)
    }

    /// The one with debugging information.
    fn informed(&self) -> Option<Source<'_>> {
        [self.module, self.debug].into_iter().flatten().find(|source| source.is_informed)
    }

    fn with_source(&self, names: Vec<Named>) -> ModuleNames {
        let has = |origin: Origin| names.iter().any(|named| named.origin == origin);
        let of = |source: Option<Source<'_>>| source.map_or_else(String::new, |source| text(source.path));
        let source = if has(Origin::DebugInformation) {
            SymbolSource::DebugInformation(of(self.informed()))
        } else if has(Origin::DebugFileTable) {
            SymbolSource::SymbolTable(of(self.debug))
        } else if has(Origin::ModuleTable) {
            SymbolSource::SymbolTable(of(self.module))
        } else {
            SymbolSource::Nameless
        };
        ModuleNames { names, source }
    }
}

/// Asks a table of symbols about the addresses whose function has no name yet, or only a part of one.
fn fill(
    names: &mut [Named],
    located: &mut [Located],
    addresses: &[u64],
    origin: Origin,
    ask: impl FnOnce(&[u64]) -> Vec<Option<String>>,
) {
    let is_asked = |index: &usize| {
        let outermost = names[*index].functions.first();
        located[*index].is_short || outermost.is_none_or(|function| function.name.is_empty())
    };
    let asked: Vec<usize> = (0..names.len()).filter(is_asked).collect();
    if asked.is_empty() {
        return;
    }
    let answers = ask(&asked.iter().map(|&index| addresses[index]).collect::<Vec<_>>());
    for (index, name) in asked.into_iter().zip(answers) {
        let Some(name) = name else { continue };
        let named = &mut names[index];
        if let Some(outermost) = named.functions.first_mut() {
            // Of the same function, and not of one that shares its code.
            if name.contains(&outermost.name) {
                outermost.name = name;
                located[index].is_short = false;
            }
        } else {
            let (file, line) = located[index].line.take().unwrap_or_default();
            // A line comes from debugging information, whoever gave the name.
            named.origin = if line > 0 { Origin::DebugInformation } else { origin };
            named.functions.push(Function { name, file, line });
        }
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
