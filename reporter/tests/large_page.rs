//! The flame graph page of a tree with a million nodes.

mod capture_builder;
mod page_columns;

use std::io::Write;

use capture_builder::large_tree::large_tree;
use memprof_replay::metric::Metric;
use memprof_reporter::flamegraph;
use memprof_reporter::view::View;

/// For the measurements in a browser (tests/page/large.test.mjs): `MEMPROF_LARGE_PAGE` names the page, and
/// `MEMPROF_LARGE_CAPTURE` the capture, for measurements of the command. In a debug build it takes half a minute.
#[test]
fn page_of_a_million_nodes() {
    const NODES: usize = 1_000_000;
    let Some(page) = std::env::var_os("MEMPROF_LARGE_PAGE") else { return };
    let builder = large_tree(NODES);
    if let Some(capture) = std::env::var_os("MEMPROF_LARGE_CAPTURE") {
        builder.write(capture.as_ref());
    }
    let mut out = Vec::new();
    flamegraph::write_html(&mut builder.report(), View::default(), Metric::Peak, &mut out)
        .expect("memory can be written");
    std::fs::File::create(page).and_then(|mut file| file.write_all(&out)).expect("the page can be written");
}
