//! The flame graph page of a large tree.

use crate::capture_builder::CaptureBuilder;
use crate::capture_builder::large_tree::large_tree;
use memprof_replay::metric::Metric;
use memprof_reporter::flamegraph;
use memprof_reporter::view::View;
use serde_json::Value;

fn page(builder: &CaptureBuilder, metric: Metric) -> String {
    let mut out = Vec::new();
    flamegraph::write_html(&mut builder.report(), View::default(), metric, &mut out).expect("memory can be written");
    String::from_utf8(out).expect("the page is UTF-8")
}

/// What the page shows first, if it has such a thing.
fn first_view(page: &str) -> Option<Value> {
    let (_, rest) = page.split_once("id=\"memprof-first\">")?;
    let (first, _) = rest.split_once("</script>").expect("the element ends");
    Some(serde_json::from_str(first).expect("it is JSON"))
}

fn numbers(column: &Value) -> Vec<u64> {
    column.as_array().expect("a column").iter().map(|number| number.as_u64().expect("a number")).collect()
}

/// For the measurements in a browser (tests/page/large.test.mjs): `MEMPROF_LARGE_PAGE` names the page, and
/// `MEMPROF_LARGE_CAPTURE` the capture, for measurements of the command. In a debug build it takes half a minute.
#[test]
fn page_of_a_million_nodes() {
    const NODES: usize = 1_000_000;
    let Some(path) = std::env::var_os("MEMPROF_LARGE_PAGE") else { return };
    let builder = large_tree(NODES);
    if let Some(capture) = std::env::var_os("MEMPROF_LARGE_CAPTURE") {
        builder.write(capture.as_ref());
    }
    std::fs::write(path, page(&builder, Metric::Peak)).expect("the page can be written");
}

#[test]
fn what_is_seen_of_a_large_tree_comes_first() {
    let mut builder = large_tree(60_000);
    builder.header.command_line = vec!["</script><script>alert(1)".to_owned()];
    for metric in [Metric::Peak, Metric::Total] {
        let page = page(&builder, metric);
        assert!(!page.contains("<script>alert"));
        let first = first_view(&page).expect("a large tree has a first view");
        assert_eq!(first["metric"], metric.name());
        let column = |table: &str, name: &str| numbers(&first[table][name]);
        for measure in ["bytes", "allocations"] {
            let sum: u64 = column("cells", &format!("{}_{measure}", metric.name())).iter().sum();
            assert_eq!(Some(sum), first["totals"][metric.name()][measure].as_u64(), "{measure}");
        }
        let nodes = column("nodes", "up").len();
        assert!((100..20_000).contains(&nodes), "{nodes} nodes");
        assert_eq!(column("cells", "node"), (0..nodes as u64).collect::<Vec<_>>());
        // What is not drawn is there, as frames of a kind of their own.
        let merged = column("frames", "kind").iter().filter(|&&kind| kind == 7).count();
        assert_eq!(merged, 1);
    }
    assert!(first_view(&page(&large_tree(1000), Metric::Peak)).is_none(), "a small tree needs none");
}
