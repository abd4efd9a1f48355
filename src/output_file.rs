//! The file that a capture goes to.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use memprof_recorder::os_error::in_words;
use memprof_recorder::user_folder::user;

/// A file made for this run: nobody else may read what a program had in its memory.
#[derive(Debug)]
pub struct OutputFile {
    /// Open for writing, and empty.
    pub file: File,
    /// What it is.
    pub kind: OutputKind,
}

/// What a capture goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// A file that was not there before.
    New,
    /// One that was.
    Overwritten,
    /// What takes bytes and does not return them: a pipe, or a device such as `/dev/null`.
    Stream,
}

/// Why there is none.
#[derive(Debug)]
pub enum NoOutput {
    /// Without `-f` nothing is overwritten.
    Exists(PathBuf),
    /// A directory, a terminal, a disk.
    NotAFile(PathBuf),
    /// What the program prints goes there.
    OwnOutput(PathBuf),
    /// Sums are written again from time to time.
    NotForSums(PathBuf),
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
            Self::OwnOutput(path) => {
                let path = path.display();
                write!(out, "{path} is where the program's own output goes: give the name of a file with -o")
            }
            Self::NotForSums(path) => {
                let path = path.display();
                write!(out, "{path} is not a file, and --aggregate rewrites one from time to time: name one with -o")
            }
            Self::Unwritable(path, error) => {
                let (path, reason) = (path.display(), in_words(error));
                write!(out, "cannot write {path}: {reason}; give another name with -o")
            }
        }
    }
}

impl std::error::Error for NoOutput {}

impl OutputFile {
    /// Makes the file; one that exists is emptied if `overwrite` says so. `waits` is called before a pipe is waited for
    /// that nobody reads yet.
    pub fn create(path: &Path, overwrite: bool, waits: impl FnOnce()) -> Result<Self, NoOutput> {
        let unwritable = |error| NoOutput::Unwritable(path.to_owned(), error);
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        match options.clone().create_new(true).open(path) {
            Ok(file) => return Ok(Self { file, kind: OutputKind::New }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unwritable(error)),
        }
        if let Ok(metadata) = path.metadata() {
            if is_program_output(&metadata) {
                return Err(NoOutput::OwnOutput(path.to_owned()));
            }
            if !metadata.is_file() {
                return Self::stream(path, &metadata, waits);
            }
        }
        if !overwrite {
            return Err(NoOutput::Exists(path.to_owned()));
        }
        let file = options.create(true).open(path).map_err(unwritable)?;
        file.set_len(0).map_err(unwritable)?;
        // Whoever could read what was there before is not to read this. Where the file is another user's, that is
        // theirs to say.
        if file.metadata().is_ok_and(|metadata| metadata.uid() == user()) {
            file.set_permissions(Permissions::from_mode(0o600)).map_err(unwritable)?;
        }
        Ok(Self { file, kind: OutputKind::Overwritten })
    }

    fn stream(path: &Path, metadata: &Metadata, waits: impl FnOnce()) -> Result<Self, NoOutput> {
        let unwritable = |error| NoOutput::Unwritable(path.to_owned(), error);
        let kind = metadata.file_type();
        if !kind.is_fifo() && !kind.is_char_device() {
            return Err(NoOutput::NotAFile(path.to_owned()));
        }
        let open = |flags| OpenOptions::new().write(true).custom_flags(libc::O_NOCTTY | flags).open(path);
        let file = match open(libc::O_NONBLOCK) {
            // Opened again, it would wait for another reader: the first one has seen the end of this one.
            Ok(file) => wait_when_full(&file).map(|()| file),
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) && kind.is_fifo() => {
                waits();
                open(0)
            }
            Err(error) => Err(error),
        };
        let file = file.map_err(unwritable)?;
        if file.is_terminal() {
            return Err(NoOutput::NotAFile(path.to_owned()));
        }
        Ok(Self { file, kind: OutputKind::Stream })
    }
}

/// From now on a write waits until there is room.
fn wait_when_full(pipe: &File) -> io::Result<()> {
    // SAFETY: changes a flag of a file that is open.
    let done = unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, 0) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether this is what the program's output goes to, and keeps what is written there.
fn is_program_output(file: &Metadata) -> bool {
    let same = |stream: BorrowedFd<'_>| {
        let other = stream.try_clone_to_owned().map(File::from).and_then(|stream| stream.metadata());
        other.is_ok_and(|other| (other.dev(), other.ino()) == (file.dev(), file.ino()))
    };
    let is_null = file.file_type().is_char_device() && file.rdev() == NULL_DEVICE;
    !is_null && (same(io::stdout().as_fd()) || same(io::stderr().as_fd()))
}

/// `/dev/null`.
const NULL_DEVICE: u64 = libc::makedev(1, 3);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_with_force_is_anything_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.bin");
        let create = |overwrite| OutputFile::create(&path, overwrite, || ());
        assert_eq!(create(false).unwrap().kind, OutputKind::New);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "kept").unwrap();
        assert!(matches!(create(false), Err(NoOutput::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(create(true).unwrap().kind, OutputKind::Overwritten);
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_file_or_has_no_directory() {
        let directory = tempfile::tempdir().unwrap();
        let sentence = |path: &Path| OutputFile::create(path, true, || ()).unwrap_err().to_string();
        let here = directory.path().display();
        let a_file = "is not a file: give the name of a file with -o";
        assert_eq!(sentence(directory.path()), format!("{here} {a_file}"));
        let gone = "No such file or directory; give another name with -o";
        assert_eq!(sentence(&directory.path().join("a/b")), format!("cannot write {here}/a/b: {gone}"));
    }
    #[test]
    fn streams_are_written_to_as_they_are() {
        let kind = |path: &Path| OutputFile::create(path, false, || ()).unwrap().kind;
        assert_eq!(kind(Path::new("/dev/null")), OutputKind::Stream);
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
        // SAFETY: the name ends with a zero.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&pipe).unwrap();
        assert_eq!(kind(&pipe), OutputKind::Stream);
        drop(reader);
        let mut waited = false;
        std::thread::scope(|scope| {
            let (sender, receiver) = std::sync::mpsc::channel();
            let pipe = &pipe;
            scope.spawn(move || {
                receiver.recv().unwrap();
                fs::read(pipe).unwrap()
            });
            let waits = || {
                waited = true;
                sender.send(()).unwrap();
            };
            assert_eq!(OutputFile::create(pipe, false, waits).unwrap().kind, OutputKind::Stream);
        });
        assert!(waited);
    }
}
