//! The call tree as a terminal application.
//!
//! - [`TreeScreen`]: what is on the screen, and what each action does to it. It shows the rows that are open
//!   (`opened_rows`) of the reporter's tree, what was searched for (`search`), the threads (`thread_menu`), or the
//!   source (`frame_details`).
//! - [`draw()`] puts it into a buffer of characters, in the colours of `palette`.
//! - [`keys`]: which action a key or the mouse asks for.
//! - [`terminal`]: the terminal that all this runs on. Nothing else here reads from one or writes to one.

mod draw;
mod frame_details;
pub mod keys;
mod opened_rows;
mod palette;
mod screen;
mod search;
pub mod terminal;
mod thread_menu;

pub use draw::draw;
pub use screen::{Outcome, TreeScreen};
