//! Native frames: their places, and what each view shows of them.

use crate::capture_builder;
use crate::capture_builder::CaptureBuilder;
use crate::lists;
use crate::native_run::{ALLOCATE, GEO, INDEX, INSERT, MAIN, PUSH_BACK, PYTHON, ZLIB, native_run};
use memprof_capture::file::Frame;
use memprof_channel::allocator::Allocator::Malloc;
use memprof_replay::metric::Metric;
use memprof_reporter::flame_tree::FlameTree;
use memprof_reporter::node::NodeId;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::places::Places;
use memprof_reporter::report::Report;
use memprof_reporter::view::{View, ViewKind, Views};
use serde_json::Value;

const WITH_RUNTIME: View = View { show_runtime: true, ..View::of(ViewKind::Hybrid) };
const HYBRID: View = View::of(ViewKind::Hybrid);
const PYTHON_VIEW: View = View::of(ViewKind::Python);
const NATIVE: View = View::of(ViewKind::Native);

/// The rows of the table: kind, function and bytes, most bytes first.
fn rows(report: &Report, view: View) -> Vec<(String, String, u64)> {
    let mut out = Vec::new();
    lists::table_json(&PlaceLists::of(report, view), Metric::Peak, &mut out).expect("memory can be written");
    let table: Value = serde_json::from_slice(&out).expect("it is JSON");
    assert_eq!(table["view"], view.kind.name());
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let row = |row: &Value| (text(&row["kind"]), text(&row["function"]), row["bytes"].as_u64().expect("a number"));
    table["rows"].as_array().expect("rows").iter().map(row).collect()
}

fn row(kind: &str, function: &str, bytes: u64) -> (String, String, u64) {
    (kind.to_owned(), function.to_owned(), bytes)
}

/// The stacks with own bytes: names from below the root, joined, with the bytes.
fn stacks(report: &Report, builder: &CaptureBuilder, view: View) -> Vec<(String, u64)> {
    let (reader, mut places) = resolved(builder);
    let tree =
        FlameTree::build(reader.tables(), &mut places, report.processes(), &report.aggregate().slots, view.alone());
    let mut stacks = Vec::new();
    for (index, own) in tree.own(Metric::Peak).iter().enumerate().filter(|(_, own)| own.bytes > 0) {
        let (mut names, mut at) = (Vec::new(), NodeId(index as u32));
        while at != NodeId::ROOT {
            names.insert(0, places.function(tree.nodes()[at.index()].place).to_owned());
            at = tree.nodes()[at.index()].parent;
        }
        stacks.push((names.join(" > "), own.bytes));
    }
    let total: u64 = stacks.iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(total, report.total(Metric::Peak).bytes, "nothing disappears");
    stacks.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    stacks
}

fn resolved(builder: &CaptureBuilder) -> (memprof_capture::file::CaptureReader, Places) {
    let (_folder, path) = capture_builder::file_of(&builder.to_bytes());
    let reader = memprof_capture::file::CaptureReader::open(&path).expect("the capture can be opened");
    let places = Places::resolve(reader.tables());
    (reader, places)
}

#[test]
fn rows_are_python_places_where_there_are_any() {
    let report = native_run().report();
    assert_eq!(
        rows(&report, HYBRID),
        [
            row("python", "build", (4 << 20) + (256 << 10) + (128 << 10)),
            row("native", "geo::Pool::work()", 1 << 20),
            row("python", "key", 512 << 10),
            row("special", "<Python runtime>", 1 << 18),
            row("special", "<Python runtime>", 72_704),
            row("python", "<module>", 64 << 10),
            row("special", "<no Python stack>", 1000),
            row("native", "geo::Pool::Pool(unsigned int)", 272),
        ]
    );
}

#[test]
fn each_view_has_its_rows() {
    let report = native_run().report();
    let python = rows(&report, PYTHON_VIEW);
    assert!(python.iter().all(|(kind, ..)| kind == "python" || kind == "special"), "{python:?}");
    assert!(python.contains(&row("special", "<no Python stack>", 72_704 + 1000)), "{python:?}");
    let native = rows(&report, NATIVE);
    for expected in [
        // The container and its allocator are the standard library's.
        row("native", INSERT, 4 << 20),
        row("native", "libz.so.1.2.13+0x9abc", 256 << 10),
        row("native", "0x7f1234567000", 128 << 10),
        row("runtime", "_PyObject_MakeTpCall", 512 << 10),
        row("runtime", "start_thread", 272),
        row("runtime", "Py_RunMain", 72_704),
        row("special", "<no native stack>", 1000),
    ] {
        assert!(native.contains(&expected), "{expected:?} in {native:?}");
    }
    let with_runtime = rows(&report, WITH_RUNTIME);
    for expected in [row("runtime", "Py_RunMain", 72_704), row("runtime", "start_thread", 272)] {
        assert!(with_runtime.contains(&expected), "{expected:?} in {with_runtime:?}");
    }
}

#[test]
fn each_view_has_its_stacks() {
    let builder = native_run();
    let report = builder.report();
    let hybrid = stacks(&report, &builder, HYBRID);
    let insert = format!("<module> > build > {INSERT} > {PUSH_BACK} > {ALLOCATE}");
    for (stack, bytes) in [
        (&*insert, 4 << 20),
        ("<module> > build > geo::Pool::Pool(unsigned int) > <new thread> > geo::Pool::work()", 1 << 20),
        ("<module> > build > geo::Pool::Pool(unsigned int) > <new thread>", 272),
        ("<module> > build > geo::call_key(_object*) > key", 512 << 10),
        ("<module> > build > libz.so.1.2.13+0x9abc", 256 << 10),
        ("<module> > build > <1,234 native frames elided> > 0x7f1234567000", 128 << 10),
        ("<Python runtime>", 72_704 + (1 << 18)),
        ("<module>", 64 << 10),
        ("<no Python stack> > malloc", 1000),
    ] {
        assert!(hybrid.contains(&(stack.to_owned(), bytes)), "{stack} in {hybrid:#?}");
    }
    let python = stacks(&report, &builder, PYTHON_VIEW);
    for (stack, bytes) in [
        ("<module> > build", (4 << 20) + (1 << 20) + 272 + (256 << 10) + (128 << 10)),
        ("<module> > build > key", 512 << 10),
        ("<no Python stack> > malloc", 72_704 + 1000),
        ("<no Python stack> > mmap", 1 << 18),
    ] {
        assert!(python.contains(&(stack.to_owned(), bytes)), "{stack} in {python:#?}");
    }
    let native = stacks(&report, &builder, NATIVE);
    let run = "_start > __libc_start_main@@GLIBC_2.34 > main > Py_BytesMain > Py_RunMain";
    let evaluation = "_PyEval_EvalFrameDefault";
    let call_back = format!(
        "{run} > PyEval_EvalCode > {evaluation} > _PyObject_MakeTpCall > geo::call_key(_object*) > {evaluation} > \
         _PyObject_MakeTpCall"
    );
    for (stack, bytes) in [(run, 72_704 + (1 << 18)), (&*call_back, 512 << 10), ("<no native stack>", 1000)] {
        assert!(native.contains(&(stack.to_owned(), bytes)), "{stack} in {native:#?}");
    }
    let with_runtime = stacks(&report, &builder, WITH_RUNTIME);
    assert!(with_runtime.contains(&(run.to_owned(), 72_704 + (1 << 18))), "{with_runtime:#?}");
    assert!(!with_runtime.iter().any(|(stack, _)| stack.contains(evaluation)), "{with_runtime:#?}");
}

#[test]
fn native_places_have_a_file_and_a_module() {
    let (reader, places) = resolved(&native_run());
    let place = |name: &str| {
        let all = (0..reader.tables().frames.len())
            .flat_map(|frame| places.of_frame(memprof_channel::ids::FrameId::from_index(frame)).iter().copied());
        let found = all.into_iter().find(|&place| places.function(place) == name);
        found.unwrap_or_else(|| panic!("no place {name}"))
    };
    let insert = place(INSERT);
    assert_eq!((places.file(insert), places.line(insert)), ("/build/geo/src/index.hpp", 218));
    assert_eq!(places.module(insert), Some(GEO));
    let unnamed = place("libz.so.1.2.13+0x9abc");
    assert_eq!((places.file(unnamed), places.line(unnamed), places.module(unnamed)), (ZLIB, 0, Some(ZLIB)));
    let generated = place("0x7f1234567000");
    assert_eq!((places.file(generated), places.module(generated)), ("", None));
    assert_eq!(places.module(place("key")), None);
    assert_eq!((places.file(place("build")), places.file(place("key"))), (INDEX, MAIN));
}

#[test]
fn a_function_of_two_modules_is_one_place() {
    let mut builder = CaptureBuilder::new();
    let header = [("std::swap<int>(int&, int&)", "/usr/include/c++/12/bits/move.h", 204)];
    let sites: Vec<_> = ["/lib/a.so", "/lib/b.so"]
        .map(|path| {
            let module = builder.module(path, false);
            let frame = builder.native(Some(module), 0x100, &header);
            builder.site_of(&[frame], Malloc)
        })
        .to_vec();
    builder.allocate(16, 100, sites[0]).allocate(32, 100, sites[1]);
    assert_eq!(rows(&builder.report(), HYBRID), [row("native", header[0].0, 200)]);
    let (_, places) = resolved(&builder);
    assert_eq!(places.module(places.of_frame(memprof_channel::ids::FrameId(0))[0]), None);
}

#[test]
fn an_embedding_application_is_shown_and_its_python_is_not() {
    let mut builder = CaptureBuilder::new();
    let module = builder.module("/opt/studio/bin/studio", true);
    let frames: Vec<_> = ["main", "studio::Scripts::run()", "PyRun_StringFlags", "pybind11::detail::dispatch"]
        .iter()
        .zip((0x100..).step_by(16))
        .map(|(name, address)| builder.native(Some(module), address, &[(name, "", 0)]))
        .collect();
    let site = builder.site_of(&frames, Malloc);
    builder.allocate(16, 100, site);
    let hybrid = stacks(&builder.report(), &builder, HYBRID);
    assert_eq!(hybrid, [("main > studio::Scripts::run() > pybind11::detail::dispatch".to_owned(), 100)]);
}

#[test]
fn a_thread_is_not_listed_under_its_creator() {
    let mut builder = CaptureBuilder::new();
    let python = builder.module(PYTHON, true);
    let creator = builder.python(("start", "/usr/lib/python3.11/threading.py", 957));
    let new_thread = builder.frame(Frame::ThreadStart);
    let wrapper = builder.native(Some(python), 0x100, &[("pythread_wrapper", "Python/thread_pthread.h", 241)]);
    let run = builder.python(("run", "/usr/lib/python3.11/threading.py", 975));
    let outside = builder.site_of(&[creator, new_thread, wrapper], Malloc);
    let inside = builder.site_of(&[creator, new_thread, wrapper, run], Malloc);
    builder.allocate(16, 100, outside).allocate(32, 10, inside);
    let report = builder.report();
    assert_eq!(rows(&report, HYBRID), [row("special", "<Python runtime>", 100), row("python", "run", 10)]);
    assert_eq!(rows(&report, WITH_RUNTIME), [row("runtime", "pythread_wrapper", 100), row("python", "run", 10)]);
    assert_eq!(rows(&report, PYTHON_VIEW), [row("python", "start", 100), row("python", "run", 10)]);
}

#[test]
fn a_stack_without_native_frames_keeps_its_place_in_all_views() {
    let mut builder = native_run();
    let site = builder.site(&[("alone", MAIN, 3)], Malloc);
    builder.allocate(0x7000_0000, 77, site);
    let report = builder.report();
    for (view, stack) in [(HYBRID, "alone"), (PYTHON_VIEW, "alone"), (NATIVE, "<no native stack>")] {
        let stacks = stacks(&report, &builder, view);
        let found = stacks.iter().find(|(name, _)| name == stack);
        assert!(found.is_some_and(|(_, bytes)| *bytes == if view == NATIVE { 1077 } else { 77 }), "{stacks:?}");
    }
}

#[test]
fn one_frame_left_out_is_one_frame() {
    let mut builder = CaptureBuilder::new();
    let elided = builder.frame(Frame::Elided { frames: 1 });
    let native = builder.native(None, 0x10, &[]);
    let site = builder.site_of(&[elided, native], Malloc);
    builder.allocate(16, 1, site);
    let hybrid = stacks(&builder.report(), &builder, HYBRID);
    assert_eq!(hybrid, [("<1 native frame elided> > 0x10".to_owned(), 1)]);
}

#[test]
fn the_tree_of_all_views_holds_that_of_each() {
    let builder = native_run();
    let report = builder.report();
    let (reader, mut places) = resolved(&builder);
    let tree =
        FlameTree::build(reader.tables(), &mut places, report.processes(), &report.aggregate().slots, Views::ALL);
    for view in [HYBRID, WITH_RUNTIME, PYTHON_VIEW, NATIVE] {
        let mut folded: Vec<(String, u64)> = Vec::new();
        for (index, own) in tree.own(Metric::Peak).iter().enumerate().filter(|(_, own)| own.bytes > 0) {
            let (mut names, mut at) = (Vec::new(), NodeId(index as u32));
            while at != NodeId::ROOT {
                let place = tree.nodes()[at.index()].place;
                if places.get(place).shown.intersects(view.alone()) {
                    names.insert(0, places.function(place).to_owned());
                }
                at = tree.nodes()[at.index()].parent;
            }
            let name = names.join(" > ");
            assert_ne!(name, "", "every view has something to show of each stack");
            match folded.iter_mut().find(|(known, _)| *known == name) {
                Some((_, bytes)) => *bytes += own.bytes,
                None => folded.push((name, own.bytes)),
            }
        }
        let mut alone = stacks(&report, &builder, view);
        folded.sort();
        alone.sort();
        assert_eq!(folded, alone, "{view:?}");
    }
}
