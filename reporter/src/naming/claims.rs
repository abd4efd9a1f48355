//! Which of a stack's native functions is its place: how good the claim of each is.

use crate::naming::allocation_functions::{enters_allocator, passes_on};
use crate::naming::origins::Origin;
use crate::naming::view::PlacesOf;

/// What is known of a native function for that. The page has it too (templates/page/data/row_places.js).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Whose it is.
    pub origin: Origin,
    /// Whether its name says that it only passes a request for memory on.
    pub passes_on: bool,
    /// Whether it is where the allocator begins: what it calls is the allocator's, too.
    pub enters_allocator: bool,
}

impl Claim {
    /// The claim of a native function with this source, if that is known, in this module.
    pub(crate) fn of(function: &str, source: Option<&str>, module: Option<&str>) -> Self {
        let origin = Origin::of(function, source, module);
        let enters_allocator = source.is_some() && enters_allocator(function);
        Self { origin, passes_on: passes_on(function), enters_allocator }
    }
}

/// What the walk from the outermost frame of a stack to its innermost one knows of the native function that it has
/// taken for the place so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Claims {
    /// It is known by its source to be no library's.
    is_program: bool,
    /// The walk has passed where the allocator begins.
    in_allocator: bool,
}

impl Claims {
    /// The next function: whether it is the place rather than the one before, if there `is_any`.
    pub(crate) fn takes(&mut self, claim: Claim, is_any: bool, places: PlacesOf) -> bool {
        let leaves_libraries_out = places != PlacesOf::All;
        self.in_allocator |= leaves_libraries_out && claim.enters_allocator;
        let is_library = match claim.origin {
            Origin::StandardLibrary => leaves_libraries_out,
            Origin::Dependency => places == PlacesOf::Program,
            Origin::Program | Origin::Unknown => false,
        };
        let passes_on = claim.passes_on || self.in_allocator || (is_library && self.is_program);
        let takes = !is_any || !passes_on;
        if takes {
            self.is_program = !passes_on && !is_library && claim.origin != Origin::Unknown;
        }
        takes
    }

    /// A thread begins, whoever created it.
    pub(crate) const fn new_thread(&mut self) {
        self.in_allocator = false;
    }
}
