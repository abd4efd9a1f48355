//! What differs between operating systems.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{descriptors, loaded_modules, memory, quiet_file, stacks, symbols, tls};
