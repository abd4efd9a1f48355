//! The names of places in folded stacks: one line a stack, its frames separated by semicolons.

use crate::naming::places::{PlaceId, PlaceKind, Places};

/// Function, file and line, without what separates frames and stacks.
pub(crate) fn folded_name(places: &Places, place: PlaceId) -> String {
    let (function, file, line) = (places.function(place), places.file(place), places.line(place));
    let name = match (file, line, places.get(place).kind) {
        ("", ..) => function.to_owned(),
        (_, 0, kind) if kind != PlaceKind::Python => format!("{function} ({file})"),
        _ => format!("{function} ({file}:{line})"),
    };
    name.replace(';', ":").replace(['\n', '\r'], " ")
}
