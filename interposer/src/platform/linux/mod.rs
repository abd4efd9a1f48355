//! Linux with glibc.

pub mod descriptors;
pub mod loaded_modules;
pub mod memory;
pub mod real;
pub mod stacks;
pub mod tls;
