//! Stacks as a view shows them: those that look the same are one path.

use memprof_capture::file::{Site, Tables};
use memprof_channel::ids::StackId;
use rustc_hash::FxHashMap;

use crate::naming::places::{PlaceId, Places};
use crate::naming::view::View;
use crate::sums::row_places::RowPlaces;

/// The number of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PathId(u32);

impl PathId {
    /// The path without a place of its own: that of lost stacks.
    pub(crate) const EMPTY: Self = Self(0);

    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// All paths of a capture, as a tree: each is its callers' and one place more.
#[derive(Clone)]
pub(crate) struct StackPaths {
    callers: Vec<PathId>,
    places: Vec<PlaceId>,
    known: FxHashMap<(PathId, PlaceId), PathId>,
    of_stack: Vec<PathId>,
}

impl StackPaths {
    /// The paths of all stacks. Where the view shows nothing of one, the path has the place that represents it. A place
    /// that the view would not show otherwise, import machinery, is part of it in any case.
    pub(crate) fn of(tables: &Tables, places: &Places, row_places: &RowPlaces, view: View) -> Self {
        let shown = view.alone();
        let mut paths = Self {
            callers: vec![PathId::EMPTY],
            places: vec![places.lost_stack()],
            known: FxHashMap::default(),
            of_stack: Vec::new(),
        };
        let lost = paths.callee(PathId::EMPTY, places.lost_stack());
        paths.of_stack = tables.fold_stacks(PathId::EMPTY, lost, |callers, node| {
            let frame = places.of_frame(node.frame).iter();
            let frame = frame.filter(|&&place| places.get(place).shown.intersects(shown));
            frame.fold(callers, |path, &place| paths.callee(path, place))
        });
        for index in 0..paths.of_stack.len() {
            let stack = StackId::from_index(index);
            let place = row_places.get(stack);
            let is_hidden = places.get(place).is_import_machinery() && !places.get(place).shown.intersects(shown);
            if paths.of_stack[index] == PathId::EMPTY {
                paths.of_stack[index] = paths.callee(PathId::EMPTY, place);
            } else if is_hidden {
                let frames =
                    with_place(tables, places, stack, place, |place| places.get(place).shown.intersects(shown));
                paths.of_stack[index] =
                    frames.into_iter().rev().fold(PathId::EMPTY, |path, place| paths.callee(path, place));
            }
        }
        paths
    }

    fn callee(&mut self, callers: PathId, place: PlaceId) -> PathId {
        let next = PathId(self.places.len() as u32);
        let path = *self.known.entry((callers, place)).or_insert(next);
        if path == next {
            self.callers.push(callers);
            self.places.push(place);
        }
        path
    }

    /// For each path the sum of what its places take.
    pub(crate) fn lengths(&self, length: impl Fn(PlaceId) -> u64) -> impl Fn(PathId) -> u64 {
        let mut lengths: Vec<u64> = Vec::with_capacity(self.places.len());
        for (&callers, &place) in self.callers.iter().zip(&self.places) {
            // Callers come first; the empty path is its own.
            let callers = lengths.get(callers.index()).copied().filter(|_| callers != PathId::EMPTY).unwrap_or(0);
            lengths.push(callers.saturating_add(length(place)));
        }
        move |path| lengths[path.index()]
    }

    /// The path of a site's stack; that of lost stacks where the file does not have it.
    pub(crate) fn of_site(&self, site: Option<Site>) -> PathId {
        // The place of the empty path is that of lost stacks.
        site.and_then(|site| self.of_stack.get(site.stack.index()).copied()).unwrap_or(PathId::EMPTY)
    }

    /// The places of a path, the innermost first. Never none.
    pub(crate) fn places(&self, path: PathId) -> impl Iterator<Item = PlaceId> + Clone {
        let mut at = Some(path);
        std::iter::from_fn(move || {
            let path = at?;
            let callers = self.callers[path.index()];
            at = (callers != PathId::EMPTY).then_some(callers);
            Some(self.places[path.index()])
        })
    }
}

/// What is shown of a stack, and its place where that comes last, the innermost first. (Few stacks have nothing of
/// Python but import machinery.)
fn with_place(
    tables: &Tables,
    places: &Places,
    stack: StackId,
    place: PlaceId,
    is_shown: impl Fn(PlaceId) -> bool,
) -> Vec<PlaceId> {
    let (mut found, mut at, mut has_place) = (Vec::new(), stack, false);
    while let Some(node) = tables.stack(at).filter(|node| node.parent < at) {
        for &caller in places.of_frame(node.frame).iter().rev() {
            let is_place = caller == place && !has_place;
            has_place |= is_place;
            if is_place || is_shown(caller) {
                found.push(caller);
            }
        }
        at = node.parent;
    }
    found
}
