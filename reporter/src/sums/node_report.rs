//! A report of which only the tree of calls is wanted. Its nodes are known before the replay, which then distinguishes
//! what these distinguish, and no more: stacks, and the counters of those sites that share a node, need not be in
//! memory.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use memprof_capture::file::CaptureReader;
use memprof_channel::ids::SiteId;
use memprof_replay::metric::Metric;

use crate::export::TreeFormat;
use crate::formatting::expected_size::SizedWrite;
use crate::naming::places::Places;
use crate::naming::view::{View, Views};
use crate::pages::flamegraph::{self, GraphShape, PageKind};
use crate::reading::bins_wanted::BinsWanted;
use crate::reading::elided_callers;
use crate::reading::metadata::Metadata;
use crate::reading::pymalloc;
use crate::reading::query::{Query, SlotFilter};
use crate::reading::report::{Report, ReportError, TreeSource};
use crate::reading::run_clock::RunClock;
use crate::sums::flame_cells::SlotCells;
use crate::sums::flame_tree::{FlameTree, GrowingTree, TreeContext};
use crate::sums::node_groups::NodeGroups;
use crate::sums::row_places::RowPlaces;
use crate::sums::site_tree::SiteTree;

/// At most this many groups of sites have counters in memory at a time, of 80 bytes each for every thread. Where there
/// are more, events are replayed several times: another replay of ten million of them takes some 0.4 s.
const MOST_GROUPS: u32 = 3 << 20;

/// Whose frames a tree has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodesOf {
    /// Of a page: those of all views, from one of which the reader starts.
    Page,
    /// Of one view alone.
    View,
    /// Of an export: of one view, with the import machinery.
    Export,
}

/// A capture, replayed and resolved for its tree.
pub struct NodeReport {
    /// It has no slots: nobody may ask for them, or for stacks.
    report: Report,
    tree: FlameTree,
    hint: Option<String>,
    shape: GraphShape,
    metric: Metric,
}

impl NodeReport {
    /// Opens a capture and replays what a query asks for.
    ///
    /// # Errors
    /// See [`Report::open_with`].
    pub fn open(
        path: &Path,
        query: &Query,
        of: NodesOf,
        (shape, metric): (GraphShape, Metric),
        bins: BinsWanted,
    ) -> Result<Self, ReportError> {
        Self::open_watched(path, query, of, (shape, metric), (bins, |_| None))
    }

    /// Likewise, with the counters of no more than `most` groups of sites in memory at a time.
    ///
    /// # Errors
    /// See [`Report::open_with`].
    pub fn open_in_turns(
        path: &Path,
        query: &Query,
        of: NodesOf,
        (shape, metric): (GraphShape, Metric),
        most: u32,
    ) -> Result<Self, ReportError> {
        Self::open_all(path, query, of, (shape, metric), (BinsWanted::Never, |_| None), most)
    }

    /// Likewise, and says how far its replay is: see [`Report::open_watched`].
    ///
    /// # Errors
    /// See [`Report::open_with`].
    pub fn open_watched(
        path: &Path,
        query: &Query,
        of: NodesOf,
        (shape, metric): (GraphShape, Metric),
        watched: (BinsWanted, impl FnOnce(u64) -> Option<Box<dyn FnMut(u64)>>),
    ) -> Result<Self, ReportError> {
        Self::open_all(path, query, of, (shape, metric), watched, MOST_GROUPS)
    }

    fn open_all(
        path: &Path,
        query: &Query,
        of: NodesOf,
        (shape, metric): (GraphShape, Metric),
        (bins, watch): (BinsWanted, impl FnOnce(u64) -> Option<Box<dyn FnMut(u64)>>),
        most: u32,
    ) -> Result<Self, ReportError> {
        let mut reader = CaptureReader::open_with_repeated_rows(path).map_err(ReportError::Open)?;
        let processes = Report::processes_of(&reader, query)?;
        let mut places = Places::resolve(reader.tables());
        let views = of.views(shape.view, reader.header().native_stacks);
        let filter = SlotFilter::of(query, reader.tables(), &places);
        let mut sites = SiteTree::of(reader.tables(), &mut places, views, |site| filter.may_leave(site));
        let run = Metadata::of(&reader, &processes, &RunClock::of(&reader), query);
        // Who asked for an arena, for the hint of a page.
        let row_places = (of == NodesOf::Page && pymalloc::hint_depends_on_stacks(&run))
            .then(|| RowPlaces::of(reader.tables(), &places, shape.view));
        let place = |site: SiteId| {
            let (row_places, site) = (row_places.as_ref()?, reader.tables().site(site)?);
            Some(row_places.get(site.stack))
        };
        let is_same = |a, b| filter.may_leave(a) == filter.may_leave(b) && place(a) == place(b);
        let groups = NodeGroups::of(reader.tables(), &mut sites, is_same);
        // It has a flag for each stack, which the replay has no room for.
        drop(filter);
        // A selection, bins and the hint are about all slots at once.
        let in_turns = row_places.is_none()
            && !query.filters_slots()
            && bins.rows(&reader).is_none()
            && reader.aggregate().is_none();
        let (groups, windows) = if in_turns { groups.in_windows(most) } else { (groups.at_once(), Vec::new()) };
        reader.group_sites(groups);
        // The note on callers that are left out is about stacks, too; where it is made, there are not that many.
        let has_note = elided_callers::occur(reader.tables());
        if row_places.is_none() && !query.selects_stacks() && !has_note {
            reader.drop_stacks();
        }
        if let [first, _, ..] = windows.as_slice() {
            reader.set_site_window(first.clone());
        }
        let mut report = Report::of_capture(reader, places, processes, query, (bins, watch))?;
        let hint = match (of, row_places) {
            (NodesOf::Page, Some(row_places)) => pymalloc::hint(&report, &row_places, metric),
            (NodesOf::Page, None) => pymalloc::page_hint(&report, shape.view, metric),
            (NodesOf::View | NodesOf::Export, _) => None,
        };
        let mut slots = report.take_slots();
        let mut growing = GrowingTree::new(shape.split, &report.tables().threads, &slots);
        if let [first, _, ..] = windows.as_slice() {
            growing.see(report.processes(), &slots);
            slots.retain(|slot| slot.site != first.others);
        }
        growing.add((report.tables(), report.processes()), &sites, Cow::Owned(slots));
        for window in windows.iter().skip(1) {
            let mut slots = report.slots_in_window(window.clone())?;
            slots.retain(|slot| window.present.contains(&slot.site));
            growing.add((report.tables(), report.processes()), &sites, Cow::Owned(slots));
        }
        let slot_cells = if report.aggregate().bins.is_some() { SlotCells::Known } else { SlotCells::Unknown };
        let TreeSource { tables, places, processes, .. } = report.tree_source();
        let context = TreeContext { tables, places, processes, split: shape.split, slot_cells };
        let tree = growing.finish(context, sites);
        Ok(Self { report, tree, hint, shape, metric })
    }

    /// Writes a page, of a tree that was made for one. It is the end of the report: the bins are used up while it is
    /// written.
    ///
    /// # Errors
    /// What `out` answers to a write.
    pub fn write_page(mut self, kind: PageKind, out: &mut impl Write) -> io::Result<()> {
        let bins = self.report.take_bins();
        flamegraph::write_page_of(kind, (&self.report, &self.tree, self.hint), bins, (self.shape, self.metric), out)
    }

    /// Writes the picture: see [`flamegraph::write_svg`].
    ///
    /// # Errors
    /// What `out` answers to a write.
    #[cfg(feature = "svg")]
    pub fn write_svg(&self, out: &mut impl Write) -> io::Result<()> {
        flamegraph::write_svg_of(&self.report, &self.tree, self.metric, out)
    }

    /// Writes it in a format: see [`write`](crate::export::write).
    ///
    /// # Errors
    /// What `out` answers to a write.
    pub fn write(&self, format: TreeFormat, out: &mut impl SizedWrite) -> io::Result<()> {
        format.write(&self.report, &self.tree, (self.shape.view, self.metric), out)
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

impl NodesOf {
    const fn views(self, view: View, has_native: bool) -> Views {
        match self {
            Self::Page => flamegraph::page_views(has_native),
            Self::View => view.alone(),
            Self::Export => view.with_imports().alone(),
        }
    }
}
