//! CPython's frames and code objects, read where they lie.
//!
//! No function of the interpreter is called on the way of an allocation but the two that answer which thread state is
//! the calling thread's. A thread reads only its own frames, which cannot change meanwhile, and the code objects that
//! those frames keep alive; and only where it is known that they are there.
//!
//! - [`layout`]: where the fields are; [`versions`]: what is known of each version; [`debug_offsets`]: what later ones tell
//!   themselves.
//! - [`symbols`]: where the interpreter's functions are.
//! - [`interpreter`]: the interpreter of this process.
//! - [`thread_states`]: which thread states are alive.
//! - [`frames`]: the chain of a thread's frames; [`first_frame`]: whether they are what they are taken for.
//! - [`codes`]: the code objects that were described, and their deaths.
//! - [`descriptions`]: those that are about to be.
//! - [`text`]: Python's strings as UTF-8.
//! - [`thread_names`]: what Python calls its threads.
//! - [`allocator_functions`]: how applications put their own allocators before Python's.

pub mod allocator_functions;
pub mod codes;
pub mod debug_offsets;
pub mod descriptions;
pub mod first_frame;
pub mod frames;
pub mod interpreter;
pub mod layout;
pub mod symbols;
pub mod text;
pub mod thread_names;
pub mod thread_states;
pub mod versions;
