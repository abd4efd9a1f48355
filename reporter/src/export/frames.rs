//! The frames of a file in which stacks refer to them by number.

use serde::Serialize;

use crate::naming::places::{PlaceId, Places};
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::{Node, NodeId};

/// The places of some of a tree's nodes, numbered as they first occur.
pub(super) struct Frames {
    numbers: Vec<u32>,
    places: Vec<PlaceId>,
}

impl Frames {
    /// Of the nodes that `occurs` holds for, which must hold for their callers, too. The root is no frame.
    pub(super) fn of(tree: &FlameTree, places: &Places, occurs: impl Fn(NodeId, &Node) -> bool) -> Self {
        const NONE: u32 = u32::MAX;
        let mut frames = Self { numbers: vec![NONE; places.len()], places: Vec::new() };
        for (id, node) in (0..).map(NodeId).zip(tree.nodes()).skip(1) {
            let number = &mut frames.numbers[node.place.index()];
            if *number == NONE && occurs(id, node) {
                *number = frames.places.len() as u32;
                frames.places.push(node.place);
            }
        }
        frames
    }

    /// The places by number.
    pub(super) fn places(&self) -> &[PlaceId] {
        &self.places
    }

    /// The number of a place that occurs.
    pub(super) fn number(&self, place: PlaceId) -> u32 {
        self.numbers[place.index()]
    }
}

/// A frame with what is known of it: a file or line that is not known is left out.
#[derive(Serialize)]
pub(super) struct NamedFrame<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

impl<'a> NamedFrame<'a> {
    /// Of a place.
    pub(super) fn of(places: &'a Places, place: PlaceId) -> Self {
        let (file, line) = (places.file(place), places.line(place));
        let (file, line) = ((!file.is_empty()).then_some(file), (line > 0).then_some(line));
        Self { name: places.function(place), file, line }
    }
}
