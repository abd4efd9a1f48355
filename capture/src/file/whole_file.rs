//! Files that have their name only when they are whole: a reader finds the old one or the new one, and never a
//! part.
//!
//! Where the file system can (`O_TMPFILE`), a file has no name at all until then: whatever ends the process, be it
//! SIGKILL, the kernel removes the part. Elsewhere it has another name beside the one that it will have; then a
//! process that is to end calls [`remove_unfinished`].

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who can read a file that replaces none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// The user: a capture shows what a program had in its memory.
    Owner,
    /// Whoever can read what the user writes: the umask decides.
    AsUsual,
}

/// What is done with a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the new one is refused.
    Keep,
    /// The new one takes its place.
    Replace,
}

/// A file that is being written.
#[derive(Debug)]
pub struct WholeFile {
    target: PathBuf,
    /// The permissions of the file that is replaced.
    mode: Option<u32>,
    file: File,
    /// The name until the file is whole, where it needs one.
    part: Option<PartName>,
}

impl WholeFile {
    /// Begins a file that will be at `path`. One that replaces another has the same permissions.
    ///
    /// # Errors
    /// When there is no such folder, it cannot be written to, or what is at `path` is not a file.
    pub fn begin(path: &Path, readers: Readers) -> io::Result<Self> {
        Self::begin_as(path, readers, create_nameless)
    }

    /// Begins a file that will be at `path`, in a folder that nobody else writes to, with this mode, as the umask lets
    /// it. What is at `path` by then gives way, whatever its permissions are: a link itself, and not what it leads to.
    ///
    /// # Errors
    /// When there is no such folder, or it cannot be written to.
    pub fn begin_private(path: &Path, mode: u32) -> io::Result<Self> {
        Self::create(path.to_owned(), mode, None, create_nameless)
    }

    /// As [`Self::begin`]. `nameless` makes a file without a name, if it can.
    fn begin_as(path: &Path, readers: Readers, nameless: impl FnOnce(&Path, u32) -> Option<File>) -> io::Result<Self> {
        // A link stays a link: what it leads to is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mode = match target.metadata() {
            Ok(metadata) if metadata.is_dir() => return Err(io::Error::from(io::ErrorKind::IsADirectory)),
            Ok(metadata) if !metadata.is_file() => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
            }
            Ok(metadata) => Some(metadata.permissions().mode() & 0o777),
            Err(_) => None,
        };
        let create_mode = if readers == Readers::Owner || mode.is_some() { 0o600 } else { 0o666 };
        Self::create(target, create_mode, mode, nameless)
    }

    fn create(
        target: PathBuf,
        create_mode: u32,
        mode: Option<u32>,
        nameless: impl FnOnce(&Path, u32) -> Option<File>,
    ) -> io::Result<Self> {
        let (file, part) = match nameless(folder_of(&target), create_mode) {
            Some(file) => (file, None),
            None => {
                let (part, file) = PartName::take(&target, |path| {
                    OpenOptions::new().write(true).create_new(true).mode(create_mode).open(path)
                })?;
                (file, Some(part))
            }
        };
        Ok(Self { target, mode, file, part })
    }

    /// Where its content goes.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// When the system refuses, or there is a file that is to stay ([`io::ErrorKind::AlreadyExists`]). What was there
    /// before still is.
    pub fn finish(self, existing: Existing) -> io::Result<()> {
        if let Some(mode) = self.mode {
            self.file.set_permissions(Permissions::from_mode(mode))?;
        }
        match (self.part, existing) {
            (Some(part), Existing::Replace) => fs::rename(&part.0, &self.target),
            (Some(part), Existing::Keep) => match fs::hard_link(&part.0, &self.target) {
                // Unlike a rename, a link does not replace what came to be there in the meantime. Some file systems
                // have no links.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::rename(&part.0, &self.target),
                linked => linked,
            },
            (None, existing) => match (link(&self.file, &self.target), existing) {
                (Err(error), Existing::Replace) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let (part, ()) = PartName::take(&self.target, |path| link(&self.file, path))?;
                    fs::rename(&part.0, &self.target)
                }
                (linked, _) => linked,
            },
        }
    }

    /// The same, and waits until content and name are on the disk.
    ///
    /// # Errors
    /// See [`Self::finish`].
    pub fn finish_durably(self, existing: Existing) -> io::Result<()> {
        self.file.sync_all()?;
        let folder = folder_of(&self.target).to_owned();
        self.finish(existing)?;
        // Some file systems do not sync folders.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file without a name in this folder; nothing where the file system has none, or where it could not get one later.
#[cfg(target_os = "linux")]
fn create_nameless(folder: &Path, mode: u32) -> Option<File> {
    let file = OpenOptions::new().write(true).mode(mode).custom_flags(libc::O_TMPFILE).open(folder).ok()?;
    descriptor_path(&file).exists().then_some(file)
}

#[cfg(not(target_os = "linux"))]
const fn create_nameless(_folder: &Path, _mode: u32) -> Option<File> {
    None
}

/// Where the kernel shows an open file of this process.
fn descriptor_path(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Names a file that has no name.
fn link(file: &File, path: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from);
    let (from, to) = (text(&descriptor_path(file))?, text(path)?);
    // SAFETY: both are texts with an end. `std` has no call that follows the link to the file.
    let done =
        unsafe { libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::AT_SYMLINK_FOLLOW) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The names that are given to parts, and still there.
static PART_NAMES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn part_names() -> MutexGuard<'static, Vec<PathBuf>> {
    PART_NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what has a name and is not whole. No file of this process can begin or be finished from now on: it is about
/// to end.
pub fn remove_unfinished() {
    let names = part_names();
    for name in names.iter() {
        let _ = fs::remove_file(name);
    }
    std::mem::forget(names);
}

/// The name of a part. What has it goes with it.
#[derive(Debug)]
struct PartName(PathBuf);

impl PartName {
    /// A name beside the one that a file will have, taken by `create`, which fails if there is such a file.
    fn take<T>(target: &Path, create: impl Fn(&Path) -> io::Result<T>) -> io::Result<(Self, T)> {
        let name = target.file_name().ok_or_else(|| io::Error::other("it has no file name"))?;
        // Locked, so that the name does not come to be while others go.
        let mut names = part_names();
        let mut others = 0;
        loop {
            let path = target.with_file_name(part_name(name, others));
            match create(&path) {
                // Another thread's, or one of a process that had this pid and was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && others < MOST_OTHERS => others += 1,
                created => {
                    let created = created?;
                    names.push(path.clone());
                    return Ok((Self(path), created));
                }
            }
        }
    }
}

/// At most this many files of this process, or of former ones with its pid, may become one file at the same time.
const MOST_OTHERS: u32 = 100;

/// The name of a part of the file with this name, of which there are `others` others.
fn part_name(name: &OsStr, others: u32) -> OsString {
    let mut part = OsString::from(".");
    part.push(name);
    part.push(format!(".{}", std::process::id()));
    if others > 0 {
        part.push(format!(".{others}"));
    }
    part.push(".part");
    part
}

impl Drop for PartName {
    fn drop(&mut self) {
        let mut names = part_names();
        // When the file has its own name, there is nothing to remove, which is as well.
        let _ = fs::remove_file(&self.0);
        names.retain(|name| *name != self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The way that is taken where the file system has no files without a name.
    fn with_name(path: &Path) -> io::Result<WholeFile> {
        WholeFile::begin_as(path, Readers::Owner, |_, _| None)
    }

    fn without_name(path: &Path) -> io::Result<WholeFile> {
        WholeFile::begin(path, Readers::Owner)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder can be read");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "has no links to descriptors")]
    fn a_file_is_there_when_it_is_whole_and_not_before() {
        for begin in [with_name, without_name] {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let path = folder.path().join("it");
            for (content, existing) in [("first", Existing::Keep), ("second", Existing::Replace)] {
                let whole = begin(&path).expect("it can begin");
                whole.file().write_all(content.as_bytes()).expect("it can be written");
                assert_ne!(fs::read_to_string(&path).ok().as_deref(), Some(content));
                whole.finish(existing).expect("it can be finished");
                assert_eq!(fs::read_to_string(&path).expect("it is there"), content);
                assert_eq!(names(folder.path()), ["it"]);
            }
            let whole = begin(&path).expect("it can begin");
            let refused = whole.finish(Existing::Keep).expect_err("there is one");
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            drop(begin(&path).expect("it can begin"));
            assert_eq!(fs::read_to_string(&path).expect("it is there"), "second");
            assert_eq!(names(folder.path()), ["it"]);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "has no links to descriptors")]
    fn permissions_are_those_of_what_was_there() {
        for begin in [with_name, without_name] {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let path = folder.path().join("it");
            let mode = || path.metadata().expect("it is there").permissions().mode() & 0o777;
            begin(&path).and_then(|whole| whole.finish(Existing::Keep)).expect("it can be written");
            assert_eq!(mode(), 0o600);
            fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("it is ours");
            begin(&path).and_then(|whole| whole.finish_durably(Existing::Replace)).expect("it can be written");
            assert_eq!(mode(), 0o640);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "has no links to descriptors")]
    fn what_is_private_takes_the_place_of_whatever_is_there() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let [path, elsewhere] = ["it", "elsewhere"].map(|name| folder.path().join(name));
        fs::write(&elsewhere, "other").expect("it can be written");
        std::os::unix::fs::symlink(&elsewhere, &path).expect("it can be linked");
        for mode in [0o500, 0o600] {
            let whole = WholeFile::begin_private(&path, mode).expect("it can begin");
            whole.file().write_all(b"ours").expect("it can be written");
            whole.finish(Existing::Replace).expect("it can be finished");
            let found = fs::symlink_metadata(&path).expect("it is there");
            assert!(found.is_file());
            assert_eq!(found.permissions().mode() & 0o777, mode);
            assert_eq!(fs::read(&path).expect("it can be read"), b"ours");
        }
        assert_eq!(fs::read(&elsewhere).expect("it is there"), b"other");
    }

    #[test]
    fn parts_of_others_are_in_nobody_s_way() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("it");
        let left = folder.path().join(format!(".it.{}.part", std::process::id()));
        fs::write(&left, "of a process that was killed").expect("it can be written");
        let parts = [0, 1].map(|_| with_name(&path).expect("it can begin"));
        for part in parts {
            part.finish(Existing::Replace).expect("it can be finished");
        }
        assert_eq!(fs::read(&path).expect("it is there"), b"");
        assert!(left.exists(), "it may be another one's, whose pid is of another kind");
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    #[cfg(target_os = "linux")]
    #[cfg_attr(miri, ignore = "has no links to descriptors")]
    fn a_part_has_no_name_where_that_can_be() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        if create_nameless(folder.path(), 0o600).is_some() {
            let whole = without_name(&folder.path().join("it")).expect("it can begin");
            assert_eq!(names(folder.path()), [""; 0]);
            drop(whole);
        }
        let whole = with_name(&folder.path().join("it")).expect("it can begin");
        assert_eq!(names(folder.path()), [format!(".it.{}.part", std::process::id())]);
        drop(whole);
    }
}
