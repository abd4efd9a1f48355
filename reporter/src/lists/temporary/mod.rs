//! The report `temporary`: where memory was allocated to be freed at once, with the stacks; by place or by what is
//! asked for.

mod json;
mod json_by;
mod list;
mod text;

use std::cmp::Reverse;

use memprof_replay::aggregate::SlotSummary;
use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;

pub use list::write;
pub use text::TextLimits;

use crate::lists::by::{By, BySubject, RowsBy};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::rows::{Ranking, Row, RowKey};
use crate::sums::stack_paths::StackPaths;
use crate::sums::stacks::{StackGroup, Stacks};

/// How many places, or rows for what is asked for, text and Markdown have, unless asked otherwise.
pub const DEFAULT_ROWS: usize = 10;
/// How many stacks of each.
pub const DEFAULT_STACKS: usize = 2;
/// How many lines of each stack.
pub const DEFAULT_FRAMES: usize = 10;

/// What rows are sorted by: most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// Temporary allocations.
    Allocations,
    /// Bytes of temporary allocations.
    Bytes,
    /// The share of the row's allocations that were temporary.
    Share,
}

impl SortBy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Allocations, Self::Bytes, Self::Share];

    /// The name in the data of reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allocations => "allocations",
            Self::Bytes => "bytes",
            Self::Share => "share",
        }
    }
}

/// What to list, and how.
#[derive(Clone, Copy, Debug)]
pub struct TemporarySettings {
    /// Which frames are places, and in stacks.
    pub view: View,
    /// What rows are for; nothing where they are places, as they are unless asked otherwise.
    pub by: Option<By>,
    /// Which come first.
    pub sort: SortBy,
}

/// What has temporary allocations: a place, or what is asked for.
struct TemporaryRow {
    /// What it is, and its temporary allocations.
    row: Row,
    /// All that was allocated there.
    total: Amount,
    /// Those with temporary allocations, most first.
    stacks: Vec<StackGroup>,
}

impl AsRef<Row> for TemporaryRow {
    fn as_ref(&self) -> &Row {
        &self.row
    }
}

/// The temporary allocations of a report, in rows.
struct Temporary<'a> {
    report: &'a Report,
    settings: TemporarySettings,
    paths: &'a StackPaths,
    rows_by: RowsBy<'a>,
    /// In order.
    rows: Vec<TemporaryRow>,
}

impl<'a> Temporary<'a> {
    /// Of a report and its stacks in the view.
    fn of(report: &'a Report, stacks: &'a Stacks, settings: TemporarySettings) -> Self {
        let rows_by = RowsBy::of_stacks(report, stacks, settings.by.unwrap_or(By::PLACE));
        let ranking = if settings.sort == SortBy::Bytes { Ranking::Bytes } else { Ranking::Allocations };
        let mut rows: Vec<TemporaryRow> = rows_by
            .rows(Metric::Temporary, ranking)
            .into_iter()
            .map(|row| TemporaryRow { row, total: Amount::default(), stacks: Vec::new() })
            .collect();
        let numbers: FxHashMap<RowKey, usize> = (0..).zip(&rows).map(|(number, row)| (row.row.key, number)).collect();
        let keys = rows_by.keys();
        let number = |slot: &SlotSummary, site| numbers.get(&keys.get(slot, site, rows_by.at(site))).copied();
        for (slot, site, amount) in report.with_any(Metric::Total) {
            if let Some(number) = number(slot, site) {
                rows[number].total.add(amount);
            }
        }
        for (number, group) in stacks.groups_within(report, Metric::Temporary, ranking, number) {
            if let Some(number) = number {
                rows[number].stacks.push(group);
            }
        }
        if settings.sort == SortBy::Share {
            // Stable: otherwise as ranked. In parts of a million, so that the order is a total one.
            let share = |row: &TemporaryRow| {
                u128::from(row.row.amount.allocations) * 1_000_000 / u128::from(row.total.allocations.max(1))
            };
            rows.sort_by_key(|row| Reverse(share(row)));
        }
        Self { report, settings, paths: &stacks.paths, rows_by, rows }
    }

    /// Whether each row is a stack, so that it needs no list of these.
    fn is_by_stack(&self) -> bool {
        self.rows_by.by.subject == BySubject::Stacks
    }
}
