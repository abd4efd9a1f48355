//! CPython's frames and code objects, read where they lie.
//!
//! No function of the interpreter is called on the way of an allocation but the two that answer which thread state is
//! the calling thread's. A thread reads only its own frames, which cannot change meanwhile, and the code objects that
//! those frames keep alive.
//!
//! - [`allocators`]: Python's own allocators, where they are recorded.
//! - [`layout`]: where the fields are, by version.
//! - [`interpreter`]: the interpreter of this process.
//! - [`frames`]: the chain of a thread's frames.
//! - [`codes`]: the code objects that were described, and their deaths.
//! - [`text`]: Python's strings as UTF-8.
//! - [`thread_names`]: what Python calls its threads.

pub mod allocators;
pub mod codes;
pub mod frames;
pub mod interpreter;
pub mod layout;
pub mod text;
pub mod thread_names;
