//! Which places are one where memory is listed by function, file or module.

use std::str::FromStr;

use rustc_hash::FxHashMap;

use crate::call_sums::PlaceGroups;
use crate::list::{Subject, SubjectName};
use crate::places::{PlaceId, Places};

/// What places are put together by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlacesBy {
    /// The line of a function: each place is alone.
    Line,
    /// Function and file.
    #[default]
    Function,
    /// The source file; of native code whose source is not known, the module.
    File,
    /// The module of native code, the file of Python code.
    Module,
}

impl PlacesBy {
    /// All, with their names.
    pub const ALL: [Self; 4] = [Self::Function, Self::Line, Self::File, Self::Module];

    /// The name on the command line and in the data of reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Function => "function",
            Self::File => "file",
            Self::Module => "module",
        }
    }

    /// Which places are one, and the first place of each such group.
    pub(crate) fn groups(self, places: &Places) -> (PlaceGroups, Vec<PlaceId>) {
        let (mut firsts, mut known) = (Vec::new(), FxHashMap::default());
        let group = |place: PlaceId| {
            let key = match self {
                Self::Line => (places.function(place), places.file(place), places.line(place), Some(place)),
                Self::Function => (places.function(place), places.file(place), 0, None),
                Self::File => (file(places, place), "", 0, None),
                Self::Module => (module(places, place), "", 0, None),
            };
            Some(*known.entry(key).or_insert_with(|| {
                firsts.push(place);
                firsts.len() as u32 - 1
            }))
        };
        let of_place = places.ids().map(group).collect();
        (PlaceGroups { of_place, count: firsts.len() }, firsts)
    }

    /// What a row is about that has the first place of a group.
    pub(crate) fn subject<'a, R>(self, places: &'a Places, place: impl Fn(&R) -> PlaceId + 'a) -> Subject<'a, R> {
        match self {
            Self::Line => Subject::Place(Box::new(place)),
            Self::Function => Subject::Function(Box::new(place)),
            Self::File => Subject::Path(FILE, Box::new(move |row| file(places, place(row)).into())),
            Self::Module => Subject::Path(MODULE, Box::new(move |row| module(places, place(row)).into())),
        }
    }

    /// An order of groups by name, which does not depend on how the run went.
    pub(crate) fn alphabetical(self, places: &Places, first: PlaceId) -> (&str, u32, &str) {
        match self {
            Self::Line => (places.file(first), places.line(first), places.function(first)),
            Self::Function => (places.file(first), 0, places.function(first)),
            Self::File => (file(places, first), 0, ""),
            Self::Module => (module(places, first), 0, ""),
        }
    }
}

impl FromStr for PlacesBy {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|by| by.name() == name)
            .ok_or_else(|| format!("functions are listed by {}", Self::ALL.map(Self::name).join(", ")))
    }
}

const FILE: SubjectName = SubjectName { name: "file", head: "File" };
const MODULE: SubjectName = SubjectName { name: "module", head: "Module" };

/// The path that stands for a place in a list by file; the name of what is in none.
fn file(places: &Places, place: PlaceId) -> &str {
    match places.file(place) {
        "" => places.function(place),
        file => file,
    }
}

/// Likewise by module: where several modules have a native place, its file.
fn module(places: &Places, place: PlaceId) -> &str {
    places.module(place).unwrap_or_else(|| file(places, place))
}
