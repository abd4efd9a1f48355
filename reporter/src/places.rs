//! Where in the program something is: function, file and line. Instructions of one line are one place.

use memprof_capture::allocator::Allocator;
use memprof_capture::file::{Frame, Tables};
use memprof_capture::ids::{FrameId, StackId};
use rustc_hash::FxHashMap;

use crate::line_table::LineIndex;
use crate::strings::{StringId, Strings};

/// The name of the node and the rows of memory that was allocated where no Python function ran.
pub const NO_PYTHON_STACK: &str = "<no Python stack>";
/// The name where a damaged capture lost the stack.
pub const LOST_STACK: &str = "<stack lost>";
/// The name where a damaged capture lost the function of a frame.
pub const LOST_FUNCTION: &str = "<function lost>";

/// The number of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(pub u32);

impl PlaceId {
    /// The place as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlaceKind {
    /// A line of a Python function.
    Python = 0,
    /// A native function.
    Native = 1,
    /// A function of the interpreter itself.
    Interpreter = 2,
    /// No place in the program: a name in angle brackets, or an allocator.
    Special = 3,
}

/// Function, file and line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `co_name`.
    pub function: StringId,
    /// `co_filename`; empty for special places.
    pub file: StringId,
    /// The line; 0 for special places.
    pub line: u32,
    /// What it is.
    pub kind: PlaceKind,
}

/// The places of a capture, each once.
pub struct Places {
    strings: Strings,
    places: Vec<Place>,
    ids: FxHashMap<Place, PlaceId>,
    of_frame: Vec<PlaceId>,
    no_python: PlaceId,
    lost_stack: PlaceId,
}

impl Places {
    /// Resolves all frames of a capture.
    #[must_use]
    pub fn resolve(tables: &Tables) -> Self {
        let placeholder = PlaceId(0);
        let mut places = Self {
            strings: Strings::default(),
            places: Vec::new(),
            ids: FxHashMap::default(),
            of_frame: Vec::new(),
            no_python: placeholder,
            lost_stack: placeholder,
        };
        places.no_python = places.special(NO_PYTHON_STACK);
        places.lost_stack = places.special(LOST_STACK);
        let lost = places.special(LOST_FUNCTION);
        places.of_frame = vec![lost; tables.frames.len()];
        places.resolve_frames(tables);
        places
    }

    fn resolve_frames(&mut self, tables: &Tables) {
        // Frames of one code object together, so that each line table is read once.
        let mut frames: Vec<(u32, u32, u32)> = (0_u32..)
            .zip(&tables.frames)
            .filter_map(|(index, frame)| match (*frame)? {
                Frame::Python { code, offset } => Some((code.0, offset, index)),
                Frame::Native(_) | Frame::ThreadStart | Frame::Elided { .. } => None,
            })
            .collect();
        frames.sort_unstable();
        let mut index = LineIndex::default();
        for run in frames.chunk_by(|a, b| a.0 == b.0) {
            let Some(Some(code)) = tables.codes.get(run[0].0 as usize) else { continue };
            let (function, file) = (self.strings.intern(&code.name), self.strings.intern(&code.file));
            index.load(code.format, &code.line_table, code.first_line);
            for &(_, offset, frame) in run {
                let line = index.find(offset).and_then(|range| range.line).unwrap_or(code.first_line);
                let place = self.enter(Place { function, file, line, kind: PlaceKind::Python });
                self.of_frame[frame as usize] = place;
            }
        }
    }

    fn enter(&mut self, place: Place) -> PlaceId {
        let next = PlaceId(self.places.len() as u32);
        let id = *self.ids.entry(place).or_insert(next);
        if id == next {
            self.places.push(place);
        }
        id
    }

    /// A place that is only a name.
    pub fn special(&mut self, name: &str) -> PlaceId {
        let (function, file) = (self.strings.intern(name), self.strings.intern(""));
        self.enter(Place { function, file, line: 0, kind: PlaceKind::Special })
    }

    /// The place that stands for an allocator, below [`NO_PYTHON_STACK`].
    pub fn allocator(&mut self, allocator: Allocator) -> PlaceId {
        self.special(allocator.name())
    }

    /// The place of a frame.
    #[must_use]
    pub fn of_frame(&self, frame: FrameId) -> PlaceId {
        self.of_frame.get(frame.index()).copied().unwrap_or(self.lost_stack)
    }

    /// The innermost place of a stack.
    #[must_use]
    pub fn innermost(&self, tables: &Tables, stack: StackId) -> PlaceId {
        if stack == StackId::EMPTY {
            return self.no_python;
        }
        tables.stack(stack).map_or(self.lost_stack, |node| self.of_frame(node.frame))
    }

    /// The place of memory without a Python stack.
    #[must_use]
    pub const fn no_python(&self) -> PlaceId {
        self.no_python
    }

    /// The place of memory whose stack was lost.
    #[must_use]
    pub const fn lost_stack(&self) -> PlaceId {
        self.lost_stack
    }

    /// A place.
    #[must_use]
    pub fn get(&self, place: PlaceId) -> Place {
        self.places[place.index()]
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The name of a place's function.
    #[must_use]
    pub fn function(&self, place: PlaceId) -> &str {
        self.strings.get(self.get(place).function)
    }

    /// The name of a place's file; empty for special places.
    #[must_use]
    pub fn file(&self, place: PlaceId) -> &str {
        self.strings.get(self.get(place).file)
    }

    /// A place's line; 0 for special places.
    #[must_use]
    pub fn line(&self, place: PlaceId) -> u32 {
        self.get(place).line
    }
}
