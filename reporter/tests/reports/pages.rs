//! The pages: self-contained, with the data that their scripts expect.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::capture_builder::{CaptureBuilder, aggregated, report_on};
use crate::family_run::{GZIP, MAIN, WORKER, family_run};
use crate::native_run::{GEO, INSERT, native_run};
use crate::page_data::data_of;
use crate::sample_run::sample_run;
use crate::tree_run::tree_run;
use memprof_channel::allocator::Allocator::{Malloc, Mmap};
use memprof_channel::object_tracing::ObjectTracing;
use memprof_replay::metric::Metric;
use memprof_reporter::actors::Split;
use memprof_reporter::flamegraph::{self, GraphShape};
use memprof_reporter::view::{View, ViewKind};
use serde_json::{Value, json};

fn report_page(builder: &CaptureBuilder) -> String {
    let mut out = Vec::new();
    flamegraph::write_report(&mut builder.report(), View::default(), Metric::Peak, &mut out)
        .expect("memory can be written");
    String::from_utf8(out).expect("the page is UTF-8")
}

fn flame_page(builder: &CaptureBuilder) -> String {
    let mut out = Vec::new();
    flamegraph::write_html(&mut builder.report(), View::default(), Metric::Peak, &mut out)
        .expect("memory can be written");
    String::from_utf8(out).expect("the page is UTF-8")
}

#[cfg(feature = "svg")]
fn picture(builder: &CaptureBuilder, view: View) -> String {
    let mut out = Vec::new();
    flamegraph::write_svg(&mut builder.report(), view, Metric::Peak, &mut out).expect("memory can be written");
    String::from_utf8(out).expect("SVG is UTF-8")
}

fn numbers(column: &Value) -> Vec<u64> {
    column.as_array().expect("a column").iter().map(|number| number.as_u64().expect("a number")).collect()
}

/// The names on the way from the root to a node.
fn path(data: &Value, node: usize) -> Vec<String> {
    let parents = numbers(&data["nodes"]["parent"]);
    let mut path = Vec::new();
    let mut at = node;
    loop {
        let frame = data["nodes"]["frame"][at].as_u64().expect("a frame") as usize;
        let text = |column: &str| {
            let string = data["frames"][column][frame].as_u64().expect("a string") as usize;
            data["strings"][string].as_str().expect("a text").to_owned()
        };
        path.insert(0, format!("{}:{}", text("function"), data["frames"]["line"][frame]));
        if at == 0 {
            return path;
        }
        at = parents[at] as usize;
    }
}

#[test]
fn a_page_fetches_nothing() {
    for page in [flame_page(&sample_run()), report_page(&sample_run())] {
        for fetching in ["src=\"", "@import", "<link rel=\"stylesheet\"", "url(http"] {
            assert!(!page.contains(fetching), "{fetching}");
        }
        assert!(page.starts_with("<!doctype html>"));
        assert!(page.trim_end().ends_with("</html>"));
    }
}

#[test]
fn the_flame_page_has_the_tree() {
    let data = data_of(&flame_page(&sample_run()));
    assert_eq!(data["schema"], "memprof-page-1");
    assert_eq!(data["metric"], "peak");
    assert_eq!(data["header"]["command_line"], "python3 examples/random_primes_sum.py 1000");
    assert_eq!(data["header"]["notes"], json!([]));
    assert_eq!(
        data["threads"],
        json!([
            {"id": 4711, "label": "python3 (4711)", "process": 0},
            {"id": 4712, "label": "loader (4712)", "process": 0},
        ])
    );
    let nodes = numbers(&data["nodes"]["parent"]).len();
    assert_eq!(path(&data, 0), ["all:0"]);
    for column in ["frame", "peak_bytes", "peak_allocations", "leaked_bytes", "leaked_allocations", "total_bytes"] {
        assert_eq!(numbers(&data["nodes"][column]).len(), nodes, "{column}");
    }
    for metric in ["peak", "leaked", "total", "temporary"] {
        for unit in ["bytes", "allocations"] {
            let sum: u64 = numbers(&data["nodes"][format!("{metric}_{unit}")]).iter().sum();
            assert_eq!(Some(sum), data["totals"][metric][unit].as_u64(), "{metric} {unit}");
        }
    }
    let paths: Vec<_> = (0..nodes).map(|node| path(&data, node)).collect();
    for expected in [
        &["all:0", "<no Python stack>:0", "calloc:0"][..],
        &["all:0", "<module>:31", "random_primes_sum:12", "uniform:522"],
        &["all:0", "<module>:31", "random_primes_sum:12", "<listcomp>:12"],
    ] {
        assert_eq!(paths.iter().filter(|path| *path == expected).count(), 1, "{expected:?} in {paths:?}");
    }
    let heap = numbers(&data["timeline"]["heap"]["bytes"]);
    assert_eq!(heap.iter().max().copied(), data["totals"]["peak"]["bytes"].as_u64());
    assert_eq!(numbers(&data["timeline"]["rss"]["bytes"]).len(), 100);
    assert_eq!(data["frames"]["source"][0], -1);
}

#[test]
fn the_flame_page_has_a_node_for_each_process() {
    let data = data_of(&flame_page(&family_run()));
    let entries = data["processes"].as_array().expect("processes");
    let header = data["header"]["processes"].as_array().expect("processes");
    assert_eq!((entries.len(), header.len(), &data["header"]["processes_recorded"]), (4, 4, &json!(4)));
    let label = format!("exec by {MAIN}: gzip -9 tracks.json");
    assert_eq!(
        header[3],
        json!({"pid": GZIP, "label": label, "command_line": "gzip -9 tracks.json", "started_s": 0.5})
    );
    assert_eq!(header[1]["label"], format!("fork of {MAIN}"));
    let parents = numbers(&data["nodes"]["parent"]);
    let nodes: Vec<usize> = entries.iter().map(|entry| entry["node"].as_u64().expect("a node") as usize).collect();
    let name = |node: usize| path(&data, node).join(" > ");
    assert_eq!(name(nodes[3]), "all:0 > process 4730: gzip -9 tracks.json:0");
    assert_eq!(data["frames"]["kind"][data["nodes"]["frame"][nodes[3]].as_u64().expect("a frame") as usize], 5);
    // What is below a process's node adds up to what it has.
    let mut process_of = vec![None; parents.len()];
    for node in 1..parents.len() {
        let of_itself = nodes.iter().position(|&of_process| of_process == node);
        process_of[node] = of_itself.or_else(|| process_of[parents[node] as usize]);
    }
    for (process, entry) in entries.iter().enumerate() {
        for metric in ["peak", "leaked", "total", "temporary"] {
            for unit in ["bytes", "allocations"] {
                let column = numbers(&data["nodes"][format!("{metric}_{unit}")]);
                let below = column.iter().zip(&process_of).filter(|(_, of)| **of == Some(process));
                let sum: u64 = below.map(|(value, _)| value).sum();
                assert_eq!(Some(sum), entry[metric][unit].as_u64(), "{metric} {unit} of process {process}");
            }
        }
    }
    assert_eq!(entries[3]["own_peak_bytes"], 262_144);
    // 20, 20 + 11, 22 + 11, then all three; two of them end, and the first is sampled again before its end.
    let rss: Vec<u64> = numbers(&data["timeline"]["rss"]["bytes"]).iter().map(|bytes| bytes >> 20).collect();
    assert_eq!(rss, [20, 31, 33, 45, 43, 43, 31, 30, 21, 0]);
    // A process alone needs no such node.
    let mut out = Vec::new();
    let mut report = family_run().report_of(&[WORKER]).expect("it was recorded");
    flamegraph::write_html(&mut report, View::default(), Metric::Peak, &mut out).expect("memory can be written");
    let data = data_of(&String::from_utf8(out).expect("the page is UTF-8"));
    assert_eq!((&data["processes"][0]["node"], &data["header"]["processes_recorded"]), (&Value::Null, &json!(4)));
    assert_eq!(data["threads"], json!([{"id": WORKER, "label": format!("MainThread ({WORKER})"), "process": 0}]));
    assert_eq!(path(&data, 1), ["all:0", "<module>:20"]);
}

#[test]
fn a_hint_explains_arenas_where_there_are_some() {
    let hint = |builder: &CaptureBuilder| data_of(&flame_page(builder))["header"]["hint"].clone();
    let text = hint(&sample_run());
    assert!(text.as_str().is_some_and(|text| text.contains("arenas of 1 MiB")), "{text}");
    let mut traced = sample_run();
    traced.header.python_allocators_traced = ObjectTracing::Always;
    assert_eq!(hint(&traced), Value::Null);
    // Native frames say whose mapping it was.
    for (path, is_interpreter) in [("/lib/other.so", false), ("/lib/libpython3.11.so", true)] {
        let mut builder = native_run();
        let module = builder.module(path, is_interpreter);
        let frame = builder.native(Some(module), 0x10, &[("maps", "", 0)]);
        let site = builder.site_of(&[frame], Mmap);
        builder.map(1 << 40, 1 << 20, site);
        assert_eq!(hint(&builder).is_string(), is_interpreter, "{path}");
    }
}

#[test]
fn a_page_knows_whether_its_capture_has_events() {
    let run = family_run();
    for (bytes, is_aggregated) in [(run.to_bytes(), false), (aggregated(&run.to_bytes()), true)] {
        let mut out = Vec::new();
        flamegraph::write_html(&mut report_on(&bytes), View::default(), Metric::Peak, &mut out)
            .expect("memory can be written");
        let data = data_of(&String::from_utf8(out).expect("the page is UTF-8"));
        assert_eq!(data["header"]["aggregated"], is_aggregated);
    }
}

#[test]
fn threads_can_have_frames_of_their_own() {
    let shape = GraphShape { inverted: true, split: Split::ByThread, ..GraphShape::default() };
    let mut out = Vec::new();
    flamegraph::write_html(&mut family_run().report(), shape, Metric::Peak, &mut out).expect("memory can be written");
    let data = data_of(std::str::from_utf8(&out).expect("the page is UTF-8"));
    assert_eq!(data["inverted"], true);
    let (frames, kinds) = (numbers(&data["nodes"]["frame"]), numbers(&data["frames"]["kind"]));
    let kind = |node: u64| kinds[frames[node as usize] as usize];
    let parents = numbers(&data["nodes"]["parent"]);
    // Each cell's stack has one frame of its thread, right below that of the process.
    let label = |thread: u64| data["threads"][thread as usize]["label"].as_str().expect("a label").to_owned();
    let cells = numbers(&data["cells"]["node"]).into_iter().zip(numbers(&data["cells"]["thread"]));
    for (cell, thread) in cells {
        let mut at = cell;
        while kind(at) != 6 {
            assert_ne!(at, 0, "a frame of the thread is missing");
            at = parents[at as usize];
        }
        assert_eq!(kind(parents[at as usize]), 5);
        let name = path(&data, at as usize).pop().expect("a name");
        assert_eq!(name, format!("thread {}:0", label(thread)));
    }
}

/// For the tests of pages in a browser (tests/page): `MEMPROF_PAGES` names the folder.
#[test]
fn pages_for_the_browser() {
    let Some(folder) = std::env::var_os("MEMPROF_PAGES").map(std::path::PathBuf::from) else { return };
    std::fs::write(folder.join("family.html"), flame_page(&family_run())).expect("the page can be written");
    std::fs::write(folder.join("empty.html"), report_page(&CaptureBuilder::new())).expect("the page can be written");
}

#[test]
fn the_flame_page_has_the_frames_of_all_views() {
    let data = data_of(&flame_page(&native_run()));
    assert_eq!(
        (&data["view"], &data["show_runtime"], &data["show_imports"]),
        (&json!("hybrid"), &json!(false), &json!(false))
    );
    let frames = &data["frames"];
    let text = |index: &Value| data["strings"][index.as_u64().expect("a string") as usize].as_str().expect("a text");
    let functions = frames["function"].as_array().expect("a column");
    let shown_and_kind = |name: &str| {
        let found = functions.iter().position(|function| text(function) == name);
        let frame = found.unwrap_or_else(|| panic!("no frame {name}"));
        (frames["shown"][frame].as_u64().expect("bits"), frames["kind"][frame].as_u64().expect("a kind"))
    };
    // Hybrid 1, hybrid with the runtime 2, Python 4, native 8; without the import machinery 16, 32 and 64.
    assert_eq!(shown_and_kind("all"), (127, 3));
    assert_eq!(shown_and_kind("build"), (119, 0));
    assert_eq!(shown_and_kind(INSERT), (59, 1));
    assert_eq!(shown_and_kind("Py_RunMain"), (42, 2));
    assert_eq!(shown_and_kind("_PyEval_EvalFrameDefault"), (8, 4));
    assert_eq!(shown_and_kind("<new thread>"), (59, 3));
    assert_eq!(shown_and_kind("<Python runtime>"), (17, 3));
    let insert = functions.iter().position(|function| text(function) == INSERT).expect("it is there");
    assert_eq!(text(&frames["module"][insert]), GEO);
    assert_eq!(frames["module"][0], -1);
    let sum: u64 = numbers(&data["nodes"]["peak_bytes"]).iter().sum();
    assert_eq!(Some(sum), data["totals"]["peak"]["bytes"].as_u64());
}

#[test]
fn the_page_knows_what_import_machinery_is() {
    let data = data_of(&flame_page(&tree_run()));
    let (frames, strings) = (&data["frames"], data["strings"].as_array().expect("texts"));
    let files = frames["file"].as_array().expect("a column").iter();
    let is_machinery = |file: &Value| {
        let file = &strings[file.as_u64().expect("a string") as usize];
        file.as_str().expect("a text").starts_with("<frozen importlib")
    };
    let kinds = frames["kind"].as_array().expect("a column").iter();
    let (mut folded, mut others) = (0, 0);
    for ((file, kind), shown) in files.zip(kinds).zip(frames["shown"].as_array().expect("a column")) {
        match (is_machinery(file), kind == 0) {
            (true, _) => (folded += 1, assert_eq!(*shown, 7)).0,
            (false, true) => (others += 1, assert_eq!(*shown, 119)).0,
            (false, false) => {}
        }
    }
    assert!(folded == 3 && others > 20, "{folded} {others}");
}

#[test]
fn a_page_begins_with_the_view_that_was_asked_for() {
    let view = View { show_runtime: true, show_imports: true, ..View::of(ViewKind::Native) };
    let mut out = Vec::new();
    flamegraph::write_html(&mut native_run().report(), view, Metric::Peak, &mut out).expect("memory can be written");
    let data = data_of(std::str::from_utf8(&out).expect("the page is UTF-8"));
    assert_eq!(
        (&data["view"], &data["show_runtime"], &data["show_imports"]),
        (&json!("native"), &json!(true), &json!(true))
    );
}

#[cfg(feature = "svg")]
#[test]
fn the_picture_obeys_the_view() {
    let run = native_run();
    let [hybrid, python, native] =
        [ViewKind::Hybrid, ViewKind::Python, ViewKind::Native].map(|kind| picture(&run, View::of(kind)));
    let with_runtime = picture(&run, View { show_runtime: true, ..View::of(ViewKind::Hybrid) });
    for (name, has) in [
        ("geo::Pool::work() (/build/geo/src/pool.cpp:50)", [true, false, true, true]),
        ("key (/srv/tracks/nearest.py:4)", [true, true, false, true]),
        ("Py_RunMain (/usr/bin/python3.11)", [false, false, true, true]),
        ("_PyEval_EvalFrameDefault", [false, false, true, false]),
        ("&lt;Python runtime&gt;", [true, false, false, false]),
    ] {
        let found = [&hybrid, &python, &native, &with_runtime].map(|picture| picture.contains(name));
        assert_eq!(found, has, "{name}");
    }
}

/// Everything but the data is the same in all pages.
#[test]
fn a_page_without_data_has_at_most_150_kb() {
    let page = report_page(&sample_run());
    let (before, rest) = page.split_once("id=\"memprof-data\">").expect("there is data");
    let (_, after) = rest.split_once("</script>").expect("the data ends");
    let frame = before.len() + after.len();
    assert!(frame <= 150_000, "{frame} bytes");
}

#[test]
fn the_report_has_whole_sources_and_says_why_others_are_missing() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = |name: &str| folder.path().join(name).to_str().expect("the name is UTF-8").to_owned();
    let text = "def fill():\n    # größer\n    return [0] * 1000\n";
    let file = |name: &str, text: &str| {
        std::fs::write(path(name), text).expect("a file can be written");
        std::fs::set_permissions(path(name), Permissions::from_mode(0o644)).expect("a mode can be set");
        path(name)
    };
    let (shown, caller, huge) = (file("shown.py", text), file("caller.py", ""), file("huge.py", &"#".repeat(5 << 20)));
    let missing = path("missing.py");
    let mut builder = CaptureBuilder::new();
    builder.header.start_unix_ns = u64::MAX;
    for (size, file) in [(4000, &missing), (3000, &shown), (2000, &huge)] {
        let site = builder.site(&[("<module>", &caller, 1), ("fill", file, 3)], Malloc);
        builder.allocate(size << 8, size, site);
    }
    let data = data_of(&report_page(&builder));
    assert_eq!(data["opens_on"], "overview");
    let sources = &data["sources"];
    let names: Vec<_> =
        numbers(&sources["file"]).into_iter().map(|file| data["strings"][file as usize].clone()).collect();
    assert_eq!(json!(names), json!([missing, shown, huge, caller]), "those that allocated most come first");
    assert_eq!(sources["text"], json!(["", text, "", ""]));
    let absent: Vec<_> = (0..4).map(|at| sources["absent"][at].as_str().expect("a reason")).collect();
    assert!(absent[0].contains("not there") && absent[2].contains("2 MiB"), "{absent:?}");
    assert_eq!((absent[1], absent[3]), ("", ""));
    let data = data_of(&flame_page(&builder));
    assert_eq!((&data["opens_on"], &data["sources"]), (&json!("flame"), &Value::Null));
}

#[test]
fn names_cannot_break_out_of_a_page() {
    let mut builder = CaptureBuilder::new();
    builder.header.command_line = vec!["</title><script>alert(1)</script>".to_owned()];
    let site = builder.site(&[("</script><script>alert(2)", "<!--.py", 1)], Malloc);
    builder.allocate(16, 100, site);
    let page = flame_page(&builder);
    assert!(!page.contains("<script>alert"));
    let data = data_of(&page);
    assert!(data["strings"].as_array().expect("strings").contains(&json!("</script><script>alert(2)")));
}

#[test]
fn stacks_of_100000_frames_are_drawn() {
    let mut builder = CaptureBuilder::new();
    let frames: Vec<_> = (0..8).map(|line| ("deep", "a.py", line + 1)).collect();
    let site = builder.deep_site(&frames, 100_000, Malloc);
    builder.allocate(16, 100, site);
    let data = data_of(&flame_page(&builder));
    assert_eq!(numbers(&data["nodes"]["parent"]).len(), 100_001);
    #[cfg(feature = "svg")]
    {
        let mut out = Vec::new();
        flamegraph::write_svg(&mut builder.report(), View::default(), Metric::Peak, &mut out)
            .expect("memory can be written");
        assert!(String::from_utf8(out).expect("SVG is UTF-8").contains("+1 more"));
    }
}

#[cfg(feature = "svg")]
#[test]
fn the_picture_shows_places_and_bytes() {
    let svg = picture(&sample_run(), View::default());
    assert!(svg.contains("uniform (/usr/lib/python3.11/random.py:522) (6,291,456 bytes"), "{}", &svg[svg.len() / 2..]);
    let mut out = Vec::new();
    flamegraph::write_svg(&mut CaptureBuilder::new().report(), View::default(), Metric::Peak, &mut out)
        .expect("memory can be written");
    assert!(String::from_utf8(out).expect("SVG is UTF-8").contains("nothing was allocated"));
}
