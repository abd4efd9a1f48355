//! Whose native functions are the places of rows: `--places`.

use crate::capture_builder::CaptureBuilder;
use crate::lists;
use memprof_capture::file::Frame;
use memprof_channel::allocator::Allocator::Malloc;
use memprof_replay::metric::Metric;
use memprof_reporter::place_report::PlaceLists;
use memprof_reporter::report::Report;
use memprof_reporter::view::{PlacesOf, View, ViewKind};
use serde_json::Value;

const APP: &str = "/srv/shop/src/orders.rs";
const SERDE: &str = "/home/ada/.cargo/registry/src/index.crates.io-6f17d22bba15001f/serde_json-1.0.120/src/de.rs";
const JEMALLOC: &str =
    "/home/ada/.cargo/registry/src/index.crates.io-6f17d22bba15001f/tikv-jemallocator-0.6.0/src/lib.rs";
const VEC: &str = "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/alloc/src/vec/mod.rs";
const ALLOC: &str = "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/alloc/src/alloc.rs";
const RUN: (&str, &str, u32) = ("shop::main", APP, 3);
const PARSE: (&str, &str, u32) = ("serde_json::de::from_str", SERDE, 70);
const PUSH: (&str, &str, u32) = ("alloc::vec::Vec<T,A>::push", VEC, 990);
const RAW: (&str, &str, u32) = ("alloc::alloc::alloc", ALLOC, 95);
const ALLOCATOR: (&str, &str, u32) =
    ("<tikv_jemallocator::Jemalloc as core::alloc::global::GlobalAlloc>::alloc", JEMALLOC, 103);

/// A frame of a stack: function, source file and line.
type Function = (&'static str, &'static str, u32);

/// The place of an allocation with this stack.
fn place(stack: &[Function], places: PlacesOf) -> String {
    let mut builder = CaptureBuilder::new();
    let module = builder.module("/srv/shop/target/release/shop", false);
    let frames: Vec<_> = (0x100..)
        .step_by(16)
        .zip(stack)
        .map(|(address, function)| match function.0 {
            "<new thread>" => builder.frame(Frame::ThreadStart),
            _ => builder.native(Some(module), address, &[*function]),
        })
        .collect();
    let site = builder.site_of(&frames, Malloc);
    builder.allocate(16, 100, site);
    only_row(&builder.report(), places)
}

fn only_row(report: &Report, places: PlacesOf) -> String {
    let mut out = Vec::new();
    let view = View { places, ..View::of(ViewKind::Hybrid) };
    lists::table_json(&PlaceLists::of(report, view), Metric::Peak, &mut out).expect("memory can be written");
    let table: Value = serde_json::from_slice(&out).expect("it is JSON");
    assert_eq!(table["places_of"], places.name());
    let [row] = &table["rows"].as_array().expect("rows")[..] else { panic!("not one row: {table}") };
    row["function"].as_str().expect("a name").to_owned()
}

#[track_caller]
fn assert_places(stack: &[Function], [program, dependencies, all]: [&str; 3]) {
    for (places, expected) in
        [(PlacesOf::Program, program), (PlacesOf::Dependencies, dependencies), (PlacesOf::All, all)]
    {
        assert_eq!(place(stack, places), expected, "{places:?}");
    }
}

#[test]
fn a_standard_library_is_listed_on_request_only() {
    assert_places(&[RUN, PUSH, RAW], [RUN.0, RUN.0, PUSH.0]);
    let node = ("std::map<int, int>::operator[](int const&)", "/usr/include/c++/12/bits/stl_map.h", 511);
    assert_places(&[RUN, node, ("operator new(unsigned long)", "", 0)], [RUN.0, RUN.0, node.0]);
}

#[test]
fn crates_are_listed_unless_the_program_alone_is_asked_for() {
    assert_places(&[RUN, PARSE, PUSH, RAW], [RUN.0, PARSE.0, PUSH.0]);
}

#[test]
fn an_allocator_s_crate_is_no_place_although_other_crates_are() {
    assert_places(&[RUN, PARSE, PUSH, RAW, ALLOCATOR], [RUN.0, PARSE.0, ALLOCATOR.0]);
    // The functions before it are jumps, not calls.
    assert_places(&[RUN, ALLOCATOR], [RUN.0, RUN.0, ALLOCATOR.0]);
    let arena = ("tikv_jemallocator::arena", JEMALLOC, 7);
    assert_places(&[RUN, RAW, arena], [RUN.0, RUN.0, arena.0]);
}

#[test]
fn what_calls_back_into_the_program_is_left_out() {
    let closure = ("shop::main::{closure#0}", APP, 9);
    let resize = ("alloc::vec::Vec<T,A>::resize_with", VEC, 3000);
    assert_places(&[RUN, resize, closure, PUSH, RAW], [closure.0, closure.0, PUSH.0]);
}

/// Where nobody but libraries is on the stack, or nothing says whose the caller is, the innermost function counts.
#[test]
fn without_a_function_of_the_program_s_libraries_are_listed() {
    let start = ("std::rt::init", "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/std/src/rt.rs", 118);
    assert_places(&[start, PUSH, RAW], [PUSH.0, PUSH.0, PUSH.0]);
    let nameless = ("shop::main", "", 0);
    assert_places(&[nameless, PUSH, RAW], [PUSH.0, PUSH.0, PUSH.0]);
    assert_places(&[RAW, ("__rustc::__rust_alloc", "", 0)], [RAW.0, RAW.0, RAW.0]);
    // A library without debugging information may be the program's.
    assert_places(&[RUN, ("inflate", "", 0), PUSH, RAW], [PUSH.0, PUSH.0, PUSH.0]);
}

#[test]
fn a_thread_that_an_allocator_started_is_no_allocation() {
    let purge = ("tikv_jemallocator::purge", JEMALLOC, 8);
    let stack = [RUN, RAW, ALLOCATOR, ("<new thread>", "", 0), purge];
    assert_places(&stack, [RUN.0, purge.0, purge.0]);
}
