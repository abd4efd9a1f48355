//! Why there is no report on a capture.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use memprof_capture::file::OpenError;
use memprof_capture::os_error::in_words;
use memprof_replay::events_needed::EventsNeeded;
use memprof_replay::processes::UnknownProcess;

use crate::reading::unknown_process::UnknownProcessMessage;

/// Why there is no report.
#[derive(Debug)]
pub enum ReportError {
    /// The capture cannot be opened.
    Open(OpenError),
    /// It could be opened, but not read to the end.
    Read(PathBuf, io::Error),
    /// It has no such process.
    NoProcess(PathBuf, UnknownProcess),
    /// It is aggregated, and what is asked for needs events.
    Aggregated(PathBuf, EventsNeeded),
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Read(path, error) => write!(f, "cannot read {} any further: {}", path.display(), in_words(error)),
            Self::Aggregated(path, need) => write!(f, "{}: {need}", path.display()),
            Self::NoProcess(path, unknown) => write!(f, "{}: {}", path.display(), UnknownProcessMessage(unknown)),
        }
    }
}

impl ReportError {
    /// The events of a capture cannot be read, or it is aggregated and has none.
    pub(crate) fn reading(path: &Path, error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(&need) => Self::Aggregated(path.to_owned(), need),
            None => Self::Read(path.to_owned(), error),
        }
    }
}

impl std::error::Error for ReportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(error) => Some(error),
            Self::Read(_, error) => Some(error),
            Self::NoProcess(..) | Self::Aggregated(..) => None,
        }
    }
}
