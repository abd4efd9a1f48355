//! The file that a capture goes to.

use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use memprof_recorder::os_error::in_words;

/// A file made for this run: nobody else may read what a program had in its memory.
#[derive(Debug)]
pub struct OutputFile {
    /// Open for writing, and empty.
    pub file: File,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// Why there is none.
#[derive(Debug)]
pub enum NoOutput {
    /// Without `-f` nothing is overwritten.
    Exists(PathBuf),
    /// A directory, a device, a pipe.
    NotAFile(PathBuf),
    /// Anything else.
    Unwritable(PathBuf, io::Error),
}

impl fmt::Display for NoOutput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => {
                let path = path.display();
                write!(out, "{path} exists: give another name with -o, or overwrite it with -f")
            }
            Self::NotAFile(path) => write!(out, "{} is not a file: give the name of a file with -o", path.display()),
            Self::Unwritable(path, error) => {
                let (path, reason) = (path.display(), in_words(error));
                write!(out, "cannot write {path}: {reason}; give another name with -o")
            }
        }
    }
}

impl std::error::Error for NoOutput {}

impl OutputFile {
    /// Makes the file; one that exists is emptied if `overwrite` says so.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self, NoOutput> {
        let unwritable = |error| NoOutput::Unwritable(path.to_owned(), error);
        let mut options = OpenOptions::new();
        // A pipe without a reader would keep memprof waiting.
        options.write(true).mode(0o600).custom_flags(libc::O_NONBLOCK);
        match options.clone().create_new(true).open(path) {
            Ok(file) => return Ok(Self { file, is_new: true }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unwritable(error)),
        }
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(NoOutput::NotAFile(path.to_owned()));
        }
        if !overwrite {
            return Err(NoOutput::Exists(path.to_owned()));
        }
        let file = options.create(true).open(path).map_err(unwritable)?;
        file.set_len(0).map_err(unwritable)?;
        // Whoever could read what was there before is not to read this. Where the file is another user's, that is theirs
        // to say.
        if file.metadata().is_ok_and(|metadata| metadata.uid() == user()) {
            file.set_permissions(Permissions::from_mode(0o600)).map_err(unwritable)?;
        }
        Ok(Self { file, is_new: false })
    }
}

fn user() -> u32 {
    // SAFETY: asks for this process's user and cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_with_force_is_anything_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.bin");
        assert!(OutputFile::create(&path, false).unwrap().is_new);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "kept").unwrap();
        assert!(matches!(OutputFile::create(&path, false), Err(NoOutput::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(!OutputFile::create(&path, true).unwrap().is_new);
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_file_or_has_no_directory() {
        let directory = tempfile::tempdir().unwrap();
        let sentence = |path: &Path| OutputFile::create(path, true).unwrap_err().to_string();
        let here = directory.path().display();
        let a_file = "is not a file: give the name of a file with -o";
        assert_eq!(sentence(directory.path()), format!("{here} {a_file}"));
        assert_eq!(sentence(Path::new("/dev/null")), format!("/dev/null {a_file}"));
        let gone = "No such file or directory; give another name with -o";
        assert_eq!(sentence(&directory.path().join("a/b")), format!("cannot write {here}/a/b: {gone}"));
    }
}
