//! Linux with glibc.

pub mod memory;
pub mod real;
pub mod tls;
