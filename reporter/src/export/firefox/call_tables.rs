//! Functions, frames and stacks as the profiler has them: columns that refer to each other by number.

use std::io::{self, Write};

use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::{Value, json};

use crate::export::event_places::EventPlaces;
use crate::export::frames::Frames;
use crate::naming::places::{PlaceId, PlaceKind};
use crate::naming::strings::{StringId, Strings};
use crate::reading::report::Report;
use crate::sums::node::{Node, NodeId};

/// What colours a frame. The first one is what the profiler takes for everything else.
const CATEGORIES: [(&str, &str); 4] =
    [("Other", "grey"), ("Python", "yellow"), ("Native", "blue"), ("Python runtime", "lightblue")];

/// The categories, for the file's head.
pub(super) fn categories() -> Value {
    CATEGORIES
        .map(|(name, color)| json!({ "name": name, "color": color, "subcategories": ["Other"] }))
        .into_iter()
        .collect()
}

const fn category(kind: PlaceKind) -> usize {
    match kind {
        PlaceKind::Special | PlaceKind::Process | PlaceKind::Thread => 0,
        PlaceKind::Python => 1,
        PlaceKind::Native => 2,
        PlaceKind::Runtime | PlaceKind::Evaluation => 3,
    }
}

/// The tables of a report.
pub(super) struct CallTables<'a> {
    report: &'a Report,
    nodes: &'a [Node],
    frames: Frames,
    strings: Strings,
    /// By frame.
    functions_of_frames: Vec<u32>,
    /// Name and file; an empty one where it is not known.
    functions: Vec<(StringId, StringId)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FrameTable {
    length: usize,
    address: Vec<i8>,
    inline_depth: Vec<u8>,
    category: Vec<usize>,
    subcategory: Vec<u8>,
    func: Vec<u32>,
    native_symbol: Vec<Option<u32>>,
    #[serde(rename = "innerWindowID")]
    inner_window_id: Vec<u8>,
    line: Vec<Option<u32>>,
    column: Vec<Option<u32>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FuncTable {
    length: usize,
    name: Vec<u32>,
    #[serde(rename = "isJS")]
    is_js: Vec<bool>,
    #[serde(rename = "relevantForJS")]
    relevant_for_js: Vec<bool>,
    resource: Vec<i8>,
    file_name: Vec<Option<u32>>,
    line_number: Vec<Option<u32>>,
    column_number: Vec<Option<u32>>,
}

#[derive(Serialize)]
struct StackTable {
    length: usize,
    prefix: Vec<Option<u32>>,
    frame: Vec<u32>,
}

impl<'a> CallTables<'a> {
    /// With all calls of the tree.
    pub(super) fn of(report: &'a Report, places: &'a EventPlaces) -> Self {
        let frames = Frames::of(&places.tree, report.places(), |_, _| true);
        let mut tables = Self {
            report,
            nodes: places.tree.nodes(),
            functions_of_frames: Vec::with_capacity(frames.places().len()),
            frames,
            strings: Strings::default(),
            functions: Vec::new(),
        };
        let mut known: FxHashMap<(StringId, StringId), u32> = FxHashMap::default();
        for index in 0..tables.frames.places().len() {
            let place = tables.frames.places()[index];
            let names =
                [report.places().function(place), report.places().file(place)].map(|text| tables.strings.intern(text));
            let function = *known.entry(names.into()).or_insert_with(|| {
                tables.functions.push(names.into());
                tables.functions.len() as u32 - 1
            });
            tables.functions_of_frames.push(function);
        }
        tables
    }

    /// Writes them as fields of an object that has others before them.
    pub(super) fn write_fields(&self, out: &mut impl Write) -> io::Result<()> {
        field(out, "stringArray", &self.strings.iter().collect::<Vec<_>>())?;
        field(out, "funcTable", &self.func_table())?;
        field(out, "frameTable", &self.frame_table())?;
        field(out, "stackTable", &self.stack_table())
    }

    fn func_table(&self) -> FuncTable {
        let length = self.functions.len();
        let file = |id: StringId| (!self.strings.get(id).is_empty()).then_some(id.0);
        FuncTable {
            length,
            name: self.functions.iter().map(|(name, _)| name.0).collect(),
            is_js: vec![false; length],
            relevant_for_js: vec![false; length],
            resource: vec![-1; length],
            file_name: self.functions.iter().map(|&(_, id)| file(id)).collect(),
            line_number: vec![None; length],
            column_number: vec![None; length],
        }
    }

    fn frame_table(&self) -> FrameTable {
        let frames = self.frames.places();
        let length = frames.len();
        let places = self.report.places();
        let line = |&place: &PlaceId| Some(places.line(place)).filter(|&line| line > 0);
        FrameTable {
            length,
            address: vec![-1; length],
            inline_depth: vec![0; length],
            category: frames.iter().map(|&place| category(places.get(place).kind)).collect(),
            subcategory: vec![0; length],
            func: self.functions_of_frames.clone(),
            native_symbol: vec![None; length],
            inner_window_id: vec![0; length],
            line: frames.iter().map(line).collect(),
            column: vec![None; length],
        }
    }

    /// Stack `n` is node `n + 1`: the root is no call.
    fn stack_table(&self) -> StackTable {
        let calls = &self.nodes[1..];
        StackTable {
            length: calls.len(),
            prefix: calls.iter().map(|node| (node.parent != NodeId::ROOT).then(|| node.parent.0 - 1)).collect(),
            frame: calls.iter().map(|node| self.frames.number(node.place)).collect(),
        }
    }
}

fn field(out: &mut impl Write, name: &str, value: &impl Serialize) -> io::Result<()> {
    write!(out, ",\"{name}\":")?;
    serde_json::to_writer(out, value)?;
    Ok(())
}
