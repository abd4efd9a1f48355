//! The places that each frame of a capture represents.

use memprof_capture::file::{Frame, NativeFrame, Tables};
use memprof_channel::ids::FrameId;

use crate::formatting::size_units::counted;
use crate::naming::line_table::LineIndex;
use crate::naming::places::{ELIDED_CALLERS, PlaceId, PlaceKind, Places};
use crate::naming::runtime_frames::{Known, known_frames, runtime_frames};
use crate::naming::runtime_functions::{Role, file_name};
use crate::naming::strings::StringId;

/// The file name of a module that a damaged capture lost.
const LOST_MODULE: &str = "<module lost>";

/// Places by frame: one after the other, with the frame's first one by its number.
#[derive(Default)]
pub(crate) struct FramePlaces {
    places: Vec<PlaceId>,
    /// One more than there are frames.
    starts: Vec<u32>,
    in_interpreter: Vec<bool>,
}

/// What the frames of a module have in common.
struct ModuleNames {
    path: StringId,
    file_name: String,
    role: Role,
    is_interpreter: bool,
}

impl FramePlaces {
    /// Resolves all frames. What the file lost is one place.
    pub(crate) fn resolve(tables: &Tables, places: &mut Places) -> Self {
        let python = python_places(tables, places);
        let modules = module_names(tables, places);
        let runtime = runtime_frames(tables, &known_frames(tables, |frame| known(tables, &modules, frame)));
        let mut resolved = Self::default();
        for (index, frame) in tables.frames.iter().enumerate() {
            resolved.starts.push(resolved.places.len() as u32);
            let mut in_interpreter = false;
            match frame {
                None | Some(Frame::Python { .. }) => resolved.places.push(python[index]),
                Some(Frame::Native(native)) => {
                    let module = native.module.and_then(|module| modules.get(module.index())?.as_ref());
                    in_interpreter = native.evaluates || module.is_some_and(|module| module.is_interpreter);
                    let frame = FrameId::from_index(index);
                    native_places(tables, places, (frame, native), (module, runtime[index]), &mut resolved.places);
                }
                Some(Frame::ThreadStart) => resolved.places.push(places.new_thread()),
                Some(Frame::Elided { frames }) => {
                    let name = format!("<{} elided>", counted((*frames).into(), "native frame"));
                    resolved.places.push(places.mark(&name));
                }
                Some(Frame::ElidedCallers) => resolved.places.push(places.special(ELIDED_CALLERS)),
            }
            resolved.in_interpreter.push(in_interpreter);
        }
        resolved.starts.push(resolved.places.len() as u32);
        resolved
    }

    /// The places of a frame, outermost first.
    pub(crate) fn get(&self, frame: FrameId) -> Option<&[PlaceId]> {
        let (&start, &end) = (self.starts.get(frame.index())?, self.starts.get(frame.index() + 1)?);
        Some(&self.places[start as usize..end as usize])
    }

    /// Whether the frame lies in a module of the interpreter.
    pub(crate) fn is_in_interpreter(&self, frame: FrameId) -> bool {
        self.in_interpreter.get(frame.index()).is_some_and(|&inside| inside)
    }
}

/// By frame: the place of a Python frame. All others are lost ones.
fn python_places(tables: &Tables, places: &mut Places) -> Vec<PlaceId> {
    let mut of_frame = vec![places.lost_function(); tables.frames.len()];
    // Frames of one code object together, so that each line table is read once.
    let mut frames: Vec<(u32, u32, u32)> = (0_u32..)
        .zip(&tables.frames)
        .filter_map(|(index, frame)| match (*frame)? {
            Frame::Python { code, offset } => Some((code.0, offset, index)),
            Frame::Native(_) | Frame::ThreadStart | Frame::Elided { .. } | Frame::ElidedCallers => None,
        })
        .collect();
    frames.sort_unstable();
    let mut index = LineIndex::default();
    for run in frames.chunk_by(|a, b| a.0 == b.0) {
        let Some(Some(code)) = tables.codes.get(run[0].0 as usize) else { continue };
        let (function, file) = (places.intern(&code.name), places.intern(&code.file));
        index.load(code.format, &code.line_table, code.first_line);
        for &(_, offset, frame) in run {
            let line = index.find(offset).and_then(|range| range.line).unwrap_or(code.first_line);
            of_frame[frame as usize] = places.python(function, file, line);
        }
    }
    of_frame
}

fn module_names(tables: &Tables, places: &mut Places) -> Vec<Option<ModuleNames>> {
    let mut names = |module: &memprof_capture::file::Module| {
        let role = Role::of(module);
        ModuleNames {
            path: places.intern(&module.path),
            file_name: file_name(&module.path).to_owned(),
            role,
            is_interpreter: module.is_interpreter || role == Role::Interpreter,
        }
    };
    tables.modules.iter().map(|module| module.as_ref().map(&mut names)).collect()
}

/// What a frame says of itself about running the program.
fn known(tables: &Tables, modules: &[Option<ModuleNames>], frame: FrameId) -> Known {
    let native = match tables.frame(frame) {
        Some(Frame::Native(native)) => native,
        Some(Frame::Python { .. }) => return Known::OfPython,
        _ => return Known::Other,
    };
    if native.evaluates {
        return Known::OfPython;
    }
    let functions = tables.functions_of(frame);
    let Some(module) = native.module else {
        return if functions.is_empty() { Known::Made } else { Known::Other };
    };
    let Some(Some(ModuleNames { role, .. })) = modules.get(module.index()) else { return Known::Other };
    match (role, functions) {
        (Role::CLibrary, []) => Known::OfCLibrary,
        (_, [function, ..]) if role.starts(&function.name) => Known::Starts,
        (Role::Interpreter | Role::Embedding, _)
            if role.is_runtime(functions.last().map(|function| &*function.name)) =>
        {
            Known::OfPython
        }
        _ => Known::Other,
    }
}

/// Adds the places of a native frame in a module, which may be nameless and run the program.
fn native_places(
    tables: &Tables,
    places: &mut Places,
    (frame, native): (FrameId, &NativeFrame),
    (module, runs): (Option<&ModuleNames>, bool),
    out: &mut Vec<PlaceId>,
) {
    let role = module.map_or(Role::MadeCode, |module| module.role);
    let kind_of = |name: Option<&str>| {
        if native.evaluates {
            PlaceKind::Evaluation
        } else if runs || role.is_runtime(name) {
            PlaceKind::Runtime
        } else {
            PlaceKind::Native
        }
    };
    let module_path = module.map(|module| module.path);
    let fallback = module_path.unwrap_or_else(|| places.intern(""));
    let functions = tables.functions_of(frame);
    for function in functions {
        let has_source = !function.file.is_empty();
        let file = if has_source { places.intern(&function.file) } else { fallback };
        let name = places.intern(&function.name);
        let kind = kind_of(Some(&function.name));
        out.push(places.native((name, file, function.line), kind, (module_path, has_source)));
    }
    if functions.is_empty() {
        let name = match (native.module, module) {
            (_, Some(module)) => format!("{}+{:#x}", module.file_name, native.address),
            (Some(_), None) => format!("{LOST_MODULE}+{:#x}", native.address),
            (None, None) => format!("{:#x}", native.address),
        };
        let name = places.intern(&name);
        out.push(places.native((name, fallback, 0), kind_of(None), (module_path, false)));
    }
}
