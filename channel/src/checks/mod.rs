//! Checks of the protocol in [`states`](super::states), by trying everything that can happen.
//!
//! - [`exhaustive`]: all states that a small pool can reach, whoever is killed and whenever processes are forked. What
//!   pools these are is written in [`scenes`].
//! - [`replayed`]: words for it, by which the recorder's and the threads' own code runs one step at a time.
//! - [`former`]: a protocol that fails under this, which shows that the checks find what is wrong.
//! - `in_loom`: all orders that the processor's memory allows. `RUSTFLAGS="--cfg loom" cargo test -p memprof-channel
//!   --lib --release checks` makes all of these checks.

mod exhaustive;
mod former;
#[cfg(loom)]
mod in_loom;
mod protocol;
mod replayed;
mod scenes;
