//! What a capture says about its native stacks: how complete they are, and where their names come from.

use memprof_capture::file::{CaptureReader, Fact, Frame, SymbolSource};
use memprof_channel::ids::FrameId;
use serde::Serialize;

/// The facts about native stacks, as reports print them. docs/metrics.md defines each.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct NativeStacks {
    pub recorded: bool,
    /// Stacks that end early, at code without unwinding information; null, like the next ones, where the capture does
    /// not say.
    pub cut_short: Option<u64>,
    /// Stacks whose Python frames could not be placed among the native ones.
    pub unmerged: Option<u64>,
    /// Stacks that were compared with another unwinder's.
    pub checked: Option<u64>,
    /// Those among them that differed.
    pub differing: Option<u64>,
    /// Those that frames lie in, most frames first.
    pub modules: Vec<ModuleReport>,
}

/// A module that frames lie in.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ModuleReport {
    pub path: String,
    /// Addresses that occur in stacks.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub frames: u64,
    /// Those among them whose function is known.
    pub named: u64,
    /// Where the names come from, or why there are none; null where the capture does not say.
    #[serde(serialize_with = "source_name")]
    #[cfg_attr(test, schemars(with = "Option<SourceName>"))]
    pub source: Option<SymbolSource>,
}

/// A source of names in the data of reports.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum SourceName {
    DebugInformation,
    SymbolTable,
    OtherBuild,
    Missing,
    Unreadable,
    Nameless,
}

fn source_name<S: serde::Serializer>(source: &Option<SymbolSource>, serializer: S) -> Result<S::Ok, S::Error> {
    let name = source.as_ref().map(|source| match source {
        SymbolSource::DebugInformation(_) => SourceName::DebugInformation,
        SymbolSource::SymbolTable(_) => SourceName::SymbolTable,
        SymbolSource::OtherBuild(_) => SourceName::OtherBuild,
        SymbolSource::Missing => SourceName::Missing,
        SymbolSource::Unreadable(..) => SourceName::Unreadable,
        SymbolSource::Nameless => SourceName::Nameless,
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
