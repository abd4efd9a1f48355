//! The report `leaks`: what was allocated and never freed, by whole stack.

mod ages;
mod json;
mod list;
mod text;

pub use list::write;

use crate::guards::suppressions::SuppressedLeaks;
use crate::naming::view::View;
use crate::sums::rows::Ranking;

/// How many stacks text and Markdown have, unless asked otherwise.
pub const DEFAULT_STACKS: usize = 10;
/// How many lines each stack has, unless asked otherwise.
pub const DEFAULT_FRAMES: usize = 40;

/// What to list, and how.
#[derive(Clone, Debug)]
pub struct LeakSettings {
    /// Which frames stacks have.
    pub view: View,
    /// Which come first.
    pub ranking: Ranking,
    /// What was taken out beforehand, by suppression.
    pub suppressed: Vec<SuppressedLeaks>,
}
