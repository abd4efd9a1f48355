//! What the user says about where names come from.

use std::path::{Path, PathBuf};

/// Where to look for names.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Folders with separate files of debugging information, which are looked at before the system's own.
    pub debug_paths: Vec<PathBuf>,
    /// The root of the file system in which the recorded program ran, if that is not this one.
    pub sysroot: Option<PathBuf>,
    /// Whether to ask the servers that `DEBUGINFOD_URLS` names.
    pub debuginfod: bool,
    /// Whether to read separate debugging information that is compressed, too. To unpack that of the C library takes as
    /// much processor time as everything else at the end of a short recording, so that the names of functions may have
    /// to do, which are not compressed.
    pub unpack: bool,
    /// The folder that keeps what was found, for the next time. Nothing: nothing is kept.
    pub cache: Option<PathBuf>,
}

impl Options {
    /// The place in this file system of a file of the recorded program.
    pub fn in_sysroot(&self, path: &Path) -> PathBuf {
        match &self.sysroot {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }
}
