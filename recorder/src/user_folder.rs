//! Folders of the user's own for what can be made again, into which nobody else can put anything. What lies there ends
//! up in the user's reports, or is loaded into the user's programs.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where programs keep such things: `$XDG_CACHE_HOME`, else `~/.cache`.
#[must_use]
pub fn user_cache() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
}

/// Who runs memprof.
#[must_use]
pub fn user() -> u32 {
    // SAFETY: asks for this process's user and cannot fail.
    unsafe { libc::geteuid() }
}

/// Such a folder, which may be missing.
#[derive(Clone, Debug)]
pub struct UserFolder {
    /// The base, memprof's folder in it, and the folder in that.
    folders: [PathBuf; 3],
}

impl UserFolder {
    /// The folder `name` in memprof's folder, which is called `ours` in `base`.
    #[must_use]
    pub fn new(base: &Path, ours: &str, name: &str) -> Self {
        let ours = base.join(ours);
        Self { folders: [base.to_owned(), ours.clone(), ours.join(name)] }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folders[2]
    }

    /// Makes it if it is missing. False if it cannot be used.
    #[must_use]
    pub fn make(&self) -> bool {
        // Not what is above them: a missing home directory is none of memprof's business.
        for missing in self.folders.iter().filter(|folder| !folder.exists()) {
            let made = DirBuilder::new().mode(0o700).create(missing);
            if made.is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
                return false;
            }
        }
        self.is_closed_to_others()
    }

    /// Whether nobody else can put something into it, or something else in its place.
    fn is_closed_to_others(&self) -> bool {
        const STICKY: u32 = 0o1000;
        let [base, ours, folder] = &self.folders;
        // The base is the user's or root's, and either only they write to it, or it is sticky, as /tmp is.
        let is_base_closed = fs::metadata(base).is_ok_and(|it| {
            let is_owned = it.uid() == user() || it.uid() == 0;
            it.is_dir() && is_owned && (it.mode() & 0o022 == 0 || it.mode() & STICKY != 0)
        });
        let is_ours_alone = |folder: &PathBuf| {
            fs::symlink_metadata(folder).is_ok_and(|it| it.is_dir() && it.uid() == user() && it.mode() & 0o022 == 0)
        };
        is_base_closed && is_ours_alone(ours) && is_ours_alone(folder)
    }

    /// Opens a file in it to be read, if it is the user's, and nobody else can write to it or put it there. Returns its
    /// size in bytes, too.
    #[must_use]
    pub fn open(&self, name: &str) -> Option<(File, u64)> {
        if !self.is_closed_to_others() {
            return None;
        }
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(self.path().join(name)).ok()?;
        let metadata = file.metadata().ok()?;
        let is_ours_alone = metadata.is_file() && metadata.uid() == user() && metadata.mode() & 0o022 == 0;
        is_ours_alone.then_some((file, metadata.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn made() -> (tempfile::TempDir, UserFolder) {
        let base = tempfile::tempdir().unwrap();
        let folder = UserFolder::new(base.path(), "ours", "folder");
        assert!(folder.open("file").is_none());
        assert!(folder.make());
        fs::write(folder.path().join("file"), "12345").unwrap();
        (base, folder)
    }

    #[test]
    fn it_is_made_for_the_user_alone() {
        let (base, folder) = made();
        assert_eq!(folder.path(), base.path().join("ours/folder"));
        for path in [folder.path(), &base.path().join("ours")] {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o700);
        }
        assert!(folder.make(), "it is there already");
        assert_eq!(folder.open("file").unwrap().1, 5);
        assert!(folder.open("another").is_none());
        let above_missing = UserFolder::new(&base.path().join("missing/base"), "ours", "folder");
        assert!(!above_missing.make() && !base.path().join("missing").exists());
    }

    #[test]
    fn what_others_can_write_to_is_not_used() {
        let (base, folder) = made();
        for path in [folder.path(), &base.path().join("ours"), base.path()] {
            for mode in [0o720, 0o702] {
                set_mode(path, mode);
                assert!(!folder.make() && folder.open("file").is_none(), "{}", path.display());
            }
            set_mode(path, 0o700);
            assert!(folder.make() && folder.open("file").is_some());
        }
        // As /tmp is; memprof's own folders have no reason to be.
        set_mode(base.path(), 0o1777);
        assert!(folder.make() && folder.open("file").is_some());
        set_mode(folder.path(), 0o1777);
        assert!(!folder.make());
        set_mode(folder.path(), 0o700);
        set_mode(&folder.path().join("file"), 0o620);
        assert!(folder.open("file").is_none());
    }

    #[test]
    fn links_are_followed_above_it_only() {
        let (base, folder) = made();
        symlink("file", folder.path().join("link")).unwrap();
        assert!(folder.open("link").is_none());
        let other = tempfile::tempdir().unwrap();
        symlink(base.path(), other.path().join("base")).unwrap();
        let linked = UserFolder::new(&other.path().join("base"), "ours", "folder");
        assert!(linked.make() && linked.open("file").is_some());
        symlink(base.path().join("ours"), other.path().join("ours")).unwrap();
        let linked = UserFolder::new(other.path(), "ours", "folder");
        assert!(!linked.make() && linked.open("file").is_none());
    }
}
