//! `memprof symbolize`: names the native frames of a capture again.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use memprof_capture::file::whole_file::{Existing, Readers};
use memprof_recorder::OpenError;
use memprof_recorder::os_error::in_words;
use memprof_recorder::symbols::Options;
use memprof_recorder::symbols::redo::{Redone, RewriteError};
use memprof_recorder::user_folder::user_cache;

use crate::symbols_table;
use crate::whole_output;

/// Look up the names of a capture's native frames again, elsewhere or with more debugging information
///
/// The capture is written again with the names that are found. Those that it has, and that cannot be found here, it
/// keeps.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that `memprof run` wrote
    capture: PathBuf,

    /// Write to this file instead of changing the capture
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Overwrite the file if it exists
    #[arg(short, long, requires = "output")]
    force: bool,

    #[command(flatten)]
    sources: SourceArgs,

    /// Look for the program and its libraries below this folder, as if it were the root
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,
}

/// Where to look for names.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SourceArgs {
    /// Look for separate debugging information in this folder, too (may be given several times)
    #[arg(long = "debug-path", value_name = "DIR")]
    debug_paths: Vec<PathBuf>,

    /// Fetch debugging information from the servers in DEBUGINFOD_URLS
    #[arg(long)]
    debuginfod: bool,
}

impl SourceArgs {
    /// At the end of a recording, which is to take little time: what is slow is read only where it was asked for.
    pub fn at_the_end(self) -> Options {
        let unpack = self.debuginfod || !self.debug_paths.is_empty();
        Options { unpack, ..self.anywhere(None) }
    }

    fn anywhere(self, sysroot: Option<PathBuf>) -> Options {
        let Self { debug_paths, debuginfod } = self;
        Options { debug_paths, debuginfod, sysroot, unpack: true, cache: user_cache() }
    }

    /// The first folder that is none.
    pub fn missing_folder(&self) -> Option<&Path> {
        self.debug_paths.iter().map(PathBuf::as_path).find(|folder| !folder.is_dir())
    }
}

/// Why there are no new names.
#[derive(Debug)]
pub enum Failure {
    /// The capture cannot be opened.
    Capture(OpenError),
    /// A folder that was named is none.
    NoFolder(PathBuf),
    /// There is a file of that name already.
    Exists(PathBuf),
    /// The capture cannot be read any more.
    Unreadable(PathBuf, io::Error),
    /// The new file cannot be written.
    Unwritable(PathBuf, io::Error),
    /// Standard output does not take the table.
    Stdout(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(error) => error.fmt(out),
            Self::NoFolder(path) => {
                let path = path.display();
                write!(out, "{path} is not a folder: check the name after --debug-path or --sysroot")
            }
            Self::Exists(path) => {
                write!(out, "{} exists: give another name with -o, or overwrite it with -f", path.display())
            }
            Self::Unreadable(path, error) => write!(out, "cannot read {}: {}", path.display(), in_words(error)),
            Self::Unwritable(path, error) => {
                let (path, reason) = (path.display(), in_words(error));
                write!(out, "cannot write {path}: {reason}; give the name of a file elsewhere with -o")
            }
            Self::Stdout(error) => write!(out, "cannot write to standard output: {}", in_words(error)),
        }
    }
}

impl std::error::Error for Failure {}

/// Names the frames, writes the capture, and prints how it went.
///
/// # Errors
/// See [`Failure`]. The capture is then as it was.
pub fn run(args: Args) -> Result<(), Failure> {
    let Args { capture, output, force, sources, sysroot } = args;
    let no_folder = sources.missing_folder().or_else(|| sysroot.as_deref().filter(|folder| !folder.is_dir()));
    if let Some(folder) = no_folder {
        return Err(Failure::NoFolder(folder.to_owned()));
    }
    if let Some(path) = output.as_deref().filter(|path| !force && path.symlink_metadata().is_ok()) {
        return Err(Failure::Exists(path.to_owned()));
    }
    let redone = Redone::read(&capture, &sources.anywhere(sysroot)).map_err(Failure::Capture)?;
    let written = match output {
        // There is nothing to change.
        None if redone.modules.is_empty() => None,
        None => Some(write(&redone, &capture, &capture, Existing::Replace)?),
        Some(path) if force => Some(write(&redone, &capture, &path, Existing::Replace)?),
        Some(path) => Some(write(&redone, &capture, &path, Existing::Keep)?),
    };
    for warning in &redone.warnings {
        let _ = writeln!(io::stderr(), "memprof: {warning}");
    }
    let text = symbols_table::text(&capture, &redone.modules, written.as_deref());
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Stdout(error)),
        _ => Ok(()),
    }
}

/// Writes the capture, and only when all of it is on the disk gives it the name `path`.
fn write(redone: &Redone, capture: &Path, path: &Path, existing: Existing) -> Result<PathBuf, Failure> {
    let unwritable = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Exists(path.to_owned()),
        _ => Failure::Unwritable(path.to_owned(), error),
    };
    let whole = whole_output::begin(path, Readers::Owner).map_err(unwritable)?;
    redone.write(BufWriter::with_capacity(1 << 16, whole.file())).map_err(|error| match error {
        RewriteError::Read(error) => Failure::Unreadable(capture.to_owned(), error),
        RewriteError::Write(error) => unwritable(error),
    })?;
    whole.finish_durably(existing).map_err(unwritable)?;
    Ok(path.to_owned())
}
