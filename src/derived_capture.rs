//! Captures that are made of others: where they go, and what can go wrong.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use memprof_capture::file::OpenError;
use memprof_capture::file::rewrite::RewriteError;
use memprof_capture::file::whole_file::{Existing, Readers};
use memprof_recorder::os_error::in_words;
use memprof_reporter::size_units::size;

use crate::whole_output;

/// Where the new capture goes.
#[derive(Debug, clap::Args)]
pub struct OutputArgs {
    /// Write the new capture to this file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Overwrite the file if it exists
    #[arg(short, long)]
    force: bool,
}

/// Why there is no new capture.
#[derive(Debug)]
pub enum Failure {
    /// A capture cannot be opened.
    Capture(OpenError),
    /// There is a file of that name already.
    Exists(PathBuf),
    /// A capture cannot be read any more.
    Unreadable(PathBuf, io::Error),
    /// The new file cannot be written.
    Unwritable(PathBuf, io::Error),
    /// It makes no sense: a sentence that says why, and what to do.
    Senseless(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(error) => error.fmt(out),
            Self::Exists(path) => {
                write!(out, "{} exists: give another name with -o, or overwrite it with -f", path.display())
            }
            Self::Unreadable(path, error) => write!(out, "cannot read {}: {}", path.display(), in_words(error)),
            Self::Unwritable(path, error) => {
                let (path, reason) = (path.display(), in_words(error));
                write!(out, "cannot write {path}: {reason}; give the name of a file elsewhere with -o")
            }
            Self::Senseless(sentence) => out.write_str(sentence),
        }
    }
}

impl std::error::Error for Failure {}

impl OutputArgs {
    /// Refuses to overwrite a file, before the work that leads to it.
    ///
    /// # Errors
    /// When it exists and need not go.
    pub fn check(&self) -> Result<(), Failure> {
        if !self.force && self.output.symlink_metadata().is_ok() {
            return Err(Failure::Exists(self.output.clone()));
        }
        Ok(())
    }

    /// Writes the new capture, and says so.
    ///
    /// # Errors
    /// See [`Failure`]. What was there before is then as it was.
    pub fn write(&self, write: impl FnOnce(&mut BufWriter<&File>) -> Result<u64, Failure>) -> Result<(), Failure> {
        let whole = whole_output::begin(&self.output, Readers::Owner).map_err(|error| self.unwritable(error))?;
        let mut out = BufWriter::with_capacity(1 << 16, whole.file());
        let bytes = write(&mut out)?;
        out.flush().map_err(|error| self.unwritable(error))?;
        drop(out);
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        whole.finish_durably(existing).map_err(|error| self.unwritable(error))?;
        crate::say(format_args!("wrote {} ({})", self.output.display(), size(bytes)));
        Ok(())
    }

    /// The new capture cannot be written.
    pub fn unwritable(&self, error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::Exists(self.output.clone()),
            _ => Failure::Unwritable(self.output.clone(), error),
        }
    }

    /// Either that, or the capture at `source` cannot be read.
    pub fn failure(&self, source: &Path, error: RewriteError) -> Failure {
        match error {
            RewriteError::Read(error) => Failure::Unreadable(source.to_owned(), error),
            RewriteError::Write(error) => self.unwritable(error),
        }
    }
}
