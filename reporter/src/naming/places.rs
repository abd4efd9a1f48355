//! Where in the program something is: function, file and line. Instructions of one line are one place.

use memprof_capture::file::Tables;
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::FrameId;
use rustc_hash::FxHashMap;

use crate::naming::claims::Claim;
use crate::naming::frame_places::FramePlaces;
use crate::naming::import_machinery;
use crate::naming::strings::{StringId, Strings};
use crate::naming::view::Views;

/// The name of the node and the rows of memory that was allocated where no Python function ran.
pub const NO_PYTHON_STACK: &str = "<no Python stack>";
/// The name, in the native view, where no native frame was recorded.
pub const NO_NATIVE_STACK: &str = "<no native stack>";
/// The name where all frames of a stack were the interpreter's own, which are not shown.
pub const PYTHON_RUNTIME: &str = "<Python runtime>";
/// The name of the mark between a thread's creator and its own frames.
pub const NEW_THREAD: &str = "<new thread>";
/// The name of the mark where an aggregated recording had no room for the callers of a rare stack.
pub const ELIDED_CALLERS: &str = "<callers elided>";
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
    /// A native function of the interpreter itself, or one that starts a process or a thread.
    Runtime = 2,
    /// No place in the program: a name in angle brackets, or an allocator.
    Special = 3,
    /// The interpreter's evaluation loop, which comes right after the Python frames that it runs.
    Evaluation = 4,
    /// A process, which is above all that it did where there are several.
    Process = 5,
    /// A thread, which is above all that it did where stacks are split by thread.
    Thread = 6,
}

impl PlaceKind {
    /// The names of all that stacks consist of.
    pub const IN_STACKS: [&str; 4] =
        [Self::Python.name(), Self::Native.name(), Self::Runtime.name(), Self::Special.name()];

    /// The names of all that trees of stacks consist of, unless they are split by thread.
    pub const IN_TREES: [&str; 5] =
        [Self::Python.name(), Self::Native.name(), Self::Runtime.name(), Self::Special.name(), Self::Process.name()];

    /// The name in the data of reports. The evaluation loop is a function of the interpreter like others there.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Native => "native",
            Self::Runtime | Self::Evaluation => "runtime",
            Self::Special => "special",
            Self::Process => "process",
            Self::Thread => "thread",
        }
    }

    /// Whether it is native code.
    #[must_use]
    pub const fn is_native(self) -> bool {
        matches!(self, Self::Native | Self::Runtime | Self::Evaluation)
    }

    /// The views that show it. Special places and the import machinery have their own.
    pub(crate) const fn shown(self) -> Views {
        match self {
            Self::Python => Views::BOTH_HYBRID.with(Views::PYTHON),
            Self::Native => Views::BOTH_HYBRID.with(Views::NATIVE),
            Self::Runtime => Views::HYBRID_WITH_RUNTIME.with(Views::NATIVE),
            Self::Evaluation => Views::NATIVE,
            Self::Special | Self::Process | Self::Thread => Views::ALL,
        }
    }
}

/// Function, file and line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `co_name`, or the demangled name of a native function.
    pub function: StringId,
    /// `co_filename`, or the source file or else the module of a native function; empty for special places.
    pub file: StringId,
    /// The line; 0 for special places, and where it is not known.
    pub line: u32,
    /// What it is.
    pub kind: PlaceKind,
    /// The views that show it.
    pub shown: Views,
}

impl Place {
    /// Whether it is a line of the import machinery.
    #[must_use]
    pub const fn is_import_machinery(self) -> bool {
        matches!(self.kind, PlaceKind::Python) && !self.shown.intersects(Views::WITHOUT_IMPORTS)
    }
}

/// The modules that have a place. Two may have the same one: a function of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Modules {
    None,
    One(StringId),
    Several,
}

/// The places of a capture, each once.
pub struct Places {
    strings: Strings,
    places: Vec<Place>,
    modules: Vec<Modules>,
    claims: Vec<Claim>,
    ids: FxHashMap<Place, PlaceId>,
    frames: FramePlaces,
    no_python: PlaceId,
    no_native: PlaceId,
    runtime: PlaceId,
    new_thread: PlaceId,
    lost_stack: PlaceId,
    lost_function: PlaceId,
}

impl Places {
    /// Resolves all frames of a capture.
    #[must_use]
    pub fn resolve(tables: &Tables) -> Self {
        let placeholder = PlaceId(0);
        let mut places = Self {
            strings: Strings::default(),
            places: Vec::new(),
            modules: Vec::new(),
            claims: Vec::new(),
            ids: FxHashMap::default(),
            frames: FramePlaces::default(),
            no_python: placeholder,
            no_native: placeholder,
            runtime: placeholder,
            new_thread: placeholder,
            lost_stack: placeholder,
            lost_function: placeholder,
        };
        places.no_python = places.special(NO_PYTHON_STACK);
        places.no_native = places.special(NO_NATIVE_STACK);
        places.runtime = places.special(PYTHON_RUNTIME);
        places.new_thread = places.mark(NEW_THREAD);
        places.lost_stack = places.special(LOST_STACK);
        places.lost_function = places.special(LOST_FUNCTION);
        places.frames = FramePlaces::resolve(tables, &mut places);
        places
    }

    pub(crate) fn intern(&mut self, text: &str) -> StringId {
        self.strings.intern(text)
    }

    fn enter(&mut self, place: Place) -> PlaceId {
        let next = PlaceId(self.places.len() as u32);
        let id = *self.ids.entry(place).or_insert(next);
        if id == next {
            self.places.push(place);
            self.modules.push(Modules::None);
            self.claims.push(Claim::default());
        }
        id
    }

    /// A line of a Python function.
    pub(crate) fn python(&mut self, function: StringId, file: StringId, line: u32) -> PlaceId {
        let kind = PlaceKind::Python;
        let is_machinery = import_machinery::has(self.strings.get(file));
        let shown = if is_machinery { kind.shown().within(Views::WITH_IMPORTS) } else { kind.shown() };
        self.enter(Place { function, file, line, kind, shown })
    }

    /// A line of a native function in a module. Its file is that of its source, if that is known.
    pub(crate) fn native(
        &mut self,
        (function, file, line): (StringId, StringId, u32),
        kind: PlaceKind,
        (module, has_source): (Option<StringId>, bool),
    ) -> PlaceId {
        let known = self.places.len();
        let place = self.enter(Place { function, file, line, kind, shown: kind.shown() });
        if place.index() == known {
            let text = |text| self.strings.get(text);
            self.claims[known] = Claim::of(text(function), has_source.then(|| text(file)), module.map(text));
        }
        if let Some(module) = module {
            let modules = &mut self.modules[place.index()];
            *modules = match *modules {
                Modules::None => Modules::One(module),
                Modules::One(known) if known == module => Modules::One(known),
                Modules::One(_) | Modules::Several => Modules::Several,
            };
        }
        place
    }

    /// A place that is only a name, in all views.
    pub fn special(&mut self, name: &str) -> PlaceId {
        self.special_in(name, Views::ALL)
    }

    /// A mark among native frames.
    pub(crate) fn mark(&mut self, name: &str) -> PlaceId {
        self.special_in(name, Views::BOTH_HYBRID.with(Views::NATIVE))
    }

    /// A place that is only a name, in some views.
    pub(crate) fn special_in(&mut self, name: &str, shown: Views) -> PlaceId {
        let (function, file) = (self.strings.intern(name), self.strings.intern(""));
        self.enter(Place { function, file, line: 0, kind: PlaceKind::Special, shown })
    }

    /// The place that represents a process.
    pub(crate) fn process(&mut self, name: &str) -> PlaceId {
        self.name_only(name, PlaceKind::Process)
    }

    /// The place that represents a thread.
    pub(crate) fn thread(&mut self, name: &str) -> PlaceId {
        self.name_only(name, PlaceKind::Thread)
    }

    fn name_only(&mut self, name: &str, kind: PlaceKind) -> PlaceId {
        let (function, file) = (self.strings.intern(name), self.strings.intern(""));
        self.enter(Place { function, file, line: 0, kind, shown: kind.shown() })
    }

    /// The place that represents an allocator, below [`NO_PYTHON_STACK`].
    pub(crate) fn allocator_in(&mut self, allocator: Allocator, shown: Views) -> PlaceId {
        self.special_in(allocator.name(), shown)
    }

    /// The places of a frame, outermost first: a function and what was inlined into it. Never empty.
    #[must_use]
    pub fn of_frame(&self, frame: FrameId) -> &[PlaceId] {
        self.frames.get(frame).unwrap_or(std::slice::from_ref(&self.lost_stack))
    }

    /// Whether a frame lies in a module of the interpreter.
    #[must_use]
    pub fn is_in_interpreter(&self, frame: FrameId) -> bool {
        self.frames.is_in_interpreter(frame)
    }

    /// Whether a place represents a Python function: what a damaged capture lost may have been one.
    #[must_use]
    pub fn may_be_python(&self, place: PlaceId) -> bool {
        self.get(place).kind == PlaceKind::Python || place == self.lost_function || place == self.lost_stack
    }

    /// The place of memory without a Python stack.
    #[must_use]
    pub const fn no_python(&self) -> PlaceId {
        self.no_python
    }

    /// The place, in the native view, of memory without a native stack.
    #[must_use]
    pub const fn no_native(&self) -> PlaceId {
        self.no_native
    }

    /// The place of memory whose stack has nothing but the interpreter's own frames.
    #[must_use]
    pub const fn runtime(&self) -> PlaceId {
        self.runtime
    }

    /// The mark where the stack of a thread's creator ends.
    #[must_use]
    pub const fn new_thread(&self) -> PlaceId {
        self.new_thread
    }

    /// The place of memory whose stack was lost.
    #[must_use]
    pub const fn lost_stack(&self) -> PlaceId {
        self.lost_stack
    }

    /// The place of a frame that was lost.
    #[must_use]
    pub const fn lost_function(&self) -> PlaceId {
        self.lost_function
    }

    /// A place.
    #[must_use]
    pub fn get(&self, place: PlaceId) -> Place {
        self.places[place.index()]
    }

    /// All of them, in order.
    pub fn ids(&self) -> impl Iterator<Item = PlaceId> {
        (0..self.places.len() as u32).map(PlaceId)
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

    /// A place's line; 0 for special places, and where it is not known.
    #[must_use]
    pub fn line(&self, place: PlaceId) -> u32 {
        self.get(place).line
    }

    /// What it is in the search for the place of a stack; nothing for all that is not native.
    #[must_use]
    pub fn claim(&self, place: PlaceId) -> Claim {
        self.claims[place.index()]
    }

    /// The path of the module that has a native place; nothing where several have it.
    #[must_use]
    pub fn module(&self, place: PlaceId) -> Option<&str> {
        match self.modules[place.index()] {
            Modules::One(module) => Some(self.strings.get(module)),
            Modules::None | Modules::Several => None,
        }
    }
}
