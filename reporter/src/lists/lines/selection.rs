//! Which lines are meant by `FILE` or `FILE:FUNCTION`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use memprof_capture::file::Code;

use super::file_name;
use crate::naming::line_table::LineIndex;
use crate::naming::places::{PlaceId, Places};
use crate::reading::report::Report;

/// The lines that a report is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineSelection {
    /// All files where there is none.
    file: Option<String>,
    /// Lines from the first to the last one of each stretch; all of the file where there is none.
    stretches: Option<Vec<(u32, u32)>>,
}

/// Why nothing is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSuchSource {
    /// No recorded function is in such a file.
    File(String),
    /// Several files have this name.
    Ambiguous(String, Vec<String>),
    /// The file has no such function, or none that allocated.
    Function {
        /// The file.
        file: String,
        /// What was asked for.
        function: String,
        /// Those that it has.
        known: Vec<String>,
    },
}

/// At most this many names are in a message.
const MOST_NAMES: usize = 12;

fn list(names: &[String]) -> String {
    let more = if names.len() > MOST_NAMES { format!(" and {} more", names.len() - MOST_NAMES) } else { String::new() };
    format!("{}{more}", names[..names.len().min(MOST_NAMES)].join(", "))
}

impl fmt::Display for NoSuchSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => {
                write!(f, "nothing was allocated in a file {name}: call `lines` without a file for a list of all")
            }
            Self::Ambiguous(name, files) => {
                write!(f, "{name} may be any of {}: give more of the path", list(files))
            }
            Self::Function { file, function, known } => {
                write!(f, "no function {function} of {file} allocated anything; those that did are {}", list(known))
            }
        }
    }
}

impl std::error::Error for NoSuchSource {}

impl LineSelection {
    /// Finds what `text` means: the path of a file, the end of one, or a name, and after a colon a function of it, with
    /// or without the class that it is in.
    ///
    /// # Errors
    /// When there is no such file or function, or when several files are meant.
    pub fn find(report: &Report, text: &str) -> Result<Self, NoSuchSource> {
        let files: BTreeSet<&str> = report.places().ids().map(|id| file_name(report.places(), id)).collect();
        let divisions = text.rmatch_indices(':').map(|(at, _)| (&text[..at], Some(&text[at + 1..])));
        // A colon may be part of the file's name, or of the function's: the longest name of a file counts.
        for (name, function) in [(text, None)].into_iter().chain(divisions) {
            let matches = matching(&files, name);
            let file = match matches.as_slice() {
                [] => continue,
                [file] => (*file).to_owned(),
                several => {
                    let several = several.iter().map(|&file| file.to_owned()).collect();
                    return Err(NoSuchSource::Ambiguous(name.to_owned(), several));
                }
            };
            let stretches = function.filter(|function| !function.is_empty());
            let stretches = stretches.map(|function| stretches_of(report, &file, function)).transpose()?;
            return Ok(Self { file: Some(file), stretches });
        }
        Err(NoSuchSource::File(text.to_owned()))
    }

    /// The file, if it is one.
    pub(super) fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The lines of the function, if it is one: all of them are shown, not only those that allocated.
    pub(super) fn stretches(&self) -> &[(u32, u32)] {
        self.stretches.as_deref().unwrap_or_default()
    }

    /// Whether a place is selected.
    pub(super) fn has(&self, places: &Places, place: PlaceId) -> bool {
        let line = places.line(place);
        self.file.as_ref().is_none_or(|file| file == file_name(places, place))
            && self
                .stretches
                .as_ref()
                .is_none_or(|all| all.iter().any(|(first, last)| (*first..=*last).contains(&line)))
    }
}

/// The files that a name may mean: the one with this path, or else all whose path ends with it.
fn matching<'a>(files: &BTreeSet<&'a str>, name: &str) -> Vec<&'a str> {
    let name = name.trim_start_matches("./");
    let absolute = Path::new(name).canonicalize().ok();
    let absolute = absolute.as_deref().and_then(Path::to_str);
    for exact in [Some(name), absolute].into_iter().flatten() {
        if let Some(file) = files.get(exact) {
            return vec![file];
        }
    }
    let ends_with = |file: &&&str| !name.is_empty() && file.strip_suffix(name).is_some_and(|rest| rest.ends_with('/'));
    files.iter().filter(ends_with).copied().collect()
}

/// Whether a name is that of a Python function: `method`, `Class.method`, or with all that it is in.
fn is_named(code: &Code, name: &str) -> bool {
    let ends = code.qualified_name.strip_suffix(name);
    code.name == name || ends.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// From the first to the last line of each function of this name.
fn stretches_of(report: &Report, file: &str, function: &str) -> Result<Vec<(u32, u32)>, NoSuchSource> {
    let mut index = LineIndex::default();
    let codes = report.tables().codes.iter().flatten().filter(|code| code.file == file);
    let mut stretches: Vec<(u32, u32)> = codes
        .filter(|code| is_named(code, function))
        .map(|code| {
            index.load(code.format, &code.line_table, code.first_line);
            (code.first_line, index.last_line().unwrap_or_default().max(code.first_line))
        })
        .collect();
    let places = report.places();
    let in_file = || places.ids().filter(|&id| file_name(places, id) == file);
    let native = in_file().filter(|&id| places.get(id).kind.is_native() && places.function(id) == function);
    let lines: Vec<u32> = native.map(|id| places.line(id)).collect();
    stretches.extend(lines.iter().min().copied().zip(lines.iter().max().copied()));
    if stretches.is_empty() {
        let known: BTreeSet<&str> = in_file().map(|id| places.function(id)).collect();
        let known = known.into_iter().map(str::to_owned).collect();
        return Err(NoSuchSource::Function { file: file.to_owned(), function: function.to_owned(), known });
    }
    stretches.sort_unstable();
    stretches.dedup();
    Ok(stretches)
}
