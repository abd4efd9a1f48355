//! What a capture says about its native stacks: how complete they are, and where their names come from.

use memprof_capture::file::{CaptureReader, Fact, Frame, SymbolSource};
use memprof_channel::ids::FrameId;
use serde::Serialize;

/// The facts about native stacks, as reports print them. docs/metrics.md defines each.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct NativeStacks {
    pub recorded: bool,
    /// Nothing, like the next ones, where the capture does not say.
    pub cut_short: Option<u64>,
    pub unmerged: Option<u64>,
    pub checked: Option<u64>,
    pub differing: Option<u64>,
    /// Those that have frames, most frames first.
    pub modules: Vec<ModuleReport>,
}

/// A module that frames lie in.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ModuleReport {
    pub path: String,
    /// Addresses that occur in stacks.
    pub frames: u64,
    /// Those among them whose function is known.
    pub named: u64,
    /// Where the names come from, or why there are none; nothing where the capture does not say.
    #[serde(serialize_with = "source_name")]
    pub source: Option<SymbolSource>,
}

fn source_name<S: serde::Serializer>(source: &Option<SymbolSource>, serializer: S) -> Result<S::Ok, S::Error> {
    let name = source.as_ref().map(|source| match source {
        SymbolSource::DebugInformation(_) => "debug_information",
        SymbolSource::SymbolTable(_) => "symbol_table",
        SymbolSource::OtherBuild(_) => "other_build",
        SymbolSource::Missing => "missing",
        SymbolSource::Unreadable(..) => "unreadable",
        SymbolSource::Nameless => "nameless",
    });
    name.serialize(serializer)
}

impl NativeStacks {
    /// Gathers the facts of a capture.
    pub(crate) fn of(reader: &CaptureReader) -> Self {
        let mut native = Self { recorded: reader.header().native_stacks, modules: modules(reader), ..Self::default() };
        for fact in reader.facts() {
            // The last one counts.
            if let Fact::NativeStacks { cut_short, unmerged, checked, differing } = *fact {
                native.cut_short = Some(cut_short);
                native.unmerged = Some(unmerged);
                native.checked = Some(checked);
                native.differing = Some(differing);
            }
        }
        native
    }

    /// Addresses that occur in stacks, and those among them whose function is known, in all modules.
    pub(crate) fn frames(&self) -> (u64, u64) {
        self.modules.iter().fold((0, 0), |(frames, named), module| (frames + module.frames, named + module.named))
    }
}

fn modules(reader: &CaptureReader) -> Vec<ModuleReport> {
    let tables = reader.tables();
    let mut counts = vec![(0_u64, 0_u64); tables.modules.len()];
    for (index, frame) in tables.frames.iter().enumerate() {
        if let Some(Frame::Native(native)) = frame
            && let Some(module) = native.module
            && let Some((frames, named)) = counts.get_mut(module.index())
        {
            *frames += 1;
            *named += u64::from(!tables.functions_of(FrameId::from_index(index)).is_empty());
        }
    }
    let mut sources = vec![None; tables.modules.len()];
    for fact in reader.facts() {
        if let Fact::ModuleSymbols { module, source } = fact
            && let Some(known) = sources.get_mut(module.index())
        {
            *known = Some(source.clone());
        }
    }
    let known = tables.modules.iter().zip(counts).zip(sources);
    let mut modules: Vec<ModuleReport> = known
        .filter(|((_, (frames, _)), _)| *frames > 0)
        .filter_map(|((module, (frames, named)), source)| {
            Some(ModuleReport { path: module.as_ref()?.path.clone(), frames, named, source })
        })
        .collect();
    modules.sort_by(|a, b| b.frames.cmp(&a.frames).then_with(|| a.path.cmp(&b.path)));
    modules
}
