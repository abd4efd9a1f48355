//! Memory in rows for what is asked for.

use std::borrow::Cow;

use memprof_capture::file::Site;
use memprof_replay::metric::Metric;

use super::{By, BySubject};
use crate::naming::places::PlaceId;
use crate::naming::places_by::GroupedPlaces;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::row_places::RowPlaces;
use crate::sums::rows::{self, Ranking, Row, RowKeys, alphabetical};
use crate::sums::stack_paths::{PathId, StackPaths};
use crate::sums::stacks::Stacks;

/// What the rows of a report are for.
pub(crate) struct RowsBy<'a> {
    pub report: &'a Report,
    pub by: By,
    /// Where each stack is listed.
    pub row_places: Cow<'a, RowPlaces>,
    pub(super) subjects: Subjects<'a>,
}

/// Where the memory of rows was allocated.
pub(super) enum Subjects<'a> {
    Anywhere,
    Places(GroupedPlaces),
    Stacks(Cow<'a, StackPaths>),
}

impl<'a> RowsBy<'a> {
    /// By anything but stacks: who has places does not have these, and `by` loses them.
    pub(crate) fn of_places(report: &'a Report, row_places: Cow<'a, RowPlaces>, by: By) -> Self {
        let (subject, subjects) = match by.subject {
            BySubject::Places(places_by) => {
                (by.subject, Subjects::Places(places_by.grouped(report.tables(), report.places())))
            }
            BySubject::Nothing | BySubject::Stacks => (BySubject::Nothing, Subjects::Anywhere),
        };
        Self { report, by: By { subject, ..by }, row_places, subjects }
    }

    /// By anything, in a view.
    pub(crate) fn of(report: &'a Report, view: View, by: By) -> Self {
        if by.subject != BySubject::Stacks {
            return Self::of_places(report, Cow::Owned(report.row_places(view)), by);
        }
        let Stacks { places, paths } = Stacks::of(report, view);
        Self { report, by, row_places: Cow::Owned(places), subjects: Subjects::Stacks(Cow::Owned(paths)) }
    }

    /// By anything, where the stacks of the view are needed in any case.
    pub(crate) fn of_stacks(report: &'a Report, stacks: &'a Stacks, by: By) -> Self {
        let row_places = Cow::Borrowed(&stacks.places);
        if by.subject != BySubject::Stacks {
            return Self::of_places(report, row_places, by);
        }
        Self { report, by, row_places, subjects: Subjects::Stacks(Cow::Borrowed(&stacks.paths)) }
    }

    /// All rows with anything of a metric: the largest first, otherwise by name.
    pub(crate) fn rows(&self, metric: Metric, ranking: Ranking) -> Vec<Row> {
        let mut rows = rows::rows(self.report, metric, &self.keys(), |site| self.at(site));
        self.sort(&mut rows, ranking);
        rows
    }

    /// Sorts rows: the largest first, otherwise by name.
    pub(crate) fn sort(&self, rows: &mut [Row], ranking: Ranking) {
        let places = self.report.places();
        rows::sort(rows, ranking, |row| match &self.subjects {
            Subjects::Anywhere => ("", 0, ""),
            Subjects::Places(grouped) => grouped.name(places, row.key.place),
            Subjects::Stacks(_) => alphabetical(places, row.key.place),
        });
    }

    /// What distinguishes the rows.
    pub(crate) fn keys(&self) -> RowKeys<'a> {
        RowKeys::of(self.report, self.by.apart())
    }

    /// Where the memory of a site is listed.
    pub(crate) fn at(&self, site: Option<Site>) -> (PlaceId, PathId) {
        match &self.subjects {
            Subjects::Anywhere => (self.report.places().lost_stack(), PathId::EMPTY),
            Subjects::Places(grouped) => (grouped.first(self.row_places.of_site(site)), PathId::EMPTY),
            Subjects::Stacks(paths) => (self.row_places.of_site(site), paths.of_site(site)),
        }
    }
}
