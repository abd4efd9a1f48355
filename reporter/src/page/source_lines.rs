//! The source of lines that a page shows.
//!
//! A page may be passed on, so only what everybody on this machine may read is embedded, and only from `*.py` files.
//! A file that was changed after the recording began may have other lines, so it is left out.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustc_hash::FxHashMap;

/// Larger files are no sources that a person wrote.
const LARGEST_FILE: u64 = 8 << 20;
/// Longer lines are cut.
const LONGEST_LINE: usize = 200;
const READABLE_BY_ALL: u32 = 0o004;

/// Source files, read when a line of them is first asked for.
pub(crate) struct SourceLines {
    recorded_at_ns: u64,
    files: FxHashMap<String, Option<FileLines>>,
}

/// A file's text, and where its lines begin.
struct FileLines {
    text: String,
    starts: Vec<usize>,
}

impl SourceLines {
    /// For a recording that began at this time (nanoseconds since 1970).
    pub(crate) fn new(recorded_at_ns: u64) -> Self {
        Self { recorded_at_ns, files: FxHashMap::default() }
    }

    /// The text of a line without its indentation, if it may be shown.
    pub(crate) fn get(&mut self, file: &str, line: u32) -> Option<&str> {
        self.file(file)?.line(line)
    }

    /// The text of a line with its indentation, if it may be shown. That of an empty line is empty.
    pub(crate) fn indented(&mut self, file: &str, line: u32) -> Option<&str> {
        self.file(file)?.indented(line)
    }

    fn file(&mut self, file: &str) -> Option<&FileLines> {
        if !self.files.contains_key(file) {
            let lines = read(file, self.recorded_at_ns).map(FileLines::new);
            self.files.insert(file.to_owned(), lines);
        }
        self.files.get(file)?.as_ref()
    }
}

impl FileLines {
    fn new(text: String) -> Self {
        let starts = [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn line(&self, line: u32) -> Option<&str> {
        let text = beginning(self.whole(line)?.trim());
        (!text.is_empty()).then_some(text)
    }

    fn indented(&self, line: u32) -> Option<&str> {
        self.whole(line).map(|text| beginning(text.trim_end()))
    }

    fn whole(&self, line: u32) -> Option<&str> {
        let &start = self.starts.get((line as usize).checked_sub(1)?)?;
        self.text[start..].lines().next()
    }
}

/// As much of a line as is shown.
fn beginning(line: &str) -> &str {
    let end = line.char_indices().nth(LONGEST_LINE).map_or(line.len(), |(at, _)| at);
    &line[..end]
}

fn read(name: &str, recorded_at_ns: u64) -> Option<String> {
    let path = Path::new(name);
    // Looking before opening: the name comes from the capture, and opening a pipe would wait for its other end.
    if path.extension()? != "py" || !path.metadata().ok()?.is_file() {
        return None;
    }
    let file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let changed_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    let may_be_shown = metadata.is_file()
        && metadata.permissions().mode() & READABLE_BY_ALL != 0
        && metadata.len() <= LARGEST_FILE
        && changed_ns <= i128::from(recorded_at_ns);
    let mut text = String::new();
    (may_be_shown && file.take(LARGEST_FILE).read_to_string(&mut text).is_ok()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    #[test]
    fn only_old_python_files_that_all_may_read_are_shown() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = |name: &str| folder.path().join(name).to_str().expect("the name is UTF-8").to_owned();
        for (name, mode) in [("open.py", 0o644), ("closed.py", 0o640), ("open.txt", 0o644)] {
            fs::write(path(name), "x = 1\n\n  y = 2\r\n").expect("a file can be written");
            fs::set_permissions(path(name), Permissions::from_mode(mode)).expect("a mode can be set");
        }
        let mut lines = SourceLines::new(u64::MAX);
        assert_eq!(lines.get(&path("open.py"), 1), Some("x = 1"));
        assert_eq!(lines.get(&path("open.py"), 2), None, "an empty line says nothing");
        assert_eq!(lines.get(&path("open.py"), 3), Some("y = 2"));
        assert_eq!(lines.indented(&path("open.py"), 2), Some(""));
        assert_eq!(lines.indented(&path("open.py"), 3), Some("  y = 2"));
        for line in [0, 4, 5] {
            assert_eq!(lines.indented(&path("open.py"), line), None);
            assert_eq!(lines.get(&path("open.py"), line), None);
        }
        for name in ["closed.py", "open.txt", "missing.py"] {
            assert_eq!(lines.get(&path(name), 1), None);
        }
        assert_eq!(SourceLines::new(0).get(&path("open.py"), 1), None, "changed after the recording");
    }
}
