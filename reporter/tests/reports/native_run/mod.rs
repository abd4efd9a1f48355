//! A run of a Python program with a C++ extension: native frames of every kind.

use memprof_capture::file::{Fact, Frame, SymbolSource};
use memprof_channel::allocator::Allocator::{Calloc, Malloc, Mmap, Realloc};
use memprof_channel::ids::{FrameId, ModuleId};

use crate::capture_builder::CaptureBuilder;

pub const MAIN: &str = "/srv/tracks/nearest.py";
pub const INDEX: &str = "/srv/tracks/.venv/lib/python3.11/site-packages/geo/index.py";
pub const PYTHON: &str = "/usr/bin/python3.11";
pub const GEO: &str = "/srv/tracks/.venv/lib/python3.11/site-packages/geo/_index.cpython-311-x86_64-linux-gnu.so";
pub const LIBC: &str = "/usr/lib/x86_64-linux-gnu/libc.so.6";
pub const ZLIB: &str = "/usr/lib/x86_64-linux-gnu/libz.so.1.2.13";
pub const INSERT: &str =
    "geo::Index<std::pair<double, double>, 16ul>::insert(std::pair<double, double> const&, unsigned long)";
pub const PUSH_BACK: &str = "std::vector<geo::Node<std::pair<double, double> >, std::allocator<geo::Node<std::pair<double, double> > > >::push_back(geo::Node<std::pair<double, double> >&&)";
pub const ALLOCATE: &str =
    "__gnu_cxx::new_allocator<geo::Node<std::pair<double, double> > >::allocate(unsigned long, void const*)";

/// The frames that start a Python program, up to its first evaluation loop.
pub fn start_of_python(builder: &mut CaptureBuilder, python: ModuleId, libc: ModuleId) -> Vec<FrameId> {
    let mut frames = vec![builder.native(Some(python), 0x1000, &[("_start", "", 0)])];
    frames.push(builder.native(Some(libc), 0x2000, &[("__libc_start_main@@GLIBC_2.34", "", 0)]));
    for (address, name) in (0x1100..).step_by(16).zip(["main", "Py_BytesMain", "Py_RunMain", "PyEval_EvalCode"]) {
        frames.push(builder.native(Some(python), address, &[(name, "", 0)]));
    }
    frames.push(builder.evaluation(python, 0x1200));
    frames
}

/// Python calls a C++ extension that calls back; a library without names; a thread; the interpreter by itself.
pub fn native_run() -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    let python = builder.module(PYTHON, true);
    let geo = builder.module(GEO, false);
    let libc = builder.module(LIBC, false);
    let zlib = builder.module(ZLIB, false);
    let start = start_of_python(&mut builder, python, libc);
    let module = builder.python(("<module>", MAIN, 9));
    let build = builder.python(("build", INDEX, 31));
    let key = builder.python(("key", MAIN, 4));
    let call = builder.native(Some(python), 0x1300, &[("_PyObject_MakeTpCall", "Objects/call.c", 214)]);
    let insert = builder.native(
        Some(geo),
        0x4000,
        &[
            (INSERT, "/build/geo/src/index.hpp", 218),
            (PUSH_BACK, "/usr/include/c++/12/bits/stl_vector.h", 1287),
            (ALLOCATE, "/usr/include/c++/12/bits/new_allocator.h", 137),
        ],
    );
    let call_back = builder.native(Some(geo), 0x4100, &[("geo::call_key(_object*)", "/build/geo/src/module.cpp", 77)]);
    let evaluation = builder.evaluation(python, 0x1210);
    let inflate = builder.native(Some(zlib), 0x9abc, &[]);
    let generated = builder.native(None, 0x7f12_3456_7000, &[]);
    let elided = builder.frame(Frame::Elided { frames: 1234 });
    let new_thread = builder.frame(Frame::ThreadStart);
    let clone = builder.native(Some(libc), 0x2100, &[("clone3", "", 0)]);
    let start_thread = builder.native(Some(libc), 0x2200, &[("start_thread", "", 0)]);
    let worker = builder.native(Some(geo), 0x4200, &[("geo::Pool::work()", "/build/geo/src/pool.cpp", 50)]);
    let create = builder.native(Some(geo), 0x4300, &[("geo::Pool::Pool(unsigned int)", "/build/geo/src/pool.cpp", 20)]);

    let join = |parts: &[&[FrameId]]| parts.concat();
    let script = join(&[&start, &[module]]);
    let in_build = join(&[&script, &[build, call]]);
    let mut sites = Vec::new();
    let mut site = |builder: &mut CaptureBuilder, frames: Vec<FrameId>, allocator, size: u64| {
        sites.push((builder.site_of(&frames, allocator), size));
    };
    // The extension, below Python; Python, below the extension; Python's own functions below Python.
    site(&mut builder, join(&[&in_build, &[insert]]), Malloc, 4 << 20);
    site(&mut builder, join(&[&in_build, &[call_back, evaluation, key, call]]), Malloc, 512 << 10);
    site(&mut builder, join(&[&script, &[call]]), Realloc, 64 << 10);
    // A library without names, generated code, frames that were left out.
    site(&mut builder, join(&[&in_build, &[inflate]]), Malloc, 256 << 10);
    site(&mut builder, join(&[&in_build, &[elided, generated]]), Malloc, 128 << 10);
    // A thread of the extension, and what the C library allocates for it.
    let thread = join(&[&in_build, &[create, new_thread, clone, start_thread]]);
    site(&mut builder, join(&[&thread, &[worker]]), Calloc, 1 << 20);
    site(&mut builder, thread, Calloc, 272);
    // The interpreter before it runs Python, and what has no stack at all.
    site(&mut builder, start[..5].to_vec(), Malloc, 72_704);
    site(&mut builder, start[..5].to_vec(), Mmap, 1 << 18);
    site(&mut builder, Vec::new(), Malloc, 1000);
    for (block, (site, size)) in (1..).zip(sites) {
        builder.allocate(block << 24, size, site);
    }
    builder.facts.extend([
        Fact::ModuleSymbols { module: python, source: SymbolSource::Missing },
        Fact::ModuleSymbols { module: python, source: SymbolSource::SymbolTable(PYTHON.to_owned()) },
        Fact::ModuleSymbols { module: geo, source: SymbolSource::DebugInformation(GEO.to_owned()) },
        Fact::ModuleSymbols { module: zlib, source: SymbolSource::OtherBuild(ZLIB.to_owned()) },
        Fact::NativeStacks { cut_short: 9, unmerged: 9, checked: 9, differing: 9 },
        Fact::NativeStacks { cut_short: 3, unmerged: 0, checked: 5000, differing: 0 },
    ]);
    builder
}
