//! Files that have their name only when they are whole: whoever looks finds the old one or the new one, and never a part.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file that is being written under another name beside the one that it will have.
#[derive(Debug)]
pub struct WholeFile {
    target: PathBuf,
    partial: PathBuf,
    mode: u32,
    file: File,
}

impl WholeFile {
    /// Begins a file that will replace what is at `path`, with the same permissions. Where nothing is, only the user will
    /// be able to read it: a capture tells what a program had in its memory.
    ///
    /// # Errors
    /// When there is no such folder, it cannot be written to, or what is at `path` is not a file.
    pub fn begin(path: &Path) -> io::Result<Self> {
        // A link stays a link: what it leads to is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mode = match target.metadata() {
            Ok(metadata) if !metadata.is_file() => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
            }
            Ok(metadata) => metadata.permissions().mode() & 0o777,
            Err(_) => 0o600,
        };
        let name = target.file_name().ok_or_else(|| io::Error::other("it has no file name"))?;
        let mut partial_name = OsString::from(".");
        partial_name.push(name);
        partial_name.push(format!(".{}.part", std::process::id()));
        let partial = target.with_file_name(partial_name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        Ok(Self { target, partial, mode, file })
    }

    /// Where its content goes.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// When the system refuses. Then what was there before still is.
    pub fn finish(self) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(self.mode))?;
        fs::rename(&self.partial, &self.target)
    }

    /// The same, and waits until content and name are on the disk.
    ///
    /// # Errors
    /// See [`Self::finish`].
    pub fn finish_durably(self) -> io::Result<()> {
        self.file.sync_all()?;
        let folder = self.target.parent().map(Path::to_owned);
        self.finish()?;
        if let Some(folder) = folder {
            // Some file systems do not sync folders.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // When it has its name, there is nothing to remove, which is as well.
        let _ = fs::remove_file(&self.partial);
    }
}
