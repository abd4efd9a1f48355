//! Which paths of two captures mean the same file, although they begin differently: another checkout, another virtual
//! environment, another version in the path of the standard library.

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

/// Two folders of which one has become the other, as what files lie below them shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MovedFolder {
    /// The folder in the capture before; empty for relative paths.
    pub before: String,
    /// The folder in the capture after.
    pub after: String,
    /// The files below them that are the same.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub files: usize,
}

/// Fewer files than this say nothing of their folders if they have no more in common than their names.
const DISTINCTIVE: usize = 2;

/// What paths that differ have in common, and how.
#[derive(Default)]
pub(super) struct MatchedPaths {
    /// Numbers of paths before and after.
    pub(super) pairs: Vec<(usize, usize)>,
    pub(super) folders: Vec<MovedFolder>,
}

/// Matches paths of which none is in both lists. Files that have no function in common, as `are_similar` says of their
/// numbers, are never the same.
pub(super) fn match_paths(before: &[&str], after: &[&str], are_similar: impl Fn(usize, usize) -> bool) -> MatchedPaths {
    let mut votes: FxHashMap<(&str, &str), (usize, usize)> = FxHashMap::default();
    for (a, b) in nearest(before, after) {
        if are_similar(a, b) {
            let common = common_end(before[a], after[b]);
            let folders = (without_end(before[a], common), without_end(after[b], common));
            let (files, depth) = votes.entry(folders).or_default();
            *files += 1;
            *depth = (*depth).max(common);
        }
    }
    let mut folders: Vec<_> = votes.into_iter().collect();
    folders.retain(|(_, (files, depth))| *files >= DISTINCTIVE || *depth > 1);
    // An order that is the same when before and after change places.
    folders.sort_by_key(|&((a, b), (files, depth))| (std::cmp::Reverse((files, depth)), a.min(b), a.max(b)));
    let by_path: FxHashMap<&str, usize> = after.iter().enumerate().map(|(number, &path)| (path, number)).collect();
    let (mut taken_before, mut taken_after) = (FxHashSet::default(), FxHashSet::default());
    let mut matched = MatchedPaths::default();
    for ((folder_before, folder_after), _) in folders {
        let mut files = 0;
        for (a, &path) in before.iter().enumerate() {
            let Some(rest) = below(path, folder_before) else { continue };
            let Some(&b) = by_path.get(join(folder_after, rest).as_str()) else { continue };
            if !taken_before.contains(&a) && !taken_after.contains(&b) && are_similar(a, b) {
                taken_before.insert(a);
                taken_after.insert(b);
                matched.pairs.push((a, b));
                files += 1;
            }
        }
        if files > 0 {
            let (before, after) = (folder_before.to_owned(), folder_after.to_owned());
            matched.folders.push(MovedFolder { before, after, files });
        }
    }
    matched.folders.sort();
    matched
}

/// For each path those of the other list with the same file name that have the longest end in common with it.
fn nearest(before: &[&str], after: &[&str]) -> FxHashSet<(usize, usize)> {
    let mut by_name: FxHashMap<&str, (Vec<usize>, Vec<usize>)> = FxHashMap::default();
    for (number, path) in before.iter().enumerate() {
        by_name.entry(file_name(path)).or_default().0.push(number);
    }
    for (number, path) in after.iter().enumerate() {
        by_name.entry(file_name(path)).or_default().1.push(number);
    }
    let mut pairs = FxHashSet::default();
    for (ours, theirs) in by_name.values() {
        for &a in ours {
            let longest = theirs.iter().map(|&b| common_end(before[a], after[b])).max();
            pairs.extend(theirs.iter().filter(|&&b| Some(common_end(before[a], after[b])) == longest).map(|&b| (a, b)));
        }
        for &b in theirs {
            let longest = ours.iter().map(|&a| common_end(before[a], after[b])).max();
            pairs.extend(ours.iter().filter(|&&a| Some(common_end(before[a], after[b])) == longest).map(|&a| (a, b)));
        }
    }
    pairs
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// How many of the last parts of two paths are equal.
fn common_end(a: &str, b: &str) -> usize {
    a.rsplit('/').zip(b.rsplit('/')).take_while(|(a, b)| a == b && !a.is_empty()).count()
}

/// A path without this many of its last parts, and without the slash before them.
fn without_end(path: &str, parts: usize) -> &str {
    match path.rmatch_indices('/').nth(parts.saturating_sub(1)) {
        // The root folder keeps its slash.
        Some((0, _)) => "/",
        Some((at, _)) => &path[..at],
        None => "",
    }
}

/// What of a path is below a folder.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    match folder {
        "" => (!path.starts_with('/')).then_some(path),
        "/" => path.strip_prefix('/'),
        _ => path.strip_prefix(folder)?.strip_prefix('/'),
    }
}

fn join(folder: &str, rest: &str) -> String {
    match folder {
        "" => rest.to_owned(),
        "/" => format!("/{rest}"),
        _ => format!("{folder}/{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(before: &[&str], after: &[&str]) -> Vec<(String, String)> {
        let mut pairs: Vec<_> = match_paths(before, after, |_, _| true)
            .pairs
            .into_iter()
            .map(|(a, b)| (before[a].to_owned(), after[b].to_owned()))
            .collect();
        pairs.sort();
        pairs
    }

    #[test]
    fn another_checkout_is_the_same() {
        let before = ["/home/ada/one/app/main.py", "/home/ada/one/app/db/main.py", "/home/ada/one/app/gone.py"];
        let after = ["/srv/ci/two/app/db/main.py", "/srv/ci/two/app/main.py", "/srv/ci/two/app/new.py"];
        let pair = |end: &str| (format!("/home/ada/one/app/{end}"), format!("/srv/ci/two/app/{end}"));
        assert_eq!(matched(&before, &after), [pair("db/main.py"), pair("main.py")]);
        let folders = match_paths(&before, &after, |_, _| true).folders;
        let (before, after) = ("/home/ada/one".to_owned(), "/srv/ci/two".to_owned());
        assert_eq!(folders, [MovedFolder { before, after, files: 2 }]);
    }

    #[test]
    fn a_name_alone_is_not_enough() {
        assert!(matched(&["/site/simplejson/__init__.py"], &["/site/orjson/__init__.py"]).is_empty());
        let files = ["/site/a/__init__.py", "/site/a/core.py"].map(str::to_owned);
        let moved = files.clone().map(|path| path.replace("/a/", "/b/"));
        let (files, moved) = (files.each_ref().map(String::as_str), moved.each_ref().map(String::as_str));
        assert_eq!(matched(&files, &moved).len(), 2, "two of one folder are");
        assert!(match_paths(&files, &moved, |_, _| false).pairs.is_empty(), "unless they have nothing in common");
    }

    #[test]
    fn relative_paths_are_below_a_folder() {
        let pairs = matched(&["app/main.py", "app/db.py"], &["/srv/app/db.py", "/srv/app/main.py"]);
        assert_eq!(pairs.len(), 2);
    }

    #[test]
    fn changing_places_changes_nothing() {
        let before = ["/a/x/f.py", "/a/x/g.py", "/b/x/f.py", "/c/h/f.py"];
        let after = ["/d/x/f.py", "/d/x/g.py", "/e/x/f.py", "/e/h/f.py"];
        let there = matched(&before, &after);
        let mut back: Vec<_> = matched(&after, &before).into_iter().map(|(a, b)| (b, a)).collect();
        back.sort();
        assert_eq!(there, back);
    }
}
