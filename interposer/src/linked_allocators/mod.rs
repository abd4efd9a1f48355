//! Allocators that are linked into the program or into one of its libraries under names of their own: nobody looks
//! these up, so that no preloaded library gets between. jemalloc in a Rust program, pyarrow's mimalloc, polars'
//! jemalloc.
//!
//! Their functions are found in the symbol tables ([`crate::elf`]) and patched to call hooks.
//!
//! - [`functions`]: which names belong to an allocator, and what each function does.
//! - [`census`]: which allocators a module has whole.
//! - [`instructions`], [`patching`]: hooks in front of functions.
//! - [`hooks`]: what is recorded.
//! - [`modules`]: the modules of the process, each of which is searched once.
//! - [`loading`]: libraries that come later.
//!
//! Code is patched on x86-64 only. A stripped binary hides its allocator: what that maps is then recorded as mappings
//! of the program.

mod census;
mod functions;
mod hooks;
mod instructions;
mod loading;
mod modules;
mod patching;

pub use modules::{lock, start};
