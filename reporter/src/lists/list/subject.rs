//! What the rows of a list are about.

use std::borrow::Cow;

use super::column::Of;
use crate::naming::places::PlaceId;
use crate::reading::report::Report;
use crate::sums::stack_paths::{PathId, StackPaths};
use crate::text::{BAR, Cell, Location};

/// A stack shows so many of its frames to people.
const FRAMES: usize = 8;

/// What a row is about.
pub(crate) enum Subject<'a, R> {
    /// A line of a function.
    Place(Of<'a, R, PlaceId>),
    /// A function: any of its lines.
    Function(Of<'a, R, PlaceId>),
    /// A whole stack: one of these paths.
    Stack(&'a StackPaths, Of<'a, R, PathId>),
    /// A file or a module, by its path.
    Path(SubjectName, Of<'a, R, Cow<'a, str>>),
    /// Something else that has a name.
    Name(SubjectName, Of<'a, R, Cow<'a, str>>),
    /// Nothing but its figures: a terminal has a bar that is as long as one of them is large.
    Bar(Of<'a, R, u64>),
}

/// What a subject is called that is a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubjectName {
    /// For programs.
    pub name: &'static str,
    /// For people.
    pub head: &'static str,
    /// What it is, in a sentence for programs' authors.
    pub meaning: &'static str,
}

impl<R> Subject<'_, R> {
    /// The head of its column.
    pub(crate) const fn head(&self) -> &'static str {
        match self {
            Self::Place(_) => "Place",
            Self::Function(_) => "Function",
            Self::Stack(..) => "Stack",
            Self::Path(called, _) | Self::Name(called, _) => called.head,
            Self::Bar(_) => "",
        }
    }

    /// Whether it has one line, which can be shortened.
    pub(super) const fn is_location(&self) -> bool {
        matches!(self, Self::Place(_) | Self::Function(_) | Self::Path(..) | Self::Name(..))
    }

    /// The names of its fields, for programs.
    pub(super) fn field_names(&self) -> Vec<&'static str> {
        match self {
            Self::Place(_) => vec!["function", "file", "line", "kind"],
            Self::Function(_) => vec!["function", "file", "kind"],
            Self::Stack(..) => vec!["frames"],
            Self::Path(called, _) | Self::Name(called, _) => vec![called.name],
            Self::Bar(_) => Vec::new(),
        }
    }

    /// How a terminal shows it.
    pub(super) fn cell(&self, report: &Report, row: &R, scale: Scale) -> Cell {
        match self {
            Self::Place(of) => Cell::Place(report.location(of(row))),
            Self::Function(of) => Cell::Place(function_location(report, of(row))),
            Self::Stack(paths, of) => {
                let mut frames = paths.places(of(row));
                let shown = frames.by_ref().take(FRAMES).map(|place| report.location(place)).collect();
                Cell::Stack(shown, frames.count())
            }
            Self::Path(_, of) => Cell::Place(Location::of_path(&of(row))),
            Self::Name(_, of) => Cell::Place(Location::new(&of(row), "", 0)),
            Self::Bar(of) => Cell::Text(BAR.to_string().repeat(scale.length(of(row)))),
        }
    }

    /// What has one line, which can be shortened.
    pub(crate) fn location(&self, report: &Report, row: &R) -> Option<Location> {
        match self.cell(report, row, Scale::default()) {
            Cell::Place(location) => Some(location),
            _ => None,
        }
    }

    /// What people read of it in one line, whatever its length. Of a stack, a line for each frame, and how many more there are.
    pub(super) fn in_words(&self, report: &Report, row: &R) -> (Vec<String>, usize) {
        let whole = |location: Location| location.fit(usize::MAX);
        match self {
            Self::Place(of) => (vec![whole(report.location(of(row)))], 0),
            Self::Function(of) => (vec![whole(function_location(report, of(row)))], 0),
            Self::Stack(paths, of) => {
                let mut frames = paths.places(of(row));
                let shown = frames.by_ref().take(FRAMES).map(|place| whole(report.location(place))).collect();
                (shown, frames.count())
            }
            Self::Path(_, of) | Self::Name(_, of) => (vec![of(row).into_owned()], 0),
            Self::Bar(_) => (Vec::new(), 0),
        }
    }
}

/// How long bars are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scale {
    /// The largest number of the list.
    pub most: u64,
    /// The characters of its bar.
    pub longest: usize,
}

impl Scale {
    /// Whatever exists at all shows.
    fn length(self, number: u64) -> usize {
        (number as f64 / self.most.max(1) as f64 * self.longest as f64).ceil() as usize
    }
}

/// A function without a line.
fn function_location(report: &Report, place: PlaceId) -> Location {
    let (function, file) = (report.places().function(place), report.places().file(place));
    if report.places().get(place).kind.is_native() {
        Location::native(function, file, 0)
    } else {
        Location::of_function(function, file)
    }
}
