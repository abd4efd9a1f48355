//! Which views show any frame of a stack.

use memprof_capture::file::Tables;
use memprof_channel::ids::StackId;

use crate::naming::places::{Place, Places};
use crate::naming::view::Views;

/// By stack: the views that show some of it, and whether the interpreter is part of it.
pub(crate) struct StackViews {
    of_stack: Vec<(Views, bool)>,
}

impl StackViews {
    /// Of all stacks, each from that of its callers.
    pub(crate) fn of(tables: &Tables, places: &Places) -> Self {
        // Views show a stack that was lost, as such.
        const LOST: (Views, bool) = (Views::ALL, false);
        let mut of_stack = Vec::with_capacity(tables.stacks.len() + 1);
        of_stack.push((Views::NONE, false));
        for (index, node) in (1..).zip(&tables.stacks) {
            of_stack.push(match node {
                Some(node) if node.parent.index() < index => {
                    let (callers, interpreter) = of_stack[node.parent.index()];
                    let shown = places
                        .of_frame(node.frame)
                        .iter()
                        .fold(callers, |all: Views, &place| all.with(represented_in(places.get(place))));
                    (shown, interpreter || places.is_in_interpreter(node.frame))
                }
                _ => LOST,
            });
        }
        Self { of_stack }
    }

    /// The views that show any of the stack's frames, or would have nothing but import machinery to show.
    pub(crate) fn shown(&self, stack: StackId) -> Views {
        self.of_stack.get(stack.index()).map_or(Views::ALL, |&(shown, _)| shown)
    }

    /// Whether any of its frames lies in a module of the interpreter.
    pub(crate) fn has_interpreter(&self, stack: StackId) -> bool {
        self.of_stack.get(stack.index()).is_some_and(|&(_, interpreter)| interpreter)
    }
}

/// The views in which a frame keeps its stack from being nothing: where there is only import machinery, that is shown.
const fn represented_in(place: Place) -> Views {
    if place.is_import_machinery() { place.kind.shown() } else { place.shown }
}
