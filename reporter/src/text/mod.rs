//! Reports for a terminal: text that fits a width, plain or with emphasis.

mod columns;
mod fitting;
mod native_names;
mod paragraph;

pub(crate) use columns::{Align, Cell, Columns};
pub(crate) use fitting::Location;
pub use fitting::{harmless, keep_end, keep_start, text_width, wrap};
pub(crate) use paragraph::write_paragraph;

/// What bars are made of.
pub(crate) const BAR: char = '▇';

/// The narrowest and the widest text that is laid out for.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=240;

/// What the text is printed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    width: usize,
    emphasis: bool,
    unicode: bool,
}

impl TextStyle {
    /// For this many columns; `emphasis` where the terminal can show bold text and colours.
    #[must_use]
    pub fn new(width: usize, emphasis: bool) -> Self {
        Self { width: width.clamp(*WIDTHS.start(), *WIDTHS.end()), emphasis, unicode: true }
    }

    /// The same for a terminal that may show no more than ASCII; of names, whatever they have.
    #[must_use]
    pub const fn with_unicode(self, unicode: bool) -> Self {
        Self { unicode, ..self }
    }

    /// The columns that a line may fill.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Whether it shows bold text and colours.
    #[must_use]
    pub const fn emphasis(&self) -> bool {
        self.emphasis
    }

    /// Whether it shows more than ASCII.
    #[must_use]
    pub const fn unicode(&self) -> bool {
        self.unicode
    }

    /// A heading.
    pub(crate) fn heading(&self, text: &str) -> String {
        self.rendition("1", text)
    }

    /// What matters less than the rest.
    pub(crate) fn faint(&self, text: &str) -> String {
        self.rendition("2", text)
    }

    /// What is to be seen first: in the terminal's own cyan, which is legible on dark and on light.
    pub(crate) fn accent(&self, text: &str) -> String {
        self.rendition("36", text)
    }

    /// A line as it can be shown: where that is ASCII only, without the characters that reports draw with.
    pub(crate) fn drawn(&self, line: String) -> String {
        if self.unicode { line } else { line.replace('…', "~").replace(BAR, "#") }
    }

    /// Text in a graphic rendition of ECMA-48.
    fn rendition(&self, parameter: &str, text: &str) -> String {
        if self.emphasis && !text.is_empty() { format!("\x1b[{parameter}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
