//! What the end-to-end tests share. Each topic uses a part of it.

pub mod c_programs;
pub mod command;
pub mod embedding;
pub mod executables;
pub mod expectations;
pub mod exported;
pub mod falsified;
pub mod flame_data;
pub mod limited;
pub mod memprof;
pub mod mounts;
pub mod native_expectations;
pub mod packages;
pub mod pseudo_terminal;
pub mod pythons;
pub mod recording;
pub mod skipping;
pub mod survivor;
pub mod table;
pub mod unharmed;
pub mod witnesses;
