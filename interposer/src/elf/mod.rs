//! ELF: what modules say about themselves, in memory and in their files. Nothing else in this library knows its layout.
//!
//! Structures and constants are those of the crate `object`, of which only the core is built: it allocates nothing, and
//! answers with an error where something makes no sense. Its readers serve for files and notes. They find symbols by
//! section headers, which a loaded module does not have in memory: there, program headers say where everything is.
//!
//! - [`segments`]: the program headers, and what they say.
//! - [`image`]: a loaded module in memory.
//! - [`exports`]: the symbols that it exports.
//! - [`extent`]: where a module is, of which nothing is known but its first address.
//! - [`object_file`]: a module's file, and its symbol table.

mod exports;
mod extent;
mod image;
#[cfg(target_arch = "x86_64")]
mod object_file;
mod segments;

use object::NativeEndian;
use object::elf::{FileHeader64, ProgramHeader64, Sym64};

pub use exports::Exports;
pub use extent::Extent;
pub use image::Image;
#[cfg(target_arch = "x86_64")]
pub use object_file::{ObjectFile, Symbol};
pub use segments::Segments;

/// The byte order of what this process has loaded.
const ENDIAN: NativeEndian = NativeEndian;

type FileHeader = FileHeader64<NativeEndian>;
/// A program header.
pub type ProgramHeader = ProgramHeader64<NativeEndian>;
type SymbolEntry = Sym64<NativeEndian>;
