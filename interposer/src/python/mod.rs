//! CPython's frames and code objects, read where they lie.
//!
//! While an allocation is recorded, only two functions of the interpreter are called: those that answer which thread
//! state is the calling thread's. A thread reads only its own frames, which cannot change meanwhile, and the code
//! objects that those frames keep alive; and only where it is known that they are there, or through the kernel.
//!
//! - [`layout`]: where the fields are; [`versions`]: what is known of each version; [`debug_offsets`]: what later ones
//!   state themselves.
//! - [`symbols`]: where the interpreter's functions are.
//! - [`interpreter`]: the interpreter of this process.
//! - [`thread_states`]: which thread states are alive; [`free_threads`]: and in interpreters without a global lock.
//! - [`sources`]: memory, where it lies or through the kernel.
//! - [`frames`]: the chain of a thread's frames; [`first_frame`]: whether they are what they are taken for.
//! - [`bytecode_copies`]: which of a code object's copies a frame runs; [`detached`]: copies of the frames themselves.
//! - [`codes`]: the code objects that were described, and their deallocations.
//! - [`describing`]: what is emitted about them; [`descriptions`]: those that are about to be emitted.
//! - [`text`]: Python's strings as UTF-8.
//! - [`thread_names`]: what Python calls its threads.
//! - [`allocator_functions`]: how applications put their own allocators before Python's.

pub mod allocator_functions;
pub mod bytecode_copies;
pub mod codes;
pub mod debug_offsets;
pub mod describing;
pub mod descriptions;
pub mod detached;
pub mod first_frame;
pub mod frames;
pub mod free_threads;
pub mod interpreter;
pub mod layout;
pub mod sources;
pub mod symbols;
pub mod text;
pub mod thread_names;
pub mod thread_states;
pub mod versions;
