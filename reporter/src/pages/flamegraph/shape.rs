//! How a flame graph is put together.

use crate::naming::view::View;
use crate::sums::actors::Split;

/// Which frames a graph has, and in which order it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GraphShape {
    /// Whose frames are shown.
    pub view: View,
    /// Whether the page begins with who allocated, and callers below.
    pub inverted: bool,
    /// What has a frame of its own.
    pub split: Split,
}

impl From<View> for GraphShape {
    fn from(view: View) -> Self {
        Self { view, ..Self::default() }
    }
}
