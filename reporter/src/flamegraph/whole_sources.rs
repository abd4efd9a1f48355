//! The whole text of the Python files that allocated, for the page's lines.

use memprof_replay::metric::Metric;
use rustc_hash::FxHashMap;

use super::tree_columns::UsedFrames;
use crate::page::{Columns, NotShown, SourceLines};
use crate::places::{PlaceId, PlaceKind};
use crate::report::Report;
use crate::row_places::RowPlaces;
use crate::strings::{StringId, Strings};

/// How much text a page takes along. Compressed it is about a third of that in the page.
const MOST_TEXT: usize = 4 << 20;
const TOO_MUCH: &str = "the page has as much source as it takes, 4 MiB";

/// A file and what the page has of it: its text, or the reason why not.
struct Source {
    file: StringId,
    text: String,
    absent: &'static str,
}

/// Writes the files of these frames, as much of them as fits: those that allocated most come first. Names are numbers of
/// `strings`.
pub(super) fn write(
    report: &Report,
    (row_places, used): (&RowPlaces, &UsedFrames),
    lines: &mut SourceLines,
    strings: &mut Strings,
    columns: &mut Columns,
) {
    let mut room = MOST_TEXT;
    let sources: Vec<Source> = files(report, row_places, used)
        .into_iter()
        .map(|file| {
            let text = lines.whole(file).map_err(NotShown::reason);
            let text = text.and_then(|text| if text.len() <= room { Ok(text.to_owned()) } else { Err(TOO_MUCH) });
            room -= text.as_ref().map_or(0, String::len);
            let absent = text.as_ref().err().copied().unwrap_or_default();
            Source { file: strings.intern(file), text: text.unwrap_or_default(), absent }
        })
        .collect();
    columns.unsigned("sources.file", sources.iter().map(|source| source.file.0));
    columns.text("sources.text", sources.iter().map(|source| source.text.as_str()));
    columns.text("sources.absent", sources.iter().map(|source| source.absent));
}

/// The Python files of the tree, those first that allocated most by themselves.
fn files<'a>(report: &'a Report, row_places: &RowPlaces, used: &UsedFrames) -> Vec<&'a str> {
    let places = &report.places;
    let in_python = |place: &PlaceId| places.get(*place).kind == PlaceKind::Python;
    let mut bytes: FxHashMap<&str, u64> =
        used.places().iter().filter(|place| in_python(place)).map(|&place| (places.file(place), 0)).collect();
    for row in report.rows(row_places, Metric::Total) {
        if let Some(sum) = bytes.get_mut(places.file(row.place)).filter(|_| in_python(&row.place)) {
            *sum += row.amount.bytes;
        }
    }
    let mut files: Vec<_> = bytes.into_iter().collect();
    files.sort_unstable_by_key(|&(file, bytes)| (std::cmp::Reverse(bytes), file));
    files.into_iter().map(|(file, _)| file).collect()
}
