//! A report of which only lists by place are wanted. Programs have millions of stacks, and a few thousand places: so it
//! sums up by place while it replays, in a fraction of the time and of the memory.

use std::borrow::Cow;
use std::path::Path;

use memprof_capture::file::site_numbers::SiteGroups;
use memprof_capture::file::{CaptureReader, Site};
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{SiteId, StackId};
use memprof_replay::metric::Metric;

use crate::naming::places::Places;
use crate::naming::view::View;
use crate::reading::bins_wanted::BinsWanted;
use crate::reading::elided_callers::ElidedCallers;
use crate::reading::query::{Query, SlotFilter};
use crate::reading::report::{Report, ReportError};
use crate::sums::row_places::RowPlaces;
use crate::sums::rows::{self, PlaceRow, Ranking};

/// A capture, replayed and resolved for [`PlaceLists`] in one view.
pub struct PlaceReport {
    /// Its slots are those of groups of sites: nobody may ask for their stacks.
    report: Report,
    view: View,
    row_places: RowPlaces,
}

impl PlaceReport {
    /// Opens a capture and replays what a query asks for.
    ///
    /// # Errors
    /// See [`Report::open_with`].
    pub fn open(path: &Path, query: &Query, view: View) -> Result<Self, ReportError> {
        Self::open_watched(path, query, view, |_| None)
    }

    /// Likewise, and says how far its replay is: see [`Report::open_watched`].
    ///
    /// # Errors
    /// See [`Report::open_with`].
    pub fn open_watched(
        path: &Path,
        query: &Query,
        view: View,
        watch: impl FnOnce(u64) -> Option<Box<dyn FnMut(u64)>>,
    ) -> Result<Self, ReportError> {
        let mut reader = CaptureReader::open_with_repeated_rows(path).map_err(ReportError::Open)?;
        let processes = Report::processes_of(&reader, query)?;
        let places = Places::resolve(reader.tables());
        let row_places = RowPlaces::of(reader.tables(), &places, view);
        let filter = SlotFilter::of(query, reader.tables(), &places);
        let elided = ElidedCallers::of(reader.tables());
        // What a list by place, and the notes, may still distinguish.
        let key = |number: SiteId, Site { stack, allocator, part }: Site| {
            // Whether mappings are pymalloc's arenas is known by who asked for them, and by their sizes.
            let of_mapping = if allocator == Allocator::Mmap { stack } else { StackId::EMPTY };
            let lacks_callers = elided.are_in(stack);
            (row_places.get(stack), allocator, part, of_mapping, lacks_callers, filter.admits_site(number))
        };
        let groups = SiteGroups::by(reader.tables(), key);
        reader.group_sites(groups);
        let report = Report::of_capture(reader, places, processes, query, (BinsWanted::Never, watch))?;
        Ok(Self { report, view, row_places })
    }

    /// Its lists.
    #[must_use]
    pub const fn lists(&self) -> PlaceLists<'_> {
        PlaceLists { report: &self.report, view: self.view, row_places: Cow::Borrowed(&self.row_places) }
    }

    /// Whether native stacks were recorded.
    #[must_use]
    pub const fn has_native_stacks(&self) -> bool {
        self.report.metadata().native_stacks
    }

    /// See [`Report::notes`].
    #[must_use]
    pub fn notes(&self) -> &[String] {
        self.report.notes()
    }
}

/// What is listed by place, in one view.
pub struct PlaceLists<'a> {
    /// The capture. Of its stacks nothing may be asked that differs between those of one place.
    pub(crate) report: &'a Report,
    /// Which frames are places.
    pub(crate) view: View,
    /// Where each stack is listed.
    pub(crate) row_places: Cow<'a, RowPlaces>,
}

impl<'a> PlaceLists<'a> {
    /// Of a report that has everything.
    #[must_use]
    pub fn of(report: &'a Report, view: View) -> Self {
        Self { report, view, row_places: Cow::Owned(report.row_places(view)) }
    }

    /// By place alone.
    pub(crate) fn by_place(&self, metric: Metric, ranking: Ranking) -> Vec<PlaceRow> {
        rows::by_place(self.report, &self.row_places, metric, ranking)
    }
}
