//! The report `diff`: two captures compared, by stack, function, line or module. docs/metrics.md defines what is the
//! same in both.

mod change;
mod common_names;
mod csv;
mod growth_limit;
mod json;
mod markdown;
mod page;
mod path_matching;
mod similarity;
mod stack_tree;
mod text;
mod wording;

use std::cmp::Reverse;
use std::fmt;

use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;

pub use change::{Change, Difference, Status, percent};
pub use common_names::{Matches, MovedFunction, RenamedFile};
pub use csv::write_csv;
pub use growth_limit::{GrowthLimit, InvalidGrowthLimit};
pub use json::write_json;
pub use markdown::write_markdown;
pub use page::write_html;
pub use path_matching::MovedFolder;
pub use text::write_text;

use crate::naming::packages::Packages;
use crate::naming::places::PlaceId;
use crate::naming::view::{View, Views};
use crate::reading::report::Report;
use crate::sums::actors::Split;
use crate::sums::flame_cells::SlotCells;
use crate::sums::flame_tree::FlameTree;
use crate::sums::rows::{Ranking, by_place};
use common_names::{CommonNames, FunctionId, PathId, Side};
use stack_tree::{StackId, StackTree};

/// How many rows the text and the Markdown have, unless asked otherwise.
pub const DEFAULT_ROWS: usize = 30;

/// What rows are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Stacks of functions, whatever their lines.
    Stack,
    /// The function of a place, whatever the line.
    Function,
    /// Places: function and line.
    Line,
    /// The module of native code, the file of Python code.
    Module,
    /// What was installed together: docs/metrics.md, "Packages".
    Package,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Stack, Self::Function, Self::Line, Self::Module, Self::Package];

    /// The name in all reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Function => "function",
            Self::Line => "line",
            Self::Module => "module",
            Self::Package => "package",
        }
    }
}

/// Which rows come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Most bytes more or less.
    Difference,
    /// Most bytes more, and those with most bytes less last.
    Growth,
    /// Most allocations more or less.
    Allocations,
    /// Most bytes before.
    Before,
    /// Most bytes after.
    After,
}

/// What is compared, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Which frames count.
    pub view: View,
    /// Which memory.
    pub metric: Metric,
    /// What rows are for.
    pub by: By,
    /// Which come first.
    pub order: Order,
}

/// What a row is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Subject {
    Stack(StackId),
    Function(FunctionId),
    Line(FunctionId, u32),
    Module(PathId),
    Package(PackageId),
}

/// The number of a package, of both captures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PackageId(u32);

/// A subject, before and after.
pub struct Row {
    subject: Subject,
    /// Its memory.
    pub change: Change,
}

/// Rows of one status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusSum {
    /// How many.
    pub rows: usize,
    /// What they have together.
    pub change: Change,
}

/// Two captures compared.
pub struct Diff<'a> {
    reports: [&'a Report; 2],
    comparison: Comparison,
    names: CommonNames,
    tree: StackTree,
    /// The names of packages, where rows are for these.
    packages: Vec<String>,
    rows: Vec<Row>,
    sums: [StatusSum; Status::ALL.len()],
    total: Change,
}

impl<'a> Diff<'a> {
    /// Compares two reports.
    #[must_use]
    pub fn of(before: &'a mut Report, after: &'a mut Report, comparison: Comparison) -> Self {
        let views = comparison.view.alone();
        let trees = [&mut *before, &mut *after].map(|report| flame_tree(report, views));
        let (reports, trees) = ([&*before, &*after], trees.each_ref());
        let places = reports.map(|report| report.places());
        let names = CommonNames::of(places, trees);
        let tree = StackTree::of(&names, places, trees);
        let mut packages = Vec::new();
        let changes = match comparison.by {
            By::Stack => stack_changes(&tree, trees, comparison.metric),
            By::Package => place_changes(reports, comparison, package_of(reports, &mut packages)),
            By::Function | By::Line | By::Module => {
                place_changes(reports, comparison, |side, place| match comparison.by {
                    By::Line => Subject::Line(names.function_of(side, place), places[side as usize].line(place)),
                    By::Module => Subject::Module(names.module_of(side, place)),
                    _ => Subject::Function(names.function_of(side, place)),
                })
            }
        };
        let total = reports.map(|report| report.total(comparison.metric));
        let total = Change { before: total[0], after: total[1] };
        let mut sums = [StatusSum::default(); Status::ALL.len()];
        let mut rows = Vec::new();
        for (subject, change) in changes {
            let sum = &mut sums[change.status() as usize];
            sum.rows += 1;
            sum.change.add(change);
            if change.status() != Status::Unchanged {
                rows.push(Row { subject, change });
            }
        }
        let mut diff = Self { reports, comparison, names, tree, packages, rows: Vec::new(), sums, total };
        rows.sort_by(|a, b| {
            let rank = rank(&a.change, comparison.order).cmp(&rank(&b.change, comparison.order));
            rank.then_with(|| diff.alphabetical(a.subject).cmp(&diff.alphabetical(b.subject)))
        });
        diff.rows = rows;
        diff
    }

    /// The rows that differ, in order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The sum over all, which is that of all rows.
    #[must_use]
    pub const fn total(&self) -> Change {
        self.total
    }

    /// The sum over all rows of a status.
    #[must_use]
    pub const fn sum(&self, status: Status) -> StatusSum {
        self.sums[status as usize]
    }

    /// What was taken for the same.
    #[must_use]
    pub const fn matches(&self) -> &Matches {
        &self.names.matches
    }

    /// What is compared.
    #[must_use]
    pub const fn comparison(&self) -> Comparison {
        self.comparison
    }

    /// Innermost function, its file, line: an order that does not depend on how the runs went.
    fn alphabetical(&self, subject: Subject) -> (&str, &str, u32, Subject) {
        match subject {
            Subject::Stack(stack) => {
                let function = self.tree.functions(stack).next();
                let texts = function.map(|function| (self.names.latest_file(function), self.names.name(function)));
                let (file, name) = texts.unwrap_or_default();
                (file, name, 0, subject)
            }
            Subject::Function(function) => (self.names.latest_file(function), self.names.name(function), 0, subject),
            Subject::Line(function, line) => {
                (self.names.latest_file(function), self.names.name(function), line, subject)
            }
            Subject::Module(path) => (self.names.latest_path(path), "", 0, subject),
            Subject::Package(package) => (self.package(package), "", 0, subject),
        }
    }

    /// The name of a package.
    fn package(&self, package: PackageId) -> &str {
        &self.packages[package.0 as usize]
    }

    /// The report on the capture after.
    pub(crate) const fn after(&self) -> &Report {
        self.reports[1]
    }

    /// The line of a function (after) that has most of it; nothing for other rows, and functions that are gone.
    pub(crate) fn main_place(&self, row: &Row) -> Option<PlaceId> {
        let Subject::Function(function) = row.subject else { return None };
        let (report, comparison) = (self.after(), self.comparison);
        let places = by_place(report, &report.row_places(comparison.view), comparison.metric, Ranking::Bytes);
        let mut places = places.into_iter().map(|row| row.place);
        places.find(|&place| self.names.function_of(Side::After, place) == function)
    }

    /// What a row is for, in one line: `parse (app/json.py)`. Of a stack its innermost function.
    #[must_use]
    pub fn label(&self, row: &Row) -> Label<'_> {
        Label { diff: self, subject: row.subject }
    }
}

/// The name of what a row is for.
pub struct Label<'a> {
    diff: &'a Diff<'a>,
    subject: Subject,
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diff { names, tree, .. } = self.diff;
        let (function, line) = match self.subject {
            Subject::Module(path) => return f.write_str(names.latest_path(path)),
            Subject::Package(package) => return f.write_str(self.diff.package(package)),
            Subject::Function(function) => (function, 0),
            Subject::Line(function, line) => (function, line),
            Subject::Stack(stack) => match tree.functions(stack).next() {
                Some(function) => (function, 0),
                None => return Ok(()),
            },
        };
        f.write_str(names.name(function))?;
        match (names.latest_file(function), line) {
            ("", _) => Ok(()),
            (file, 0) => write!(f, " ({file})"),
            (file, line) => write!(f, " ({file}:{line})"),
        }
    }
}

type Rank = (Reverse<i128>, Reverse<i128>);

/// The lowest comes first.
fn rank(change: &Change, order: Order) -> Rank {
    let Difference { bytes, allocations } = change.difference();
    let (first, second) = match order {
        Order::Difference => (bytes.abs(), allocations.abs()),
        Order::Growth => (bytes, allocations),
        Order::Allocations => (allocations.abs(), bytes.abs()),
        Order::Before => (change.before.bytes.into(), change.before.allocations.into()),
        Order::After => (change.after.bytes.into(), change.after.allocations.into()),
    };
    (Reverse(first), Reverse(second))
}

fn flame_tree(report: &mut Report, views: Views) -> FlameTree {
    FlameTree::of_report(report, views, Split::ByProcess, SlotCells::Unknown)
}

fn stack_changes(tree: &StackTree, trees: [&FlameTree; 2], metric: Metric) -> Vec<(Subject, Change)> {
    let mut changes = vec![Change::default(); tree.len()];
    for side in Side::BOTH {
        for (stack, amount) in tree.of_nodes(side).iter().zip(trees[side as usize].own(metric)) {
            of_side(&mut changes[stack.index()], side).add(amount);
        }
    }
    let is_something = |change: &Change| !change.before.is_zero() || !change.after.is_zero();
    tree.stacks()
        .zip(changes)
        .filter(|(_, change)| is_something(change))
        .map(|(stack, change)| (Subject::Stack(stack), change))
        .collect()
}

/// The package of a place on a side, whose name is noted.
fn package_of<'a>(reports: [&Report; 2], names: &'a mut Vec<String>) -> impl FnMut(Side, PlaceId) -> Subject + use<'a> {
    let packages = reports.map(|report| Packages::of(report.tables(), report.places()));
    let mut numbers: FxHashMap<String, PackageId> = FxHashMap::default();
    move |side, place| {
        let name = packages[side as usize].name(place);
        let number = numbers.get(name).copied().unwrap_or_else(|| {
            let number = PackageId(names.len() as u32);
            names.push(name.to_owned());
            numbers.insert(name.to_owned(), number);
            number
        });
        Subject::Package(number)
    }
}

/// What differs by what `subject` says of the place of a stack on a side.
fn place_changes(
    reports: [&Report; 2],
    comparison: Comparison,
    mut subject: impl FnMut(Side, PlaceId) -> Subject,
) -> Vec<(Subject, Change)> {
    let mut changes: FxHashMap<Subject, Change> = FxHashMap::default();
    for side in Side::BOTH {
        let report = reports[side as usize];
        let row_places = report.row_places(comparison.view);
        for (_, site, amount) in report.with_any(comparison.metric) {
            of_side(changes.entry(subject(side, row_places.of_site(site))).or_default(), side).add(amount);
        }
    }
    changes.into_iter().collect()
}

const fn of_side(change: &mut Change, side: Side) -> &mut Amount {
    match side {
        Side::Before => &mut change.before,
        Side::After => &mut change.after,
    }
}
