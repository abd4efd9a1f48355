//! The one place that the memory of a stack is listed under, in tables and rankings.

use memprof_capture::file::{Site, Tables};
use memprof_channel::ids::StackId;

use crate::naming::claims::Claims;
use crate::naming::places::{PlaceId, Places};
use crate::naming::view::{View, ViewKind};

/// By stack: its place in a view.
#[derive(Clone)]
pub(crate) struct RowPlaces {
    of_stack: Vec<PlaceId>,
    lost: PlaceId,
}

/// What the walk from the outermost frame of a stack to its innermost one has seen.
///
/// There is one for each stack, and there may be millions of these: so no `Option`s.
#[derive(Clone, Copy)]
struct Seen {
    /// The last Python frame, or [`NONE`]; in the hybrid view, since the thread began.
    python: PlaceId,
    /// The native frame with the best claim of those that the view shows; or [`NONE`].
    native: PlaceId,
    claims: Claims,
    /// Whether `python` is the import machinery's, as long as there is nothing else.
    is_machinery: bool,
    interpreter: bool,
}

/// No place.
const NONE: PlaceId = PlaceId(u32::MAX);

impl Default for Seen {
    fn default() -> Self {
        Self { python: NONE, native: NONE, claims: Claims::default(), is_machinery: false, interpreter: false }
    }
}

impl RowPlaces {
    /// The places of all stacks, each found from that of its callers.
    pub(crate) fn of(tables: &Tables, places: &Places, view: View) -> Self {
        let lost = places.lost_stack();
        let of_lost = Seen { native: lost, ..Seen::default() };
        let seen = tables.fold_stacks(Seen::default(), of_lost, |callers, node| {
            let mut seen = callers.step(places, places.of_frame(node.frame), view);
            seen.interpreter |= places.is_in_interpreter(node.frame);
            seen
        });
        let mut of_stack: Vec<PlaceId> = seen.into_iter().map(|seen| seen.place(places, view.kind)).collect();
        // They took the place of what is three times as large.
        of_stack.shrink_to_fit();
        Self { of_stack, lost }
    }

    /// The place of a stack.
    pub(crate) fn get(&self, stack: StackId) -> PlaceId {
        self.of_stack.get(stack.index()).copied().unwrap_or(self.lost)
    }

    /// The place of what is allocated at a site; nothing is a site that a damaged capture lost.
    pub(crate) fn of_site(&self, site: Option<Site>) -> PlaceId {
        site.map_or(self.lost, |site| self.get(site.stack))
    }
}

impl Seen {
    fn step(mut self, places: &Places, frame: &[PlaceId], view: View) -> Self {
        for &at in frame {
            let place = places.get(at);
            if at == places.new_thread() {
                self.claims.new_thread();
                if view.kind == ViewKind::Hybrid {
                    // What the creator's Python did is not what the thread does.
                    self.python = NONE;
                }
            } else if places.may_be_python(at) && view.kind != ViewKind::Native {
                let is_machinery = place.is_import_machinery() && !view.show_imports;
                if !is_machinery || self.python == NONE || self.is_machinery {
                    (self.python, self.is_machinery) = (at, is_machinery);
                }
            } else if place.shown.intersects(view.alone()) && (place.kind.is_native() || places.may_be_python(at)) {
                // Who asked for the memory counts, unless there is nobody else.
                if self.claims.takes(places.claim(at), self.native != NONE, view.places) {
                    self.native = at;
                }
            }
        }
        self
    }

    fn place(self, places: &Places, kind: ViewKind) -> PlaceId {
        let seen = [self.python, self.native].into_iter().find(|place| *place != NONE);
        seen.unwrap_or(match kind {
            ViewKind::Hybrid if self.interpreter => places.runtime(),
            ViewKind::Hybrid | ViewKind::Python => places.no_python(),
            ViewKind::Native => places.no_native(),
        })
    }
}
