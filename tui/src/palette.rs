//! The colours of the tree in a terminal.

use ratatui::style::{Color, Modifier, Style};

/// How things look; without colours, by emphasis alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Palette {
    colours: bool,
}

impl Palette {
    pub(crate) const fn new(colours: bool) -> Self {
        Self { colours }
    }

    const fn coloured(self, style: Style, colour: Color) -> Style {
        if self.colours { style.fg(colour) } else { style }
    }

    /// A heading.
    pub(crate) const fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What matters less.
    pub(crate) const fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What the cursor is on.
    pub(crate) const fn cursor(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What was searched for.
    pub(crate) const fn found(self) -> Style {
        self.coloured(Style::new().add_modifier(Modifier::BOLD).add_modifier(Modifier::UNDERLINED), Color::Cyan)
    }

    /// The figures of a call with this share of everything, from 0 to 1.
    pub(crate) fn share(self, share: f64) -> Style {
        match share {
            0.5.. => self.coloured(Style::new(), Color::Red),
            0.1.. => self.coloured(Style::new(), Color::Yellow),
            0.01.. => Style::new(),
            _ => self.faint(),
        }
    }
}
