//! Where a report goes that is a file: all of it or nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use memprof_capture::file::whole_file::{Existing, Readers};

use super::Failure;
use crate::whole_output;

/// The file that a report is written to.
pub(super) struct OutputFile {
    path: PathBuf,
    overwrite: bool,
}

impl OutputFile {
    /// The file that was asked for, or else `memprof-<kind>-<capture>.<extension>` beside the capture.
    ///
    /// # Errors
    /// When it exists and must not be overwritten: said before the work that leads to it.
    pub(super) fn choose(
        asked: Option<PathBuf>,
        overwrite: bool,
        capture: &Path,
        kind: &str,
        extension: &str,
    ) -> Result<Self, Failure> {
        let path = asked.unwrap_or_else(|| default_path(capture, kind, extension));
        // A device or a pipe is no file that could be lost.
        if !overwrite && path.symlink_metadata().is_ok() && !is_special(&path) {
            return Err(Failure::Exists(path));
        }
        Ok(Self { path, overwrite })
    }

    /// Writes the file by `write`, and says where it is.
    ///
    /// # Errors
    /// When it cannot be written; then there is no part of it.
    pub(super) fn write(self, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> Result<PathBuf, Failure> {
        let result = if is_special(&self.path) {
            OpenOptions::new().write(true).open(&self.path).and_then(|file| fill(&file, write))
        } else {
            self.replace(write)
        };
        match result {
            Ok(()) => Ok(self.path),
            // Whoever reads the pipe has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(self.path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::Exists(self.path)),
            Err(error) => Err(Failure::Unwritable(self.path, error)),
        }
    }

    fn replace(&self, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
        let whole = whole_output::begin(&self.path, Readers::AsUsual)?;
        fill(whole.file(), write)?;
        whole.finish(if self.overwrite { Existing::Replace } else { Existing::Keep })
    }
}

fn fill(file: &File, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, file);
    write(&mut out)?;
    out.flush()
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
    fn the_default_name_tells_the_kind_and_the_capture() {
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
        let choose = |overwrite| OutputFile::choose(Some(path.clone()), overwrite, Path::new("x"), "table", "html");
        let first = choose(false).expect("there is no file yet");
        let second = choose(false).expect("there is no file yet");
        first.write(|out| out.write_all(b"first")).expect("it can be written");
        assert!(matches!(second.write(|out| out.write_all(b"second")), Err(Failure::Exists(_))));
        assert!(matches!(choose(false), Err(Failure::Exists(_))));
        choose(true).expect("it may").write(|out| out.write_all(b"third")).expect("it can be written");
        assert_eq!(fs::read(&path).expect("the file is there"), b"third");
    }
}
