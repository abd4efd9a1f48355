//! Puts the interposer, which the command carries inside it, where the dynamic loader can load it from.
//!
//! It is written once into the user's cache, named by a hash of its contents, and compared byte by byte at each start.
//! Whoever can change that file or swap its directories runs code in the user's programs, so only places that nobody
//! else can write to are taken.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;

use memprof_capture::file::whole_file::{Existing, WholeFile};
use memprof_recorder::os_error::in_words;
use memprof_recorder::user_folder::{UserFolder, user, user_cache};

/// Built by build.rs.
static LIBRARY: &[u8] = include_bytes!(env!("MEMPROF_INTERPOSER_LIBRARY"));
const HASH: &str = env!("MEMPROF_INTERPOSER_HASH");
const FILE_NAME: &str =
    if cfg!(target_os = "macos") { "libmemprof_interposer.dylib" } else { "libmemprof_interposer.so" };
/// Names a library to use instead of the one inside the command.
const OVERRIDE: &str = "MEMPROF_INTERPOSER";

/// The library, ready to be preloaded while this lives.
#[derive(Debug)]
pub struct InterposerFile {
    path: PathBuf,
    /// What `path` leads to, where no directory would do.
    _memory: Option<OwnedFd>,
}

impl InterposerFile {
    /// Where the loader finds it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Finds or makes a place for it.
    pub fn place() -> Result<Self, NoPlace> {
        if let Some(path) = env::var_os(OVERRIDE).filter(|path| !path.is_empty()).map(PathBuf::from) {
            let path = path.canonicalize().map_err(|error| NoPlace::Override(path, error))?;
            if !the_loader_takes(&path) {
                return Err(NoPlace::OverrideName(path));
            }
            return Ok(Self { path, _memory: None });
        }
        for place in [cache(), temporary()].into_iter().flatten() {
            if let Some(path) = in_place(&place) {
                return Ok(Self { path, _memory: None });
            }
        }
        in_memory().map_err(NoPlace::Nowhere)
    }
}

/// Why there is no library to preload.
#[derive(Debug)]
pub enum NoPlace {
    /// `MEMPROF_INTERPOSER` names something that cannot be used.
    Override(PathBuf, io::Error),
    /// `MEMPROF_INTERPOSER` names a path that `LD_PRELOAD` cannot have.
    OverrideName(PathBuf),
    /// Neither a directory nor memory would do.
    Nowhere(io::Error),
}

impl fmt::Display for NoPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Override(path, error) => {
                let (path, reason) = (path.display(), in_words(error));
                write!(out, "cannot use {path}: {reason}; unset {OVERRIDE} to use the library inside memprof")
            }
            Self::OverrideName(path) => {
                let path = path.display();
                write!(
                    out,
                    "cannot preload {path}: the loader takes no blanks, colons and dollar signs in a path; \
                     move it or unset {OVERRIDE}"
                )
            }
            Self::Nowhere(error) => write!(
                out,
                "found no place to load memprof's library from ({}): \
                 point XDG_CACHE_HOME at a directory of your own that is not mounted noexec",
                in_words(error)
            ),
        }
    }
}

impl std::error::Error for NoPlace {}

fn cache() -> Option<UserFolder> {
    Some(UserFolder::new(&user_cache()?, "memprof", HASH))
}

fn temporary() -> Option<UserFolder> {
    let base = env::temp_dir();
    base.is_absolute().then(|| UserFolder::new(&base, &format!("memprof-{}", user()), HASH))
}

/// The library's path in that folder, if it can be put and loaded there.
fn in_place(folder: &UserFolder) -> Option<PathBuf> {
    let path = folder.path().join(FILE_NAME);
    if !the_loader_takes(&path) || !folder.make() {
        return None;
    }
    if let Some(ready) = ready(folder) {
        return ready.then_some(path);
    }
    write(&path).ok()?;
    ready(folder)?.then_some(path)
}

/// Whether the file can be loaded; `None` if it is not there, not ours, or not the library.
fn ready(folder: &UserFolder) -> Option<bool> {
    let (file, _) = folder.open(FILE_NAME).filter(|&(_, bytes)| bytes == LIBRARY.len() as u64)?;
    // SAFETY: maps a file read-only at an address that the kernel chooses, as code: what the loader will do.
    let mapped = unsafe {
        let protection = libc::PROT_READ | libc::PROT_EXEC;
        libc::mmap(ptr::null_mut(), LIBRARY.len(), protection, libc::MAP_PRIVATE, file.as_raw_fd(), 0)
    };
    if mapped == libc::MAP_FAILED {
        return Some(false);
    }
    // SAFETY: the mapping is as long as the library; the file, which only this user can write to, was that long a
    // moment ago.
    let same = unsafe { std::slice::from_raw_parts(mapped.cast::<u8>(), LIBRARY.len()) } == LIBRARY;
    // SAFETY: the mapping made above, not used any more.
    unsafe { libc::munmap(mapped, LIBRARY.len()) };
    same.then_some(true)
}

fn write(path: &Path) -> io::Result<()> {
    let whole = WholeFile::begin_private(path, 0o500)?;
    whole.file().write_all(LIBRARY)?;
    whole.finish(Existing::Replace)
}

/// The last resort: a file in memory, which the program reaches through memprof's descriptor.
fn in_memory() -> io::Result<InterposerFile> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::FromRawFd;
        use std::os::unix::fs::PermissionsExt;

        // SAFETY: the name is NUL-terminated; the call makes a new descriptor or fails.
        let descriptor = unsafe { libc::memfd_create(c"libmemprof_interposer.so".as_ptr(), libc::MFD_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, and owned by nobody else.
        let memory = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let mut file = File::from(memory);
        file.write_all(LIBRARY)?;
        // The kernel makes it open to everybody.
        file.set_permissions(fs::Permissions::from_mode(0o500))?;
        let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
        Ok(InterposerFile { path, _memory: Some(file.into()) })
    }
    #[cfg(not(target_os = "linux"))]
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// `LD_PRELOAD` is a list divided by colons and blanks, in which `$ORIGIN` and others are replaced.
fn the_loader_takes(path: &Path) -> bool {
    !path.as_os_str().as_bytes().iter().any(|byte| b": \t\n$".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn place_in(base: &Path) -> UserFolder {
        UserFolder::new(base, "memprof", HASH)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn it_is_written_once_and_repaired() {
        let base = tempfile::tempdir().unwrap();
        let path = in_place(&place_in(base.path())).unwrap();
        assert_eq!(fs::read(&path).unwrap(), LIBRARY);
        let first = fs::metadata(&path).unwrap();
        assert_eq!(in_place(&place_in(base.path())), Some(path.clone()));
        assert_eq!(fs::metadata(&path).unwrap().ino(), first.ino());

        fs::remove_file(&path).unwrap();
        fs::write(&path, vec![0; LIBRARY.len()]).unwrap();
        assert_eq!(in_place(&place_in(base.path())), Some(path.clone()));
        assert_eq!(fs::read(&path).unwrap(), LIBRARY);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_others_can_write_to_is_not_used() {
        let base = tempfile::tempdir().unwrap();
        let path = in_place(&place_in(base.path())).unwrap();
        for directory in [path.parent().unwrap(), &base.path().join("memprof"), base.path()] {
            set_mode(directory, 0o770);
            assert_eq!(in_place(&place_in(base.path())), None);
            set_mode(directory, 0o700);
        }
        // Replaced by one that is ours alone.
        set_mode(&path, 0o722);
        assert_eq!(in_place(&place_in(base.path())), Some(path.clone()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o500);
        // As /tmp is.
        set_mode(base.path(), 0o1777);
        assert_eq!(in_place(&place_in(base.path())), Some(path));
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let base = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), base.path().join("memprof")).unwrap();
        assert_eq!(in_place(&place_in(base.path())), None);
    }

    #[test]
    fn paths_that_the_loader_would_take_apart() {
        for name in ["a b", "a:b", "$ORIGIN"] {
            let base = tempfile::tempdir().unwrap();
            assert_eq!(in_place(&place_in(&base.path().join(name))), None);
        }
    }

    #[test]
    fn memory_is_the_last_resort() {
        let file = in_memory().unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), LIBRARY);
        assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o777, 0o500);
    }
}
