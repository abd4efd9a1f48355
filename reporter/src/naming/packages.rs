//! Which package each place belongs to: what was installed, what came with Python, a native library, or the program
//! itself.
//!
//! The capture says which distribution a file is in, as far as the environment's metadata said so when it was recorded.
//! For the rest, and for captures without that, the path decides. docs/metrics.md has the rules.

use memprof_capture::file::package_paths::{BelowSite, is_standard_library, top_level_name};
use memprof_capture::file::{FilePackage, Frame, Module, NativeFrame, Tables};
use memprof_channel::ids::FrameId;
use rustc_hash::FxHashMap;

use crate::naming::places::{PYTHON_RUNTIME, PlaceId, PlaceKind, Places};
use crate::naming::runtime_functions::{Role, file_name};

/// What a place belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Package {
    /// A distribution, by the name in its metadata; where nobody knows it, by the name by which what it installs is
    /// imported.
    Distribution(String),
    /// The interpreter and its standard library.
    Python,
    /// A native library that is in no distribution, by the name of its file.
    Library(String),
    /// The program: its own files, what they make at run time, and whatever nobody else has.
    Program,
    /// A native function that several of these have, as with one of a header.
    Several,
    /// No place in the program: what is listed under a name in angle brackets has that name here, too.
    Nowhere(String),
}

impl Package {
    /// How reports call it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Distribution(name) | Self::Library(name) | Self::Nowhere(name) => name,
            Self::Python => "Python",
            Self::Program => "<program>",
            Self::Several => "<several packages>",
        }
    }

    /// That of a Python file.
    fn of_python_file(tables: &Tables, file: &str) -> Self {
        Self::known(tables, file).unwrap_or(Self::Program)
    }

    /// That of a native file.
    fn of_module(tables: &Tables, module: &Module) -> Self {
        let name = file_name(&module.path);
        let is_library = name.ends_with(".so") || name.contains(".so.") || name.starts_with('[');
        Self::known(tables, &module.path).unwrap_or_else(|| match Role::of(module) {
            Role::Interpreter => Self::Python,
            _ if is_library => Self::Library(name.to_owned()),
            _ => Self::Program,
        })
    }

    /// That of a place of which no file is known.
    fn of_kind(places: &Places, place: PlaceId) -> Self {
        let name = places.function(place);
        match places.get(place).kind {
            PlaceKind::Runtime | PlaceKind::Evaluation => Self::Python,
            PlaceKind::Special if name == PYTHON_RUNTIME => Self::Python,
            // Code that was made at run time.
            PlaceKind::Python | PlaceKind::Native => Self::Program,
            PlaceKind::Special | PlaceKind::Process | PlaceKind::Thread => Self::Nowhere(name.to_owned()),
        }
    }

    /// What the capture or the path say about a file.
    fn known(tables: &Tables, file: &str) -> Option<Self> {
        let of_path = || match BelowSite::of(file) {
            _ if is_standard_library(file) => Some(Self::Python),
            Some(BelowSite { relative, .. }) => Some(Self::Distribution(top_level_name(relative).to_owned())),
            None => None,
        };
        match tables.package_of(file) {
            Some(FilePackage::Distribution(name)) => Some(Self::Distribution(name.clone())),
            Some(FilePackage::StandardLibrary) => Some(Self::Python),
            None => of_path(),
        }
    }
}

/// The number of a package, in the order in which they were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(u32);

/// The packages of all places of a capture.
pub struct Packages {
    packages: Vec<Package>,
    ids: FxHashMap<Package, PackageId>,
    /// By place.
    of_places: Vec<PackageId>,
}

impl Packages {
    /// Finds the packages of the places that there are by now.
    #[must_use]
    pub fn of(tables: &Tables, places: &Places) -> Self {
        let mut packages = Self { packages: Vec::new(), ids: FxHashMap::default(), of_places: Vec::new() };
        let mut files: FxHashMap<&str, PackageId> = FxHashMap::default();
        let mut of_file = |packages: &mut Self, file| {
            *files.entry(file).or_insert_with(|| packages.enter(Package::of_python_file(tables, file)))
        };
        let codes = tables.codes.iter().map(|code| Some(of_file(&mut packages, &code.as_ref()?.file)));
        let codes: Vec<Option<PackageId>> = codes.collect();
        let modules =
            tables.modules.iter().map(|module| Some(packages.enter(Package::of_module(tables, module.as_ref()?))));
        let modules: Vec<Option<PackageId>> = modules.collect();
        let mut found: Vec<Option<PackageId>> = vec![None; places.len()];
        for (index, frame) in tables.frames.iter().enumerate() {
            let of_frame = match frame {
                Some(Frame::Python { code, .. }) => codes.get(code.index()).copied().flatten(),
                Some(Frame::Native(NativeFrame { module: Some(module), .. })) => {
                    modules.get(module.index()).copied().flatten()
                }
                _ => None,
            };
            let embeds = matches!(frame, Some(Frame::Native(native)) if embeds_python(tables, native));
            for &place in places.of_frame(FrameId::from_index(index)) {
                let package = match of_frame.filter(|_| !(embeds && is_of_interpreter(places, place))) {
                    Some(package) => package,
                    None => packages.enter(Package::of_kind(places, place)),
                };
                let known = found[place.index()].get_or_insert(package);
                if *known != package {
                    *known = packages.enter(Package::Several);
                }
            }
        }
        let of_place =
            |place: PlaceId| found[place.index()].unwrap_or_else(|| packages.enter(Package::of_kind(places, place)));
        packages.of_places = places.ids().map(of_place).collect();
        packages
    }

    fn enter(&mut self, package: Package) -> PackageId {
        let next = PackageId(self.packages.len() as u32);
        *self.ids.entry(package.clone()).or_insert_with(|| {
            self.packages.push(package);
            next
        })
    }

    /// The package of a place that there was when the packages were found.
    #[must_use]
    pub fn id(&self, place: PlaceId) -> PackageId {
        self.of_places[place.index()]
    }

    /// A package.
    #[must_use]
    pub fn get(&self, package: PackageId) -> &Package {
        &self.packages[package.0 as usize]
    }

    /// What reports call the package of a place.
    #[must_use]
    pub fn name(&self, place: PlaceId) -> &str {
        self.get(self.id(place)).name()
    }
}

/// Whether a frame is in a program that CPython was linked into.
fn embeds_python(tables: &Tables, native: &NativeFrame) -> bool {
    let module = native.module.and_then(|module| tables.module(module));
    module.is_some_and(|module| Role::of(module) == Role::Embedding)
}

/// Whether a function there is CPython's own.
fn is_of_interpreter(places: &Places, place: PlaceId) -> bool {
    matches!(places.get(place).kind, PlaceKind::Runtime | PlaceKind::Evaluation)
}
