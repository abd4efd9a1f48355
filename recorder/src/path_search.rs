//! Finds a command as a shell does.

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What the C library takes when PATH is not set.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What a command's name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A file that may be executed.
    Program(PathBuf),
    /// Only a file that may not.
    NotExecutable(PathBuf),
    /// Nothing.
    Nothing,
}

/// Looks a command up: as a path if its name has a slash, in the directories of PATH otherwise.
#[must_use]
pub fn find(name: &OsStr) -> Found {
    find_in(name, &env::var_os("PATH").unwrap_or_else(|| OsString::from(DEFAULT_PATH)))
}

fn find_in(name: &OsStr, path: &OsStr) -> Found {
    if name.is_empty() {
        return Found::Nothing;
    }
    if name.as_bytes().contains(&b'/') {
        let file = PathBuf::from(name);
        return match kind(&file) {
            Kind::Executable => Found::Program(file),
            Kind::Other => Found::NotExecutable(file),
            Kind::Missing => Found::Nothing,
        };
    }
    let mut second_best = Found::Nothing;
    for directory in env::split_paths(path) {
        // An empty entry is the current directory.
        let file = if directory.as_os_str().is_empty() { Path::new(".").join(name) } else { directory.join(name) };
        match kind(&file) {
            Kind::Executable => return Found::Program(file),
            Kind::Other if file.is_file() && second_best == Found::Nothing => {
                second_best = Found::NotExecutable(file);
            }
            Kind::Other | Kind::Missing => {}
        }
    }
    second_best
}

enum Kind {
    Executable,
    Other,
    Missing,
}

fn kind(file: &Path) -> Kind {
    match fs::metadata(file) {
        Ok(metadata) if metadata.is_file() && may_execute(file) => Kind::Executable,
        Ok(_) => Kind::Other,
        Err(_) => Kind::Missing,
    }
}

/// Whether this process may execute the file: the kernel's answer, which knows access lists and `noexec` mounts.
#[must_use]
pub fn may_execute(file: &Path) -> bool {
    let Ok(path) = CString::new(file.as_os_str().as_bytes()) else { return false };
    // SAFETY: the path is NUL-terminated and alive.
    unsafe { libc::access(path.as_ptr(), libc::X_OK) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_first_executable_file_wins() {
        let directory = tempfile::tempdir().unwrap();
        let place = |sub: &str, mode| {
            fs::create_dir_all(directory.path().join(sub)).unwrap();
            let file = directory.path().join(sub).join("tool");
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            file
        };
        let (plain, first, _second) = (place("a", 0o644), place("b", 0o755), place("c", 0o755));
        fs::create_dir_all(directory.path().join("d/tool")).unwrap();
        let path = |subs: &[&str]| env::join_paths(subs.iter().map(|sub| directory.path().join(sub))).unwrap();
        let tool = OsStr::new("tool");
        assert_eq!(find_in(tool, &path(&["d", "a", "b", "c"])), Found::Program(first.clone()));
        assert_eq!(find_in(tool, &path(&["d", "a"])), Found::NotExecutable(plain));
        assert_eq!(find_in(tool, &path(&["d", "missing"])), Found::Nothing);
        assert_eq!(find_in(first.as_os_str(), OsStr::new("")), Found::Program(first));
        assert_eq!(find_in(OsStr::new(""), &path(&["b"])), Found::Nothing);
    }
}
