//! What a distribution says of its files: `RECORD`, and what there was before it.

use std::borrow::Cow;
use std::path::Path;

use memchr::{memchr, memchr3};

use super::reading::Reading;

/// The largest lists there are have some 3 MiB.
const LARGEST_LIST: u64 = 16 << 20;
/// Other files have a few hundred bytes.
pub(super) const LARGEST_TEXT: u64 = 64 << 10;

/// What is known of a distribution's files.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// `RECORD`: a table of comma-separated values whose first column has the paths.
    Record(Vec<u8>),
    /// A path a line. All begin with this, which is to be left out.
    Lines(Vec<u8>, &'static str),
    /// The names by which it is imported, one a line.
    TopLevels(Vec<u8>),
    /// Nothing is known but its name.
    NameOnly,
}

impl Listing {
    /// That in a folder `*.dist-info`.
    pub(super) fn of_dist_info(folder: &Path, reading: &mut Reading) -> Self {
        let record = reading.read(&folder.join("RECORD"), LARGEST_LIST).map(Self::Record);
        // Packages of systems (Debian's) come without.
        record.or_else(|| Self::top_levels(folder, reading)).unwrap_or(Self::NameOnly)
    }

    /// That in a folder `*.egg-info`.
    pub(super) fn of_egg_info(folder: &Path, reading: &mut Reading) -> Self {
        let installed = reading.read(&folder.join("installed-files.txt"), LARGEST_LIST);
        // It names files as they are seen from its own folder. (`SOURCES.txt` names those of the project, which need
        // not have been installed, nor in that place.)
        let installed = installed.map(|lines| Self::Lines(lines, "../"));
        installed.or_else(|| Self::top_levels(folder, reading)).unwrap_or(Self::NameOnly)
    }

    fn top_levels(folder: &Path, reading: &mut Reading) -> Option<Self> {
        reading.read(&folder.join("top_level.txt"), LARGEST_TEXT).map(Self::TopLevels)
    }

    /// Whether a path in it could begin with one of these names. There may be none all the same.
    pub(super) fn may_name(&self, names: &[memchr::memmem::Finder<'_>]) -> bool {
        match self {
            Self::Record(bytes) | Self::Lines(bytes, _) => names.iter().any(|name| name.find(bytes).is_some()),
            Self::TopLevels(_) | Self::NameOnly => true,
        }
    }

    /// Calls `visit` with each path, as seen from the folder that it is installed in. What is elsewhere (scripts) is
    /// left out.
    pub(super) fn paths(&self, mut visit: impl FnMut(&str)) {
        let mut visit = |path: &[u8]| {
            if let Ok(path) = std::str::from_utf8(path)
                && !path.starts_with(['/', '.'])
            {
                visit(path);
            }
        };
        match self {
            Self::Record(bytes) => first_fields(bytes, |path| visit(&path)),
            Self::Lines(bytes, prefix) => {
                lines(bytes).filter_map(|line| line.strip_prefix(prefix.as_bytes())).for_each(visit);
            }
            Self::TopLevels(_) | Self::NameOnly => {}
        }
    }

    /// The names by which it is imported, where these are all that is known.
    pub(super) fn top_level_names(&self) -> impl Iterator<Item = &str> {
        let bytes: &[u8] = if let Self::TopLevels(bytes) = self { bytes } else { &[] };
        lines(bytes).filter_map(|line| std::str::from_utf8(line).ok()).filter(|name| !name.is_empty())
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii)
}

/// The first field, unless it is empty, of each record of comma-separated values, as Python's `csv` writes them: a
/// field may be in quotes, and then have commas, ends of lines, and quotes, each of which is written twice.
pub(super) fn first_fields<'a>(mut text: &'a [u8], mut visit: impl FnMut(Cow<'a, [u8]>)) {
    while !text.is_empty() {
        let (first, mut end) = field(&mut text);
        if !first.is_empty() {
            visit(first);
        }
        while end == End::OfField {
            end = field(&mut text).1;
        }
    }
}

/// What comes after a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    OfField,
    OfRecord,
}

/// Takes a field off the front, and what ends it.
fn field<'a>(text: &mut &'a [u8]) -> (Cow<'a, [u8]>, End) {
    let mut value = Cow::Borrowed(&[][..]);
    if let Some(mut rest) = text.strip_prefix(b"\"") {
        let quoted = value.to_mut();
        loop {
            let end = memchr(b'"', rest).unwrap_or(rest.len());
            quoted.extend_from_slice(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
            match rest.strip_prefix(b"\"") {
                Some(after) => {
                    quoted.push(b'"');
                    rest = after;
                }
                None => break,
            }
        }
        *text = rest;
    }
    let end = memchr3(b',', b'\n', b'\r', text).unwrap_or(text.len());
    let (plain, after) = text.split_at(end);
    if value.is_empty() && !matches!(value, Cow::Owned(_)) {
        value = Cow::Borrowed(plain);
    } else {
        value.to_mut().extend_from_slice(plain);
    }
    let (end, after) = match after {
        [b',', after @ ..] => (End::OfField, after),
        [b'\r', b'\n', after @ ..] | [_, after @ ..] => (End::OfRecord, after),
        [] => (End::OfRecord, after),
    };
    *text = after;
    (value, end)
}
