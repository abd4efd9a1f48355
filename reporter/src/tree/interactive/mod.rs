//! The tree as a terminal application: what is on the screen, and what keys do to it. Nothing here reads from a terminal
//! or writes to one: that is up to whoever runs it.

mod draw;
mod frame_details;
mod keys;
mod opened_rows;
mod palette;
mod screen;
mod search;
mod thread_menu;

pub use keys::{Action, Focus, action};
pub use screen::{Outcome, TreeScreen};
