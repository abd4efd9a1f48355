//! Where a report goes that is a file: all of it or nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use memprof_capture::file::whole_file::{Existing, Readers};

use super::Failure;
use super::sized_output::{Room, SizedOutput, TooLarge};
use crate::whole_output;

/// What a report's content goes through.
pub(super) type FileOutput<'a> = SizedOutput<BufWriter<&'a File>>;

/// The file that a report is written to.
pub(super) struct OutputFile {
    path: PathBuf,
    capture: PathBuf,
    /// Whether it may take the place of another file, and become as large as it likes.
    force: bool,
}

impl OutputFile {
    /// The file that was asked for, or else `memprof-<kind>-<capture>.<extension>` beside the capture.
    ///
    /// # Errors
    /// When it exists and must not be overwritten, without `force`: said before the work that leads to it.
    pub(super) fn choose(
        asked: Option<PathBuf>,
        force: bool,
        capture: &Path,
        kind: &str,
        extension: &str,
    ) -> Result<Self, Failure> {
        Self::admit(asked.unwrap_or_else(|| default_path(capture, kind, extension)), force, capture)
    }

    fn admit(path: PathBuf, force: bool, capture: &Path) -> Result<Self, Failure> {
        // A device or a pipe is no file that could be lost.
        if !force && path.symlink_metadata().is_ok() && !is_special(&path) {
            return Err(Failure::Exists(path));
        }
        Ok(Self { path, capture: capture.to_owned(), force })
    }

    /// Whether it is a device or a pipe.
    pub(super) fn is_special(&self) -> bool {
        is_special(&self.path)
    }

    /// The file beside it for a part of the report: `capture.4711.txt` for `capture.txt`.
    ///
    /// # Errors
    /// See [`Self::choose`].
    pub(super) fn of_part(&self, part: &str) -> Result<Self, Failure> {
        let mut name = self.path.file_stem().unwrap_or_default().to_owned();
        name.push(".");
        name.push(part);
        if let Some(extension) = self.path.extension() {
            name.push(".");
            name.push(extension);
        }
        Self::admit(self.path.with_file_name(name), self.force, &self.capture)
    }

    /// Writes the file by `write`, and says where it is.
    ///
    /// # Errors
    /// When it cannot be written; then there is no part of it.
    pub(super) fn write(self, write: impl FnOnce(&mut FileOutput) -> io::Result<()>) -> Result<PathBuf, Failure> {
        let result = if is_special(&self.path) {
            OpenOptions::new().write(true).open(&self.path).and_then(|file| self.fill(&file, write))
        } else {
            self.replace(write)
        };
        match result {
            Ok(()) => Ok(self.path),
            // Whoever reads the pipe has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(self.path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::Exists(self.path)),
            Err(error) => match TooLarge::in_error(&error) {
                Some(too_large) => Err(Failure::TooLarge(self.path, too_large)),
                None => Err(Failure::Unwritable(self.path, error)),
            },
        }
    }

    fn replace(&self, write: impl FnOnce(&mut FileOutput) -> io::Result<()>) -> io::Result<()> {
        let whole = whole_output::begin(&self.path, Readers::AsUsual)?;
        self.fill(whole.file(), write)?;
        whole.finish(if self.force { Existing::Replace } else { Existing::Keep })
    }

    fn fill(&self, file: &File, write: impl FnOnce(&mut FileOutput) -> io::Result<()>) -> io::Result<()> {
        let room = Room::of(file, &self.capture, self.force);
        let mut out = SizedOutput::new(BufWriter::with_capacity(1 << 16, file), room);
        write(&mut out)?;
        out.flush()
    }
}

fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn default_path(capture: &Path, kind: &str, extension: &str) -> PathBuf {
    let stem = capture.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.strip_prefix("memprof-").unwrap_or(&stem);
    capture.with_file_name(format!("memprof-{kind}-{stem}.{extension}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_default_name_has_the_kind_and_the_capture() {
        let path = |capture| default_path(Path::new(capture), "flamegraph", "html");
        assert_eq!(path("out/memprof-primes.py.12.bin"), Path::new("out/memprof-flamegraph-primes.py.12.html"));
        assert_eq!(path("out.bin"), Path::new("memprof-flamegraph-out.html"));
    }

    #[test]
    fn a_failed_report_leaves_nothing_and_takes_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("report.html");
        fs::write(&path, "old").expect("a file can be written");
        let output = OutputFile::choose(Some(path.clone()), true, Path::new("x"), "table", "html").expect("it may");
        let failure = output.write(|out| {
            out.write_all(&[0; 1 << 20])?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failure.unwrap_err().to_string().contains("the disk is full"));
        assert_eq!(fs::read(&path).expect("the old file is there"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder can be read").count(), 1);
    }

    #[test]
    fn nothing_is_overwritten_unless_asked() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("report.html");
        let choose = |force| OutputFile::choose(Some(path.clone()), force, Path::new("x"), "table", "html");
        let first = choose(false).expect("there is no file yet");
        let second = choose(false).expect("there is no file yet");
        first.write(|out| out.write_all(b"first")).expect("it can be written");
        assert!(matches!(second.write(|out| out.write_all(b"second")), Err(Failure::Exists(_))));
        assert!(matches!(choose(false), Err(Failure::Exists(_))));
        choose(true).expect("it may").write(|out| out.write_all(b"third")).expect("it can be written");
        assert_eq!(fs::read(&path).expect("the file is there"), b"third");
    }
}
