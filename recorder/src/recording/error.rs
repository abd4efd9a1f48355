//! Why nothing was recorded.

use std::fmt;
use std::io;
use std::path::PathBuf;

use memprof_capture::os_error::in_words;

use crate::own_limits::is_want_of_resources;

/// Why nothing was recorded.
#[derive(Debug)]
pub enum RecordError {
    /// The system gives no shared memory.
    Memory(io::Error),
    /// The file cannot be written.
    Output(io::Error),
    /// The program cannot be started.
    Start(PathBuf, io::Error),
    /// The program was started and lost.
    Wait(io::Error),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(error) => {
                let why = in_words(error);
                write!(f, "cannot set up what it takes to record: {why}; raise the limits (ulimit) or free some memory")
            }
            Self::Output(error) => write!(f, "cannot write: {}", in_words(error)),
            Self::Start(program, error) => {
                let (program, why) = (program.display(), in_words(error));
                write!(f, "cannot start {program}: {why}; check that it can be executed")
            }
            Self::Wait(error) => write!(f, "lost the program: {}", in_words(error)),
        }
    }
}

impl std::error::Error for RecordError {}

impl RecordError {
    /// Whether the program could run all the same, if nothing was to be recorded.
    #[must_use]
    pub fn leaves_the_program(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Output(error) => is_want_of_resources(error),
            Self::Start(..) | Self::Wait(_) => false,
        }
    }
}
