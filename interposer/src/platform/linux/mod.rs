//! Linux with glibc.

pub mod descriptors;
pub mod loaded_modules;
pub mod memory;
pub mod quiet_file;
pub mod stacks;
pub mod symbols;
pub mod tls;
