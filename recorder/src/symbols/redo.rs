//! Names for a capture that exists already: on another machine, or once the files that know them are there.

use std::io::Write;
use std::path::{Path, PathBuf};

pub use memprof_capture::file::rewrite::RewriteError;
use memprof_capture::file::rewrite::{Names, rewrite};
use memprof_capture::file::{CaptureReader, Fact, Frame, FrameSymbols, Function, OpenError, SymbolSource, Tables};
use memprof_channel::ids::{FrameId, ModuleId};
use rustc_hash::FxHashMap;

use super::{KeptFiles, Options, Process, Resolution};

/// A capture with the names that were found for it.
pub struct Redone {
    reader: CaptureReader,
    symbols: Vec<FrameSymbols>,
    sources: Vec<Fact>,
    /// How it went for each module that has native frames.
    pub modules: Vec<NamedModule>,
    /// What the user should know: a sentence each.
    pub warnings: Vec<String>,
}

/// How it went for a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedModule {
    /// Its path; nothing for code that was made at run time.
    pub path: Option<PathBuf>,
    /// Its frames.
    pub frames: usize,
    /// Those among them that have names now.
    pub named: usize,
    /// What was found here.
    pub source: SymbolSource,
    /// Those among them whose names are the ones that the capture had: here are none, or poorer ones.
    pub kept: usize,
}

impl Redone {
    /// Opens a capture and looks for the names of its native frames.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn read(capture: &Path, options: &Options) -> Result<Self, OpenError> {
        let reader = CaptureReader::open(capture)?;
        let tables = reader.tables();
        let natives = (0..).zip(&tables.frames).filter_map(|(row, frame)| match frame {
            Some(Frame::Native(native)) => Some((FrameId(row), *native)),
            _ => None,
        });
        let found = Resolution::of(&tables.modules, natives, &processes(&reader), options, &KeptFiles::default());
        let old: FxHashMap<ModuleId, &SymbolSource> = reader
            .facts()
            .iter()
            .filter_map(|fact| match fact {
                Fact::ModuleSymbols { module, source } => Some((*module, source)),
                _ => None,
            })
            .collect();
        let merged = Merge { tables, old: &old, found: &found }.merged();
        let Merged { symbols, sources, modules } = merged;
        Ok(Self { symbols, sources, modules, warnings: found.warnings, reader })
    }

    /// Writes the capture with these names.
    ///
    /// # Errors
    /// When it cannot be read any more, or not be written.
    pub fn write(&self, out: impl Write) -> Result<u64, RewriteError> {
        let names = Names { symbols: &self.symbols, sources: &self.sources };
        rewrite(self.reader.path(), self.reader.header(), names, out)
    }
}

/// The processes whose run-time code the capture may have frames of.
fn processes(reader: &CaptureReader) -> Vec<Process> {
    let header = reader.header();
    let images = reader.facts().iter().filter_map(|fact| match fact {
        Fact::Image { pid, .. } => Some(*pid),
        _ => None,
    });
    let mut pids: Vec<u32> = images.chain([header.pid]).collect();
    pids.sort_unstable();
    pids.dedup();
    let began = i64::try_from(header.start_unix_ns / 1_000_000_000).unwrap_or(0);
    pids.into_iter().map(|pid| Process { pid, began }).collect()
}

/// What a capture had, and what was found.
struct Merge<'a> {
    tables: &'a Tables,
    old: &'a FxHashMap<ModuleId, &'a SymbolSource>,
    found: &'a Resolution,
}

struct Merged {
    symbols: Vec<FrameSymbols>,
    sources: Vec<Fact>,
    modules: Vec<NamedModule>,
}

impl Merge<'_> {
    fn merged(&self) -> Merged {
        let outcomes: FxHashMap<ModuleId, &SymbolSource> =
            self.found.modules.iter().map(|outcome| (outcome.module, &outcome.source)).collect();
        let new: FxHashMap<FrameId, &Vec<Function>> =
            self.found.symbols.iter().map(|symbols| (symbols.frame, &symbols.functions)).collect();
        let mut counts: FxHashMap<Option<ModuleId>, (usize, usize)> = FxHashMap::default();
        let mut symbols = Vec::new();
        for (row, frame) in (0..).zip(&self.tables.frames) {
            let Some(Frame::Native(native)) = frame else { continue };
            let frame = FrameId(row);
            let had = Some(self.tables.functions_of(frame)).filter(|functions| !functions.is_empty());
            let has = new.get(&frame).map(|functions| functions.as_slice());
            let source = native.module.and_then(|module| outcomes.get(&module));
            let is_poorer = native
                .module
                .zip(source.copied())
                .is_some_and(|(module, source)| self.old.get(&module).is_some_and(|old| worth(source) < worth(old)));
            let functions = if is_poorer { had.or(has) } else { has.or(had) };
            let Some(functions) = functions else { continue };
            let (named, kept) = counts.entry(native.module).or_default();
            *named += 1;
            *kept += usize::from(has.is_none() || is_poorer && had.is_some());
            symbols.push(FrameSymbols { frame, functions: functions.to_vec() });
        }
        let sources = self.found.modules.iter().map(|outcome| {
            let old = self.old.get(&outcome.module).filter(|old| worth(old) > worth(&outcome.source));
            let source = old.map_or(&outcome.source, |old| old);
            Fact::ModuleSymbols { module: outcome.module, source: source.clone() }
        });
        Merged { symbols, sources: sources.collect(), modules: self.modules(&counts) }
    }

    fn modules(&self, counts: &FxHashMap<Option<ModuleId>, (usize, usize)>) -> Vec<NamedModule> {
        let count = |module: Option<ModuleId>| counts.get(&module).copied().unwrap_or_default();
        let of_files = self.found.modules.iter().map(|outcome| {
            let (named, kept) = count(Some(outcome.module));
            let path = self.tables.module(outcome.module).map(|module| PathBuf::from(&module.path));
            let path = Some(path.unwrap_or_else(|| PathBuf::from("<unknown>")));
            NamedModule { path, frames: outcome.frames, named, source: outcome.source.clone(), kept }
        });
        let run_time = self.found.run_time_code.map(|(frames, _)| {
            let (named, kept) = count(None);
            NamedModule { path: None, frames, named, source: SymbolSource::Missing, kept }
        });
        let mut modules: Vec<NamedModule> = of_files.chain(run_time).collect();
        modules.sort_by(|one, other| other.frames.cmp(&one.frames).then_with(|| one.path.cmp(&other.path)));
        modules
    }
}

/// How much names from there say.
fn worth(source: &SymbolSource) -> u8 {
    match source {
        SymbolSource::DebugInformation(_) => 2,
        SymbolSource::SymbolTable(_) => 1,
        _ => 0,
    }
}
