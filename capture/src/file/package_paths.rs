//! What the path of a file alone says about the package that it belongs to. Paths are those of the recorded program.

/// Folders that installers fill, with a folder or file for each top-level name: what the `site` module puts on
/// `sys.path`.
const SITE_FOLDERS: [&str; 2] = ["site-packages", "dist-packages"];

/// A folder that installers fill, and where a file lies below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BelowSite<'a> {
    /// The folder, without a slash at its end.
    pub folder: &'a str,
    /// The file, as seen from there.
    pub relative: &'a str,
}

impl<'a> BelowSite<'a> {
    /// Where a file lies below a folder that is called as such folders are; of several, the innermost.
    #[must_use]
    pub fn of(path: &'a str) -> Option<Self> {
        let end = SITE_FOLDERS.iter().filter_map(|name| {
            let found = path.rmatch_indices(name).find(|(at, _)| {
                let (before, after) = (&path[..*at], &path[at + name.len()..]);
                (before.is_empty() || before.ends_with('/')) && after.len() > 1 && after.starts_with('/')
            });
            found.map(|(at, _)| at + name.len())
        });
        let end = end.max()?;
        Some(Self { folder: &path[..end], relative: &path[end + 1..] })
    }
}

/// The name by which a file below a folder of `sys.path` is imported: `numpy` of `numpy/core/x.py`, `six` of `six.py`.
/// The native libraries that `auditwheel` puts into `numpy.libs` are those of `numpy`.
#[must_use]
pub fn top_level_name(relative: &str) -> &str {
    match relative.split_once('/') {
        Some((folder, _)) => folder.strip_suffix(".libs").unwrap_or(folder),
        // A native module has its interpreter in its name as well: `_speed.cpython-312-x86_64-linux-gnu.so`.
        None => relative.split('.').next().unwrap_or(relative),
    }
}

/// Whether a path goes through the folder of a Python's standard library: `lib/python3.11/`. What is installed there is
/// below it, too.
#[must_use]
pub fn is_below_python_library(path: &str) -> bool {
    let mut folders = path.split('/');
    let Some(mut parent) = folders.next() else { return false };
    folders.any(|name| is_python_library(std::mem::replace(&mut parent, name), name))
}

/// Whether a folder of this name, in one of that name, is a Python's standard library.
#[must_use]
pub fn is_python_library(parent: &str, name: &str) -> bool {
    let version = name.strip_prefix("python").unwrap_or_default();
    matches!(parent, "lib" | "lib64")
        && version.contains('.')
        && version.chars().all(|c| c.is_ascii_digit() || c == '.' || c == 't')
}

/// Whether a file is one of Python's standard library, or is frozen into the interpreter.
#[must_use]
pub fn is_standard_library(path: &str) -> bool {
    path.starts_with("<frozen ") || (is_below_python_library(path) && BelowSite::of(path).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_site_folder_counts() {
        let below = |path| BelowSite::of(path).map(|it| (it.folder, it.relative));
        assert_eq!(
            below("/v/lib/python3.11/site-packages/a/b.py"),
            Some(("/v/lib/python3.11/site-packages", "a/b.py"))
        );
        assert_eq!(below("/usr/lib/python3/dist-packages/six.py"), Some(("/usr/lib/python3/dist-packages", "six.py")));
        assert_eq!(below("/a/dist-packages/x/site-packages/y.py"), Some(("/a/dist-packages/x/site-packages", "y.py")));
        assert_eq!(below("site-packages/six.py"), Some(("site-packages", "six.py")));
        for none in ["/a/site-packages", "/a/site-packages/", "/my-site-packages/a.py", "/site-packages-old/a.py", ""] {
            assert_eq!(below(none), None, "{none}");
        }
    }

    #[test]
    fn a_name_is_what_is_imported() {
        let names =
            ["numpy/core/x.py", "numpy.libs/libx.so", "six.py", "_s.cpython-312.so", "", ".x"].map(top_level_name);
        assert_eq!(names, ["numpy", "numpy", "six", "_s", "", ""]);
    }

    #[test]
    fn the_standard_library_is_what_comes_with_python() {
        for path in ["<frozen os>", "/usr/lib/python3.11/os.py", "/o/lib64/python3.13t/json/__init__.py"] {
            assert!(is_standard_library(path), "{path}");
        }
        for path in [
            "/usr/lib/python3/dist-packages/six.py",
            "/v/lib/python3.11/site-packages/six.py",
            "/home/me/python3.11/os.py",
            "<string>",
            "a.py",
        ] {
            assert!(!is_standard_library(path), "{path}");
        }
    }
}
