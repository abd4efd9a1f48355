//! Pages, pictures and exports are the same, whether their nodes were found before the replay or all slots are there.

use std::collections::BTreeMap;

use memprof_capture::file::CaptureReader;
use memprof_channel::allocator::Allocator;
use memprof_replay::metric::Metric;
use memprof_replay::processes::ProcessId;
use memprof_replay::slots::Amount;
use memprof_reporter::actors::Split;
use memprof_reporter::export::{self, FORMATS};
use memprof_reporter::flame_tree::FlameTree;
use memprof_reporter::flamegraph::{self, GraphShape, PageKind};
use memprof_reporter::node_report::{NodeReport, NodesOf};
use memprof_reporter::places::{PlaceId, PlaceKind, Places};
use memprof_reporter::query::Query;
use memprof_reporter::report::{BinsWanted, Report};
use memprof_reporter::view::{View, ViewKind};
use proptest::prelude::*;

use crate::capture_builder::{aggregated, file_of};
use crate::family_run::family_run;
use crate::native_run::native_run;
use crate::random_family::{PROCESSES, event, query, record_with_repeated_rows};
use crate::sample_run::sample_run;

/// All that is made of a tree, by the two kinds of reports.
fn both(bytes: &[u8], query: &Query, split: Split, bins: BinsWanted) -> [Vec<Vec<u8>>; 2] {
    let (_folder, path) = file_of(bytes);
    let (mut whole, mut nodes) = (Vec::new(), Vec::new());
    for (kind, metric) in
        [(ViewKind::Hybrid, Metric::Peak), (ViewKind::Python, Metric::Leaks), (ViewKind::Native, Metric::Total)]
    {
        let view = View::of(kind);
        let shape = GraphShape { view, split, inverted: false };
        let open = |bins| Report::open_in_bins(&path, query, bins).expect("it can be opened");
        let open_nodes =
            |of, bins| NodeReport::open(&path, query, of, (shape, metric), bins).expect("it can be opened");
        let mut out = Vec::new();
        flamegraph::write_report(&mut open(bins), shape, metric, &mut out).expect("memory can be written");
        whole.push(std::mem::take(&mut out));
        let page = open_nodes(NodesOf::Page, bins);
        page.write_page(PageKind::Report, &mut out).expect("memory can be written");
        nodes.push(out);
        let mut report = open(BinsWanted::Never);
        let of_view = open_nodes(NodesOf::View, BinsWanted::Never);
        let of_export = open_nodes(NodesOf::Export, BinsWanted::Never);
        // Two sites at a time.
        let in_turns = |of| NodeReport::open_in_turns(&path, query, of, (shape, metric), 2).expect("it can be opened");
        let mut pages = [open_nodes(NodesOf::Page, BinsWanted::Never), in_turns(NodesOf::Page)].map(|report| {
            let mut out = Vec::new();
            report.write_page(PageKind::FlameGraph, &mut out).expect("memory can be written");
            out
        });
        let [at_once, in_turns] = &mut pages;
        whole.push(std::mem::take(at_once));
        nodes.push(std::mem::take(in_turns));
        assert_eq!(of_view.notes(), report.notes());
        #[cfg(feature = "svg")]
        {
            let mut out = Vec::new();
            flamegraph::write_svg(&mut report, shape, metric, &mut out).expect("memory can be written");
            whole.push(std::mem::take(&mut out));
            of_view.write_svg(&mut out).expect("memory can be written");
            nodes.push(out);
        }
        for format in FORMATS.into_iter().filter(|_| split == Split::ByProcess) {
            let Some(of_tree) = format.of_tree() else { continue };
            let mut out = Vec::new();
            export::write(&mut report, format, view, metric, &mut out).expect("memory can be written");
            whole.push(std::mem::take(&mut out));
            of_export.write(of_tree, &mut out).expect("memory can be written");
            nodes.push(out);
        }
    }
    [whole, nodes]
}

#[test]
fn of_runs_with_everything() {
    for builder in [sample_run(), native_run(), family_run()] {
        for split in [Split::ByProcess, Split::ByThread] {
            for bytes in [builder.to_bytes(), aggregated(&builder.to_bytes())] {
                let [whole, nodes] = both(&bytes, &Query::default(), split, BinsWanted::Always);
                assert!(nodes == whole, "{split:?}");
            }
        }
    }
}

/// By the places of a stack, the outermost first, process and allocator.
type Sums = BTreeMap<(Vec<PlaceId>, ProcessId, Option<Allocator>), Amount>;

/// What the cells of a tree come to, and what slots come to whose stacks are walked one by one.
fn sums(path: &std::path::Path, query: &Query) -> [Sums; 2] {
    let report = Report::open_with(path, query).expect("it can be opened");
    let reader = CaptureReader::open(path).expect("it can be opened");
    let (tables, slots) = (reader.tables(), &report.aggregate().slots);
    let mut places = Places::resolve(tables);
    let tree = FlameTree::build(tables, &mut places, report.processes(), slots, View::default().alone());
    let (mut of_cells, mut of_slots) = (Sums::new(), Sums::new());
    for cell in tree.cells() {
        let mut stack: Vec<PlaceId> = tree.path(cell.node).collect();
        stack.retain(|&place| places.get(place).kind != PlaceKind::Process);
        stack.reverse();
        of_cells.entry((stack, cell.process, cell.allocator)).or_default().add(cell.sums[Metric::Total]);
    }
    for slot in slots {
        let site = tables.site(slot.site).expect("nothing is lost");
        let frames: Vec<_> = tables.frames_of(site.stack).collect();
        let stack = frames.iter().rev().flat_map(|&frame| places.of_frame(frame)).copied().collect();
        of_slots
            .entry((stack, report.processes().of_slot(slot), Some(site.allocator)))
            .or_default()
            .add(slot.sums.total);
    }
    [of_cells, of_slots]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Processes side by side, of which some become other programs, with stacks and sites that have several rows.
    #[test]
    fn of_any_run(
        steps in prop::collection::vec(
            (0..PROCESSES, 0..2_u32, prop::bool::weighted(0.02), 0..2_000_000_u64, event()), 0..150),
        query in query(),
        is_by_thread in any::<bool>(),
        has_bins in any::<bool>(),
    ) {
        let bytes = record_with_repeated_rows(steps).to_bytes();
        let (_folder, path) = file_of(&bytes);
        let [of_cells, of_slots] = sums(&path, &query);
        prop_assert_eq!(of_cells, of_slots);
        let split = if is_by_thread { Split::ByThread } else { Split::ByProcess };
        let bins = if has_bins { BinsWanted::Always } else { BinsWanted::Never };
        let [whole, nodes] = both(&bytes, &query, split, bins);
        prop_assert!(nodes == whole);
    }
}
