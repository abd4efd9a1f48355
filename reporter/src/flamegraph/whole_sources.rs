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
const MOST_TEXT: usize = 2 << 20;
const TOO_MUCH: &str = "the page has as much source as it takes, 2 MiB";

/// A file and what the page has of it: its text, or the reason why not.
struct Source {
    file: StringId,
    text: String,
    absent: &'static str,
}

/// Writes the files of these frames, as much of them as fits. Names are numbers of
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

/// The Python files of the tree: the program's own first, then libraries'; of each kind, those first that had the largest
/// share of any metric.
fn files<'a>(report: &'a Report, row_places: &RowPlaces, used: &UsedFrames) -> Vec<&'a str> {
    let places = &report.places;
    let in_python = |place: PlaceId| places.get(place).kind == PlaceKind::Python;
    let mut shares: FxHashMap<&str, f64> =
        used.places().iter().filter(|&&place| in_python(place)).map(|&place| (places.file(place), 0.0)).collect();
    for metric in Metric::ALL {
        let total = report.total(metric).bytes.max(1) as f64;
        let mut bytes: FxHashMap<&str, u64> = FxHashMap::default();
        for row in report.rows(row_places, metric).into_iter().filter(|row| in_python(row.place)) {
            *bytes.entry(places.file(row.place)).or_default() += row.amount.bytes;
        }
        for (file, bytes) in bytes {
            let share = shares.entry(file).or_default();
            *share = share.max(bytes as f64 / total);
        }
    }
    let mut files: Vec<_> = shares.into_iter().collect();
    files.sort_unstable_by(|(a, a_share), (b, b_share)| {
        is_library(a).cmp(&is_library(b)).then(b_share.total_cmp(a_share)).then(a.cmp(b))
    });
    files.into_iter().map(|(file, _)| file).collect()
}

/// Whether a file was installed with Python or as a package; the page tells them apart likewise (templates/colour.js).
fn is_library(file: &str) -> bool {
    ["/site-packages/", "/dist-packages/", "/lib/python"].iter().any(|folder| file.contains(folder))
}
