//! The source that reports show: single lines, or whole files.
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
pub struct SourceLines {
    recorded_at_ns: u64,
    files: FxHashMap<String, Result<FileLines, NotShown>>,
}

/// Why a report shows nothing of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotShown {
    /// It has another name than `*.py`.
    NoPython,
    /// There is no such file, or it cannot be read.
    Missing,
    /// Not everybody on this machine may read it.
    Private,
    /// It was changed after the recording began.
    Changed,
    /// It is too large to be a source.
    TooLarge,
}

impl NotShown {
    /// The reason in words, to follow the name of the file.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoPython => "it is no *.py file",
            Self::Missing => "the file is not there any more, or cannot be read as text",
            Self::Private => "not everybody on the reporting machine may read the file",
            Self::Changed => "the file was changed after the recording began",
            Self::TooLarge => "the file is larger than 8 MiB",
        }
    }
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
        self.file(file).ok()?.line(line)
    }

    /// The text of a line with its indentation, if it may be shown. That of an empty line is empty.
    pub(crate) fn indented(&mut self, file: &str, line: u32) -> Option<&str> {
        self.file(file).ok()?.indented(line)
    }

    /// At most `count` lines around a line, each with its number and its indentation. None if the file has no such line.
    ///
    /// # Errors
    /// Why the file is not shown.
    pub fn around(&mut self, file: &str, line: u32, count: u32) -> Result<Vec<(u32, &str)>, NotShown> {
        let lines = self.file(file)?;
        if lines.whole(line).is_none() {
            return Ok(Vec::new());
        }
        let last = u32::try_from(lines.starts.len()).unwrap_or(u32::MAX);
        let first = line.saturating_sub(count / 2).min((last + 1).saturating_sub(count)).max(1);
        Ok((first..=last).take(count as usize).filter_map(|number| Some((number, lines.indented(number)?))).collect())
    }

    /// The whole text of a file, if it may be shown.
    pub(crate) fn whole(&mut self, file: &str) -> Result<&str, NotShown> {
        self.file(file).map(|lines| lines.text.as_str())
    }

    fn file(&mut self, file: &str) -> Result<&FileLines, NotShown> {
        if !self.files.contains_key(file) {
            let lines = read(file, self.recorded_at_ns).map(FileLines::new);
            self.files.insert(file.to_owned(), lines);
        }
        self.files[file].as_ref().map_err(|not_shown| *not_shown)
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

fn read(name: &str, recorded_at_ns: u64) -> Result<String, NotShown> {
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "py") {
        return Err(NotShown::NoPython);
    }
    // Checked before opening: the name comes from the capture, and opening a pipe would wait for its other end.
    if !path.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(NotShown::Missing);
    }
    let file = File::open(path).map_err(|_| NotShown::Missing)?;
    let metadata = file.metadata().map_err(|_| NotShown::Missing)?;
    let changed_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    if !metadata.is_file() {
        return Err(NotShown::Missing);
    }
    if metadata.permissions().mode() & READABLE_BY_ALL == 0 {
        return Err(NotShown::Private);
    }
    if changed_ns > i128::from(recorded_at_ns) {
        return Err(NotShown::Changed);
    }
    if metadata.len() > LARGEST_FILE {
        return Err(NotShown::TooLarge);
    }
    let mut text = String::new();
    file.take(LARGEST_FILE).read_to_string(&mut text).map_err(|_| NotShown::Missing)?;
    Ok(text)
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
        assert_eq!(lines.whole(&path("open.py")), Ok("x = 1\n\n  y = 2\r\n"));
        for (name, reason) in
            [("closed.py", NotShown::Private), ("open.txt", NotShown::NoPython), ("missing.py", NotShown::Missing)]
        {
            assert_eq!(lines.whole(&path(name)), Err(reason), "{name}");
        }
        assert_eq!(SourceLines::new(0).whole(&path("open.py")), Err(NotShown::Changed));
    }

    #[test]
    fn the_lines_around_a_line_keep_their_indentation() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("module.py");
        fs::write(&path, "1\n2\n3\n\n  5\n6\n7").expect("a file can be written");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("a mode can be set");
        let (mut lines, path) = (SourceLines::new(u64::MAX), path.to_str().expect("the name is UTF-8"));
        assert_eq!(lines.around(path, 5, 3), Ok(vec![(4, ""), (5, "  5"), (6, "6")]));
        assert_eq!(lines.around(path, 1, 3), Ok(vec![(1, "1"), (2, "2"), (3, "3")]));
        assert_eq!(lines.around(path, 7, 3), Ok(vec![(5, "  5"), (6, "6"), (7, "7")]));
        assert_eq!(lines.around(path, 2, 100).map(|lines| lines.len()), Ok(7));
        assert_eq!(lines.around(path, 8, 3), Ok(Vec::new()));
        assert_eq!(lines.around(path, 0, 3), Ok(Vec::new()));
    }
}
