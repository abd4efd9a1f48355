//! Lists by place and peaks are the same, whether all stacks of a capture have been distinguished or not.

use memprof_replay::metric::Metric;
use memprof_reporter::place_report::{PlaceLists, PlaceReport};
use memprof_reporter::query::Query;
use memprof_reporter::report::Report;
use memprof_reporter::stats;
use memprof_reporter::text::TextStyle;
use memprof_reporter::view::{View, ViewKind};
use proptest::prelude::*;

use crate::capture_builder::{aggregated, file_of};
use crate::family_run::family_run;
use crate::lists;
use crate::native_run::native_run;
use crate::random_family::{PROCESSES, event, query, record_with_repeated_rows};
use crate::sample_run::sample_run;

/// All lists in all metrics.
fn lists(lists: &PlaceLists) -> String {
    let (mut out, style) = (Vec::new(), TextStyle::new(80, false));
    for metric in [Metric::Peak, Metric::Leaks, Metric::Total, Metric::Temporary] {
        stats::write_json(lists, metric, 10, &mut out).expect("memory can be written");
        stats::write_text(lists, metric, 10, &style, &mut out).expect("memory can be written");
        lists::table_json(lists, metric, &mut out).expect("memory can be written");
        lists::table_text(lists, metric, 10, &style, &mut out).expect("memory can be written");
    }
    String::from_utf8(out).expect("reports are UTF-8")
}

/// The lists of the two kinds of reports, in all views.
fn both(bytes: &[u8], query: &Query) -> [Vec<String>; 2] {
    let (_folder, path) = file_of(bytes);
    let views = [ViewKind::Hybrid, ViewKind::Python, ViewKind::Native].map(View::of);
    let whole = Report::open_with(&path, query).expect("it can be opened");
    let all = Report::open(&path).expect("it can be opened");
    let peaks = Report::peaks(&path).expect("it can be opened");
    assert_eq!(peaks.heap_bytes, all.total(Metric::Peak).bytes);
    let of_whole = views.map(|view| lists(&PlaceLists::of(&whole, view)));
    let of_places = views.map(|view| {
        let report = PlaceReport::open(&path, query, view).expect("it can be opened");
        assert_eq!(report.notes(), whole.notes());
        lists(&report.lists())
    });
    [of_whole.into(), of_places.into()]
}

#[test]
fn of_runs_with_everything() {
    for builder in [sample_run(), native_run(), family_run()] {
        for bytes in [builder.to_bytes(), aggregated(&builder.to_bytes())] {
            let [whole, places] = both(&bytes, &Query::default());
            assert_eq!(places, whole);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// Processes side by side, of which some become other programs, with stacks and sites that have several rows.
    #[test]
    fn of_any_run(
        steps in prop::collection::vec(
            (0..PROCESSES, 0..2_u32, prop::bool::weighted(0.02), 0..2_000_000_u64, event()), 0..150),
        query in query(),
    ) {
        let builder = record_with_repeated_rows(steps);
        let [whole, places] = both(&builder.to_bytes(), &query);
        prop_assert_eq!(places, whole);
    }
}
