//! Which stacks a pattern for functions, files or modules is about.

use memprof_channel::ids::StackId;

use super::budget::CodePattern;
use crate::naming::places::{PlaceId, PlaceKind, Places};
use crate::naming::view::View;
use crate::reading::report::Report;

/// By stack, whether it is meant.
pub(super) struct CodeScope {
    stacks: Vec<bool>,
    /// Whether the capture has anything of the kind, even if it allocated nothing.
    pub(super) occurs: bool,
}

impl CodeScope {
    /// The stacks whose place is meant, if `is_own`; otherwise those with any such frame.
    pub(super) fn of(pattern: &CodePattern, is_own: bool, view: View, report: &Report) -> Self {
        let (places, tables) = (report.places(), report.tables());
        let of_place: Vec<bool> = places.ids().map(|place| pattern.matches(places, place)).collect();
        let is_meant = |place: &PlaceId| of_place[place.index()];
        let stacks = if is_own {
            let row_places = report.row_places(view);
            let stacks = 0..=tables.stacks.len();
            stacks.map(|index| is_meant(&row_places.get(StackId::from_index(index)))).collect()
        } else {
            tables
                .fold_stacks(false, false, |callers, node| callers || places.of_frame(node.frame).iter().any(is_meant))
        };
        Self { stacks, occurs: of_place.contains(&true) }
    }

    /// Whether a stack is meant. What a damaged capture lost is not.
    pub(super) fn has(&self, stack: Option<StackId>) -> bool {
        stack.is_some_and(|stack| self.stacks.get(stack.index()).is_some_and(|&meant| meant))
    }
}

impl CodePattern {
    fn matches(&self, places: &Places, place: PlaceId) -> bool {
        let (kind, file) = (places.get(place).kind, places.file(place));
        match self {
            Self::Function(pattern) => kind != PlaceKind::Process && pattern.matches(places.function(place)),
            Self::File(pattern) => !file.is_empty() && pattern.matches(file),
            Self::Module(pattern) if kind.is_native() => pattern.matches_library(places.module(place).unwrap_or(file)),
            Self::Module(pattern) => !file.is_empty() && pattern.matches_python(file),
        }
    }
}
