//! One set of names for two captures: what is the same function in both has one number, whatever its line, and also if
//! its file lies elsewhere or is called differently now.

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use super::path_matching::{self, MovedFolder, match_paths};
use super::similarity::pair_similar;
use crate::naming::places::{Place, PlaceId, PlaceKind, Places};
use crate::naming::strings::{StringId, Strings};
use crate::naming::view::Views;
use crate::sums::flame_tree::FlameTree;
use crate::text::Location;

/// A capture of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Before = 0,
    After = 1,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Before, Self::After];
}

/// The number of a file or a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PathId(u32);

/// The number of a function of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FunctionId(u32);

struct Function {
    name: StringId,
    kind: PlaceKind,
    /// The views that show it.
    shown: Views,
    /// Its file on each side where it occurs.
    files: [Option<PathId>; 2],
}

/// A file that has another path now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RenamedFile {
    /// The path in the capture before.
    pub before: String,
    /// The path in the capture after.
    pub after: String,
}

/// A function that is in another file now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MovedFunction {
    /// Its name, the same in both.
    pub function: String,
    /// Its file in the capture before.
    pub before: String,
    /// Its file in the capture after.
    pub after: String,
}

/// What was taken for the same although its path is another one: docs/metrics.md says how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Matches {
    /// Folders whose files lie elsewhere.
    pub folders: Vec<MovedFolder>,
    /// Files that were renamed.
    pub files: Vec<RenamedFile>,
    /// Functions that were moved.
    pub functions: Vec<MovedFunction>,
}

impl Matches {
    /// Whether all paths are as they were.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.folders.is_empty() && self.files.is_empty() && self.functions.is_empty()
    }
}

pub(super) struct CommonNames {
    texts: Strings,
    /// By path: what it is called on each side.
    paths: Vec<[Option<StringId>; 2]>,
    functions: Vec<Function>,
    of_place: [Vec<FunctionId>; 2],
    module_of_place: [Vec<PathId>; 2],
    pub(super) matches: Matches,
}

/// What is known of a path on one side.
#[derive(Default)]
struct PathFacts<'a> {
    functions: FxHashSet<&'a str>,
    /// What distinguishes it from others: functions, and their calls to and from others.
    features: FxHashSet<(&'a str, &'a str)>,
}

type Facts<'a> = FxHashMap<&'a str, PathFacts<'a>>;

impl CommonNames {
    /// Of the places of two captures. The trees say what calls what.
    pub(super) fn of(places: [&Places; 2], trees: [&FlameTree; 2]) -> Self {
        let facts = [0, 1].map(|side| facts_of(places[side], trees[side]));
        let mut names = Self {
            texts: Strings::default(),
            paths: Vec::new(),
            functions: Vec::new(),
            of_place: [Vec::new(), Vec::new()],
            module_of_place: [Vec::new(), Vec::new()],
            matches: Matches::default(),
        };
        let path_ids = names.match_files(&facts);
        names.enter_functions(places, &path_ids);
        names.match_functions(places, trees);
        names
    }

    /// Finds the paths that are the same: by their texts, by folders, by what is in the files.
    fn match_files<'a>(&mut self, facts: &[Facts<'a>; 2]) -> [FxHashMap<&'a str, PathId>; 2] {
        let mut ids = [FxHashMap::default(), FxHashMap::default()];
        let mut enter = |before: Option<&'a str>, after: Option<&'a str>| {
            let id = PathId(self.paths.len() as u32);
            self.paths.push([before, after].map(|path| path.map(|path| self.texts.intern(path))));
            for (ids, path) in ids.iter_mut().zip([before, after]) {
                path.map(|path| ids.insert(path, id));
            }
        };
        let [before, after] = facts;
        let sorted = |mut paths: Vec<&'a str>| {
            paths.sort_unstable();
            paths
        };
        for path in sorted(before.keys().copied().filter(|path| after.contains_key(path)).collect()) {
            enter(Some(path), Some(path));
        }
        let mut before_only = sorted(before.keys().copied().filter(|path| !after.contains_key(path)).collect());
        let mut after_only = sorted(after.keys().copied().filter(|path| !before.contains_key(path)).collect());
        let by_folder = match_paths(&before_only, &after_only, |a, b| {
            !before[before_only[a]].functions.is_disjoint(&after[after_only[b]].functions)
        });
        by_folder.pairs.iter().for_each(|&(a, b)| enter(Some(before_only[a]), Some(after_only[b])));
        without(&mut before_only, by_folder.pairs.iter().map(|&(a, _)| a));
        without(&mut after_only, by_folder.pairs.iter().map(|&(_, b)| b));
        self.matches.folders = by_folder.folders;

        let features = |facts: &'_ Facts<'a>, paths: &[&'a str]| -> Vec<FxHashSet<(&'a str, &'a str)>> {
            paths.iter().map(|path| facts[path].features.clone()).collect()
        };
        let (ours, theirs) = (features(before, &before_only), features(after, &after_only));
        let renamed = pair_similar(&ours.iter().collect::<Vec<_>>(), &theirs.iter().collect::<Vec<_>>());
        for &(a, b) in &renamed {
            enter(Some(before_only[a]), Some(after_only[b]));
            let (before, after) = (before_only[a].to_owned(), after_only[b].to_owned());
            self.matches.files.push(RenamedFile { before, after });
        }
        self.matches.files.sort();
        without(&mut before_only, renamed.iter().map(|&(a, _)| a));
        without(&mut after_only, renamed.iter().map(|&(_, b)| b));
        before_only.iter().for_each(|path| enter(Some(path), None));
        after_only.iter().for_each(|path| enter(None, Some(path)));
        ids
    }

    fn enter_functions(&mut self, places: [&Places; 2], path_ids: &[FxHashMap<&str, PathId>; 2]) {
        let mut ids: FxHashMap<(StringId, PathId, Option<Views>), FunctionId> = FxHashMap::default();
        for side in Side::BOTH.map(|side| side as usize) {
            let places = places[side];
            for place in places.ids() {
                let name = self.texts.intern(places.function(place));
                let path = path_ids[side][places.file(place)];
                let next = FunctionId(self.functions.len() as u32);
                let Place { kind, shown, .. } = places.get(place);
                // The placeholder of a stack may be there for some views only.
                let only_in = (kind == PlaceKind::Special).then_some(shown);
                let id = *ids.entry((name, path, only_in)).or_insert(next);
                if id == next {
                    self.functions.push(Function { name, kind, shown, files: [None, None] });
                }
                self.functions[id.0 as usize].files[side] = Some(path);
                self.of_place[side].push(id);
                self.module_of_place[side].push(path_ids[side][module(places, place)]);
            }
        }
    }

    /// Finds functions that went from one file to another.
    fn match_functions(&mut self, places: [&Places; 2], trees: [&FlameTree; 2]) {
        let neighbours = [0, 1].map(|side| {
            let mut neighbours: FxHashMap<FunctionId, FxHashSet<(bool, &str)>> = FxHashMap::default();
            for (caller, callee) in calls(places[side], trees[side]) {
                let (caller_id, callee_id) = (self.of_place[side][caller.index()], self.of_place[side][callee.index()]);
                neighbours.entry(caller_id).or_default().insert((true, places[side].function(callee)));
                neighbours.entry(callee_id).or_default().insert((false, places[side].function(caller)));
            }
            neighbours
        });
        let mut by_name: FxHashMap<StringId, [Vec<FunctionId>; 2]> = FxHashMap::default();
        for (id, function) in (0..).map(FunctionId).zip(&self.functions) {
            let side = match function.files {
                [Some(_), None] => Side::Before,
                [None, Some(_)] => Side::After,
                _ => continue,
            };
            if !is_generic(self.texts.get(function.name)) && neighbours[side as usize].contains_key(&id) {
                by_name.entry(function.name).or_default()[side as usize].push(id);
            }
        }
        let mut moved = FxHashMap::default();
        for [gone, new] in by_name.values() {
            let features = |side: Side, ids: &[FunctionId]| -> Vec<_> {
                ids.iter().map(|id| neighbours[side as usize][id].clone()).collect()
            };
            let (ours, theirs) = (features(Side::Before, gone), features(Side::After, new));
            let pairs = pair_similar(&ours.iter().collect::<Vec<_>>(), &theirs.iter().collect::<Vec<_>>());
            moved.extend(pairs.into_iter().map(|(a, b)| (new[b], gone[a])));
        }
        for (&new, &gone) in &moved {
            let file = self.functions[new.0 as usize].files[Side::After as usize];
            self.functions[gone.0 as usize].files[Side::After as usize] = file;
            let function = &self.functions[gone.0 as usize];
            self.matches.functions.push(MovedFunction {
                function: self.texts.get(function.name).to_owned(),
                before: self.file(gone, Side::Before).unwrap_or_default().to_owned(),
                after: self.file(gone, Side::After).unwrap_or_default().to_owned(),
            });
        }
        self.matches.functions.sort();
        for id in &mut self.of_place[Side::After as usize] {
            *id = moved.get(id).copied().unwrap_or(*id);
        }
    }

    /// The function of a place.
    pub(super) fn function_of(&self, side: Side, place: PlaceId) -> FunctionId {
        self.of_place[side as usize][place.index()]
    }

    /// The module of a place: that of native code, else the file; names in angle brackets are their own.
    pub(super) fn module_of(&self, side: Side, place: PlaceId) -> PathId {
        self.module_of_place[side as usize][place.index()]
    }

    pub(super) fn name(&self, function: FunctionId) -> &str {
        self.texts.get(self.functions[function.0 as usize].name)
    }

    pub(super) fn kind(&self, function: FunctionId) -> PlaceKind {
        self.functions[function.0 as usize].kind
    }

    /// The views that show a function.
    pub(super) fn shown(&self, function: FunctionId) -> Views {
        self.functions[function.0 as usize].shown
    }

    /// The file of a function on a side; nothing where it does not occur there.
    pub(super) fn file(&self, function: FunctionId, side: Side) -> Option<&str> {
        self.path(self.functions[function.0 as usize].files[side as usize]?, side)
    }

    /// What a path is called on a side; nothing where it does not occur there.
    pub(super) fn path(&self, path: PathId, side: Side) -> Option<&str> {
        Some(self.texts.get(self.paths[path.0 as usize][side as usize]?))
    }

    /// A path as it is called now, or was.
    pub(super) fn latest_path(&self, path: PathId) -> &str {
        self.path(path, Side::After).or_else(|| self.path(path, Side::Before)).unwrap_or_default()
    }

    /// The file of a function as it is called now, or was.
    pub(super) fn latest_file(&self, function: FunctionId) -> &str {
        self.file(function, Side::After).or_else(|| self.file(function, Side::Before)).unwrap_or_default()
    }

    /// A function, ready to be printed.
    pub(super) fn location(&self, function: FunctionId) -> Location {
        self.called(self.name(function), function)
    }

    /// A function that follows itself so often in a stack.
    pub(super) fn location_in_stack(&self, (function, times): (FunctionId, usize)) -> Location {
        match times {
            1 => self.location(function),
            _ => self.called(&repeated(self.name(function), times), function),
        }
    }

    fn called(&self, name: &str, function: FunctionId) -> Location {
        let file = self.latest_file(function);
        if self.kind(function).is_native() {
            Location::native(name, file, 0)
        } else {
            Location::of_function(name, file)
        }
    }

    /// A function at a line, ready to be printed.
    pub(super) fn location_at(&self, function: FunctionId, line: u32) -> Location {
        let (name, file) = (self.name(function), self.latest_file(function));
        if self.kind(function).is_native() {
            Location::native(name, file, line)
        } else {
            Location::new(name, file, line)
        }
    }
}

/// The name of a function that calls itself: `3x walk`.
pub(super) fn repeated(name: &str, times: usize) -> String {
    if times == 1 { name.to_owned() } else { format!("{times}x {name}") }
}

/// The module of a place as a path.
fn module(places: &Places, place: PlaceId) -> &str {
    match places.get(place).kind {
        PlaceKind::Special | PlaceKind::Process | PlaceKind::Thread => places.function(place),
        _ => places.module(place).unwrap_or_else(|| places.file(place)),
    }
}

/// Whether half of all files have a function that is called so.
fn is_generic(name: &str) -> bool {
    name.starts_with('<')
}

/// Callers and what they call, as far as somebody allocated there.
fn calls(places: &Places, tree: &FlameTree) -> impl Iterator<Item = (PlaceId, PlaceId)> {
    let nodes = tree.nodes();
    let calls = nodes.iter().skip(1).map(|node| (nodes[node.parent.index()].place, node.place));
    // The name of a process has its number.
    let is_process = |place: PlaceId| places.get(place).kind == PlaceKind::Process;
    calls.filter(move |&(caller, callee)| !is_process(caller) && !is_process(callee))
}

fn facts_of<'a>(places: &'a Places, tree: &FlameTree) -> Facts<'a> {
    /// Every package has such files.
    const IN_EVERY_PACKAGE: [&str; 2] = ["__init__.py", "__main__.py"];
    let mut facts = Facts::default();
    for place in places.ids() {
        let name = places.function(place);
        for path in [places.file(place), module(places, place)] {
            let facts = facts.entry(path).or_default();
            facts.functions.insert(name);
            if !is_generic(name) {
                facts.features.insert((name, ""));
            }
        }
    }
    for (&path, facts) in &mut facts {
        let name = path_matching::file_name(path);
        if !IN_EVERY_PACKAGE.contains(&name) {
            facts.features.insert(("", name));
        }
    }
    for (caller, callee) in calls(places, tree) {
        let call = (places.function(caller), places.function(callee));
        for place in [caller, callee] {
            if is_generic(places.function(place)) {
                continue;
            }
            for path in [places.file(place), module(places, place)] {
                facts.entry(path).or_default().features.insert(call);
            }
        }
    }
    facts
}

/// Removes the elements with these numbers.
fn without<T>(list: &mut Vec<T>, numbers: impl Iterator<Item = usize>) {
    let gone: FxHashSet<usize> = numbers.collect();
    let mut number = 0;
    list.retain(|_| {
        number += 1;
        !gone.contains(&(number - 1))
    });
}
