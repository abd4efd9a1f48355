//! Reports for a terminal: text that fits a width, plain or with emphasis.

mod columns;
mod fitting;
mod native_names;

pub(crate) use columns::{Align, Cell, Columns};
pub(crate) use fitting::{Location, harmless, keep_start, wrap};

/// The narrowest and the widest text that is laid out for.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=240;

/// What the text is printed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    width: usize,
    emphasis: bool,
}

impl TextStyle {
    /// For this many columns; `emphasis` where the terminal can show bold text.
    #[must_use]
    pub fn new(width: usize, emphasis: bool) -> Self {
        Self { width: width.clamp(*WIDTHS.start(), *WIDTHS.end()), emphasis }
    }

    /// The columns that a line may fill.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// A heading.
    pub(crate) fn heading(&self, text: &str) -> String {
        if self.emphasis { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}
