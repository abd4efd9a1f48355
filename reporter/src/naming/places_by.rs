//! Which places are one where memory is listed by function, file, module or package.

use std::str::FromStr;

use memprof_capture::file::Tables;
use rustc_hash::FxHashMap;

use crate::lists::list::{Subject, SubjectName};
use crate::naming::packages::Packages;
use crate::naming::places::{PlaceId, Places};
use crate::sums::call_sums::PlaceGroups;

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
    /// The distribution that was installed, Python, a native library or the program.
    Package,
}

impl PlacesBy {
    /// All, with their names.
    pub const ALL: [Self; 5] = [Self::Function, Self::Line, Self::File, Self::Module, Self::Package];

    /// The name on the command line and in the data of reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Function => "function",
            Self::File => "file",
            Self::Module => "module",
            Self::Package => "package",
        }
    }

    /// All places, put together.
    pub(crate) fn grouped(self, tables: &Tables, places: &Places) -> GroupedPlaces {
        let packages = (self == Self::Package).then(|| Packages::of(tables, places));
        let mut grouped = GroupedPlaces { by: self, firsts: Vec::new(), of_place: Vec::new(), packages };
        let (mut of_place, mut firsts) = (Vec::with_capacity(places.len()), Vec::new());
        let mut known = FxHashMap::default();
        for place in places.ids() {
            let key = (grouped.name(places, place), (self == Self::Line).then_some(place));
            of_place.push(*known.entry(key).or_insert_with(|| {
                firsts.push(place);
                firsts.len() as u32 - 1
            }));
        }
        (grouped.of_place, grouped.firsts) = (of_place, firsts);
        grouped
    }
}

/// Places put together in groups, each of which has its first place's name.
pub(crate) struct GroupedPlaces {
    by: PlacesBy,
    /// By place: the number of its group.
    of_place: Vec<u32>,
    /// By group.
    firsts: Vec<PlaceId>,
    /// Where it is by package.
    packages: Option<Packages>,
}

impl GroupedPlaces {
    /// The first place of each group, in order.
    pub(crate) fn firsts(&self) -> &[PlaceId] {
        &self.firsts
    }

    /// The first place that is one with a place.
    pub(crate) fn first(&self, place: PlaceId) -> PlaceId {
        self.firsts[self.of_place[place.index()] as usize]
    }

    /// The groups by number.
    pub(crate) fn groups(&self) -> PlaceGroups {
        PlaceGroups { of_place: self.of_place.iter().copied().map(Some).collect(), count: self.firsts.len() }
    }

    /// What a row is about that has the first place of a group.
    pub(crate) fn subject<'a, R>(&'a self, places: &'a Places, first: impl Fn(&R) -> PlaceId + 'a) -> Subject<'a, R> {
        match self.by {
            PlacesBy::Line => Subject::Place(Box::new(first)),
            PlacesBy::Function => Subject::Function(Box::new(first)),
            PlacesBy::File => Subject::Path(FILE, Box::new(move |row| file(places, first(row)).into())),
            PlacesBy::Module => Subject::Path(MODULE, Box::new(move |row| module(places, first(row)).into())),
            PlacesBy::Package => Subject::Name(PACKAGE, Box::new(move |row| self.package(first(row)).into())),
        }
    }

    /// What distinguishes the group of a place from all others, but for places of one name on one line: file, line and
    /// function, or what takes their place. An order that does not depend on how the run went.
    pub(crate) fn name<'a>(&'a self, places: &'a Places, place: PlaceId) -> (&'a str, u32, &'a str) {
        match self.by {
            PlacesBy::Line => (places.file(place), places.line(place), places.function(place)),
            PlacesBy::Function => (places.file(place), 0, places.function(place)),
            PlacesBy::File => (file(places, place), 0, ""),
            PlacesBy::Module => (module(places, place), 0, ""),
            PlacesBy::Package => (self.package(place), 0, ""),
        }
    }

    fn package(&self, place: PlaceId) -> &str {
        self.packages.as_ref().map_or("", |packages| packages.name(place))
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

const FILE: SubjectName = SubjectName {
    name: "file",
    head: "File",
    meaning: "By file: its path, or the name in angle brackets of what is in none.",
};
const MODULE: SubjectName =
    SubjectName { name: "module", head: "Module", meaning: "By module: of native code its path, else the file." };
const PACKAGE: SubjectName = SubjectName {
    name: "package",
    head: "Package",
    meaning: "By package: the name of the distribution, Python, a native library's file, or a name in angle brackets.",
};

/// The path that represents a place in a list by file; the name of what is in none.
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
