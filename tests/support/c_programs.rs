//! Compiles the C programs of the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::memprof::programs;

/// The library that Python programs allocate with.
pub fn truth_library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| compile("libtruth.c", "libtruth.so", &["-shared", "-fPIC"]))
}

/// Compiles a C source of the test programs.
///
/// Test processes may do this at the same time: each compiles a file of its own, and the last one takes the name.
pub fn compile(source: &str, result: &str, flags: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let own = folder.join(format!("{result}.{}", std::process::id()));
    // Nothing is optimised: a compiler may leave out allocations that it sees through.
    let status = Command::new("cc")
        .args(["-O0", "-g", "-Wall", "-Werror", "-pthread", "-o"])
        .arg(&own)
        .arg(programs().join(source))
        .args(flags)
        .arg("-ldl")
        .status()
        .expect("the tests need a C compiler called cc");
    assert!(status.success(), "cc cannot compile {source}");
    let path = folder.join(result);
    fs::rename(&own, &path).expect("a file can be renamed");
    path
}
