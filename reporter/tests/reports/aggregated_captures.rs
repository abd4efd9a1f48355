//! Aggregated captures: reports on them are those on the captures that they were made of, whatever state these are in.

use crate::capture_builder::{CaptureBuilder, aggregated, file_of, report_on};
use crate::family_run::family_run;
use crate::lists;
use crate::native_run::native_run;
use crate::page_data::data_of;
use crate::random_family::{PROCESSES, event, record};
use crate::sample_run::sample_run;
use memprof_capture::file::CaptureReader;
use memprof_capture::file::aggregated_capture::AggregatedCapture;
use memprof_capture::file::rewrite::{Names, rewrite};
use memprof_replay::metric::Metric;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::query::Query;
use memprof_reporter::report::{Report, ReportError};
use memprof_reporter::view::{View, ViewKind};
use memprof_reporter::{flamegraph, stats};
use proptest::prelude::*;

/// Which reports.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Figures,
    /// Figures, and pages, which take some time.
    All,
}

/// Everything that reports say about a capture of these bytes.
fn reports(bytes: &[u8], of: Of) -> Result<Vec<String>, String> {
    let (_folder, path) = file_of(bytes);
    let mut report = Report::open(&path).map_err(|error| error.to_string())?;
    let mut all = vec![report.notes().join("\n")];
    let mut keep = |out: Vec<u8>| all.push(String::from_utf8(out).expect("reports are UTF-8"));
    for kind in [ViewKind::Hybrid, ViewKind::Python, ViewKind::Native] {
        let view = View::of(kind);
        for metric in [Metric::Peak, Metric::Leaks, Metric::Total, Metric::Temporary] {
            let (mut figures, mut rows) = (Vec::new(), Vec::new());
            stats::write_json(&PlaceLists::of(&report, view), metric, 10, &mut figures).expect("memory can be written");
            lists::table_json(&PlaceLists::of(&report, view), metric, &mut rows).expect("memory can be written");
            keep(figures);
            keep(rows);
        }
        if of == Of::All {
            let mut page = Vec::new();
            flamegraph::write_html(&mut report, view, Metric::Peak, &mut page).expect("memory can be written");
            let mut data = data_of(&String::from_utf8(page).expect("pages are UTF-8"));
            // All but why it has no ranges of time.
            data["header"]["aggregated"].take();
            keep(data.to_string().into_bytes());
        }
    }
    Ok(all)
}

/// Where the reports on a capture and those on it once it is aggregated first differ.
fn difference(bytes: &[u8], of: Of) -> Option<String> {
    let (expected, found) = (reports(bytes, of), reports(&aggregated(bytes), of));
    let (Ok(expected), Ok(found)) = (&expected, &found) else { return Some(format!("{found:?} for {expected:?}")) };
    let (expected, found) = expected.iter().zip(found).find(|(expected, found)| expected != found)?;
    let at = expected.bytes().zip(found.bytes()).position(|(one, other)| one != other).unwrap_or(0);
    let near = |text: &str| {
        String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(60)..]).chars().take(120).collect::<String>()
    };
    Some(format!("{} for {}", near(found), near(expected)))
}

#[track_caller]
fn assert_same(bytes: &[u8]) {
    assert_eq!(difference(bytes, Of::All), None);
}

#[test]
fn all_reports_are_the_same() {
    for builder in [sample_run(), native_run(), family_run()] {
        assert_same(&builder.to_bytes());
    }
}

#[test]
fn the_largest_resident_set_need_not_be_among_the_samples() {
    const LARGEST: u64 = 1 << 40;
    let (_folder, path) = file_of(&aggregated(&family_run().to_bytes()));
    let reader = CaptureReader::open(&path).expect("it can be opened");
    let mut aggregate = reader.aggregate().expect("it is aggregated").clone();
    aggregate.run.processes[1].largest_rss = Some(LARGEST);
    let capture = AggregatedCapture {
        header: reader.header(),
        facts: reader.facts(),
        tables: reader.tables(),
        rss: reader.rss(),
        children_rss: reader.children_rss(),
        aggregate: &aggregate,
        summary: reader.summary(),
    };
    let (mut bytes, mut figures) = (Vec::new(), Vec::new());
    capture.write(&mut bytes).expect("memory can be written");
    let report = report_on(&bytes);
    let lists = PlaceLists::of(&report, View::of(ViewKind::Hybrid));
    stats::write_json(&lists, Metric::Peak, 10, &mut figures).expect("memory can be written");
    let figures: serde_json::Value = serde_json::from_slice(&figures).expect("it is JSON");
    let resident: Vec<u64> = figures["processes"]
        .as_array()
        .expect("several processes")
        .iter()
        .filter_map(|process| process["peak_rss_bytes"].as_u64())
        .collect();
    assert_eq!(resident.iter().filter(|&&bytes| bytes == LARGEST).count(), 1, "{resident:?}");
}

#[test]
fn a_capture_without_an_end_has_none_afterwards() {
    let mut builder = native_run();
    builder.summary = None;
    assert_same(&builder.to_bytes());
    assert!(
        reports(&aggregated(&builder.to_bytes()), Of::Figures).expect("it can be opened")[0].contains("has no end")
    );
}

#[test]
fn what_needs_events_says_so() {
    let (_folder, path) = file_of(&aggregated(&family_run().to_bytes()));
    let pid = Report::open(&path).expect("it can be opened").processes().list()[0].pid;
    let some = Query { processes: vec![pid], ..Query::default() };
    let threshold = Query { temporary_threshold: 7, ..Query::default() };
    for (query, says) in [(some, "some of its processes"), (threshold, "threshold for temporary allocations")] {
        let Err(error @ ReportError::Aggregated(..)) = Report::open_with(&path, &query) else { panic!("{query:?}") };
        let message = error.to_string();
        assert!(message.contains("is aggregated") && message.contains(says) && !message.contains('\n'), "{message}");
    }
}

#[test]
fn names_can_be_added_later() {
    let bytes = aggregated(&native_run().to_bytes());
    let (_folder, path) = file_of(&bytes);
    let (header, mut out) = (CaptureReader::open(&path).expect("it can be opened").header().clone(), Vec::new());
    rewrite(&path, &header, Names { symbols: &[], sources: &[] }, &mut out).expect("it can be written");
    let (_folder, path) = file_of(&out);
    let again = CaptureReader::open(&path).expect("it can be opened");
    assert!(again.aggregate().is_some_and(|sums| !sums.slots.is_empty()));
    assert!(again.tables().symbols.iter().all(Vec::is_empty));
}

#[test]
fn without_its_sums_it_is_refused() {
    let mut bytes = aggregated(&sample_run().to_bytes());
    let chunks: Vec<usize> = (0..bytes.len() - 4).filter(|&at| bytes[at..].starts_with(b"MPck")).collect();
    bytes[chunks[1] + 60] ^= 1;
    let message = reports(&bytes, Of::Figures).expect_err("it is refused");
    assert!(message.contains("memprof-test.bin is an aggregated capture that was cut off or damaged"), "{message}");
}

#[test]
fn lost_slots_are_reported() {
    let bytes = aggregated(&sample_run().to_bytes());
    let slots = (0..bytes.len() - 5).find(|&at| bytes[at..].starts_with(b"MPck") && bytes[at + 4] == 15);
    let cut = reports(&bytes[..slots.expect("there are slots")], Of::All).expect("it can be opened");
    assert!(cut[0].contains("1 damaged chunk"), "{}", cut[0]);
}

/// Processes side by side, of which some become other programs.
fn family() -> impl Strategy<Value = Vec<u8>> {
    let step = (0..PROCESSES, 0..2_u32, prop::bool::weighted(0.02), 0..2_000_000_u64, event());
    (prop::collection::vec(step, 0..150), 1..40_usize).prop_map(|(steps, chunk_rows)| {
        let mut builder = CaptureBuilder::new();
        builder.chunk_rows = chunk_rows;
        record(&mut builder, steps);
        builder.to_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_run_is_the_same(bytes in family()) {
        prop_assert_eq!(difference(&bytes, Of::Figures), None);
    }

    /// What is damaged is damaged afterwards, in the same way.
    #[test]
    fn any_damaged_run_is_the_same(bytes in family(), at: prop::sample::Index, bits in 1..=255_u8) {
        let mut bytes = bytes;
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        if reports(&bytes, Of::Figures).is_ok() {
            prop_assert_eq!(difference(&bytes, Of::Figures), None);
        }
    }

    #[test]
    fn any_damage_and_any_cut_is_reported_or_refused(
        hits in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 0..4),
        cut: prop::sample::Index,
        which in 0..3_usize,
        is_cut: bool,
    ) {
        let mut bytes = aggregated(&[sample_run, native_run, family_run][which]().to_bytes());
        for (at, bits) in hits {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = reports(&bytes, Of::Figures);
    }
}
