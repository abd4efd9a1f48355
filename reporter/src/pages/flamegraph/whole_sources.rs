//! The whole text of the Python files that allocated, for the page's lines.

use memprof_replay::metric::Metric;
use rustc_hash::FxHashMap;

use crate::naming::places::{PlaceKind, Places};
use crate::naming::strings::{StringId, Strings};
use crate::pages::page::Columns;
use crate::reading::source_lines::{NotShown, SourceLines};
use crate::sums::flame_tree::FlameTree;

/// How much text a page takes along. Compressed it is about a third of that in the page.
const MOST_TEXT: usize = 2 << 20;
const TOO_MUCH: &str = "the page has as much source as it takes, 2 MiB";

/// A file and what the page has of it: its text, or the reason why not.
struct Source {
    file: StringId,
    text: String,
    absent: &'static str,
}

/// Writes the files of a tree, as much of them as fits. Names are numbers of `strings`.
pub(super) fn write(
    tree: &FlameTree,
    places: &Places,
    lines: &mut SourceLines,
    strings: &mut Strings,
    columns: &mut Columns,
) {
    let mut room = MOST_TEXT;
    let sources: Vec<Source> = files(tree, places)
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

/// The Python files of the tree: the program's own first, then libraries'; of each kind, those first that had the
/// largest share of any metric.
fn files<'a>(tree: &FlameTree, places: &'a Places) -> Vec<&'a str> {
    // By node: the file of the innermost Python frame that has one. What imports and other code without a file allocate
    // counts for their callers, as when the page folds them.
    let mut of_node: Vec<Option<&str>> = Vec::with_capacity(tree.nodes().len());
    let mut shares: FxHashMap<&str, f64> = FxHashMap::default();
    for node in tree.nodes() {
        let file = places.file(node.place);
        let has_file = places.get(node.place).kind == PlaceKind::Python && !file.starts_with('<');
        let of_caller = of_node.get(node.parent.index()).copied().flatten();
        of_node.push(if has_file { Some(file) } else { of_caller });
        if has_file {
            shares.entry(file).or_default();
        }
    }
    for metric in Metric::ALL {
        let mut bytes: FxHashMap<&str, u64> = FxHashMap::default();
        let mut total: u64 = 0;
        for cell in tree.cells() {
            let amount = cell.sums[metric].bytes;
            total = total.saturating_add(amount);
            if let Some(file) = of_node[cell.node.index()] {
                let sum = bytes.entry(file).or_default();
                *sum = sum.saturating_add(amount);
            }
        }
        for (file, bytes) in bytes {
            let share = shares.entry(file).or_default();
            *share = share.max(bytes as f64 / total.max(1) as f64);
        }
    }
    let mut files: Vec<_> = shares.into_iter().collect();
    files.sort_unstable_by(|(a, a_share), (b, b_share)| {
        is_library(a).cmp(&is_library(b)).then(b_share.total_cmp(a_share)).then(a.cmp(b))
    });
    files.into_iter().map(|(file, _)| file).collect()
}

/// Whether a file was installed with Python or as a package; the page distinguishes them likewise
/// (templates/page/graph/colour.js).
fn is_library(file: &str) -> bool {
    ["/site-packages/", "/dist-packages/", "/lib/python"].iter().any(|folder| file.contains(folder))
}
