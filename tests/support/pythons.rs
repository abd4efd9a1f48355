//! The Pythons to test with: every supported version that the machine has, on PATH, in pyenv, or in the folder that
//! `tests/interpreters/get.sh` has filled and `MEMPROF_PYTHONS` names.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use memprof_channel::layout::{KNOWN_FREE_THREADED, KNOWN_PYTHONS};

use super::skipping::{python_lacks, say, skipped};

/// An interpreter.
#[derive(Clone, Debug)]
pub struct Python {
    /// The executable itself, never a shim that leads to it.
    pub path: PathBuf,
    /// The version is 3.`minor`.
    pub minor: u32,
    /// Whether it has no global lock.
    pub free_threaded: bool,
    /// Whether it was built `--with-pydebug`.
    pub debug: bool,
    /// Whether it compiles what runs often.
    pub jit: bool,
}

impl fmt::Display for Python {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Python {} ({})", self.version(), self.path.display())
    }
}

impl Python {
    /// As its programs are called: `3.13`, `3.14t`, `3.15d`.
    pub fn version(&self) -> String {
        let (t, d) = (if self.free_threaded { "t" } else { "" }, if self.debug { "d" } else { "" });
        format!("3.{}{t}{d}", self.minor)
    }

    /// The value of `PYTHONMALLOC` that means this one. A free-threaded build has mimalloc in the place of all others.
    pub fn allocator(&self, name: &'static str) -> &'static str {
        match name {
            "malloc" | "pymalloc" if self.free_threaded => "mimalloc",
            "malloc_debug" | "pymalloc_debug" if self.free_threaded => "mimalloc_debug",
            name => name,
        }
    }

    /// What it has where nobody chooses one.
    pub fn default_allocator(&self) -> &'static str {
        self.allocator(if self.debug { "pymalloc_debug" } else { "pymalloc" })
    }

    /// Whether its raw memory (`PyMem_RawMalloc`) is the C library's.
    pub fn has_raw_memory_of_c(&self) -> bool {
        !self.free_threaded || self.minor <= 14
    }

    /// How many blocks may go unseen where its allocators are traced and it begins again after it has ended: what it
    /// allocates before it first calls the C library, where that is not the C library's own.
    pub fn most_unseen_in_another_life(&self) -> u64 {
        if self.has_raw_memory_of_c() { 0 } else { 16 }
    }

    /// Whether it may wait for ever when it has been ended and begins again: the free-threaded 3.13 keeps objects whose
    /// locks it takes for held.
    pub fn hangs_when_restarted(&self) -> bool {
        self.free_threaded && self.minor == 13
    }

    /// Where its library is, for who cannot find it (`PYTHONHOME`).
    pub fn home(&self) -> String {
        let output = Command::new(&self.path).args(["-c", "import sys; print(sys.base_prefix)"]).output();
        String::from_utf8(output.expect("Python runs").stdout).expect("it is text").trim_end().to_owned()
    }

    /// The interpreter as a library, where it comes as one.
    pub fn library(&self) -> Option<PathBuf> {
        const QUESTION: &str = "import sysconfig\n\
            get = sysconfig.get_config_var\n\
            print(get('LIBDIR'), get('INSTSONAME'), sep='\\n')";
        let output = Command::new(&self.path).args(["-c", QUESTION]).output().ok()?;
        let answer = String::from_utf8(output.stdout).ok()?;
        let (folder, name) = answer.trim_end().split_once('\n')?;
        // Where there is none, it is an archive.
        let path = Path::new(folder).join(name);
        (name.contains(".so") && path.exists()).then_some(path)
    }
}

/// All supported Pythons of this machine. There must be one: without it nothing would be tested.
pub fn all() -> &'static [Python] {
    &found().supported
}

/// CPythons 3 of this machine whose stacks memprof cannot read: other versions, and free-threaded builds of some. Mostly
/// there are none; see [`falsified`](super::falsified).
pub fn unknown() -> &'static [Python] {
    &found().unknown
}

struct Found {
    supported: Vec<Python>,
    unknown: Vec<Python>,
}

fn found() -> &'static Found {
    static FOUND: OnceLock<Found> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found = find();
        announce(&found.supported);
        assert!(!found.supported.is_empty(), "the tests need a CPython {}", in_words());
        found
    })
}

fn in_words() -> String {
    format!("3.{} to 3.{}", KNOWN_PYTHONS.start(), KNOWN_PYTHONS.end())
}

/// One of them, for tests that have nothing to do with the version.
pub fn any() -> &'static Python {
    all().iter().find(|python| python.minor == 11).unwrap_or(&all()[0])
}

/// Those that have something which not every Python comes with, and what they have. One of them must have it in CI.
pub fn that_have<T>(what: &str, find: impl Fn(&Python) -> Option<T>) -> Vec<(&'static Python, T)> {
    let mut found = Vec::new();
    for python in all() {
        match find(python) {
            Some(thing) => found.push((python, thing)),
            None => python_lacks(&format!("{python} comes without {what}")),
        }
    }
    if found.is_empty() {
        skipped(&format!("no Python here comes with {what}"));
    }
    found
}

fn find() -> Found {
    let mut candidates = vec![PathBuf::from("python3"), PathBuf::from("/usr/bin/python3")];
    candidates.extend(KNOWN_PYTHONS.map(|minor| PathBuf::from(format!("python3.{minor}"))));
    let home = env::var_os("PYENV_ROOT").map(PathBuf::from);
    if let Some(root) = home.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv"))) {
        let versions = fs::read_dir(root.join("versions")).into_iter().flatten().flatten();
        candidates.extend(versions.map(|version| version.path().join("bin/python3")));
    }
    if let Some(folder) = env::var_os("MEMPROF_PYTHONS") {
        for version in fs::read_dir(&folder).expect("MEMPROF_PYTHONS names a folder").flatten() {
            let name = format!("python{}", version.file_name().to_string_lossy());
            candidates.push(version.path().join("bin").join(name));
        }
    }
    let mut seen = BTreeSet::new();
    let mut found: Vec<_> = candidates.iter().filter_map(|candidate| examine(candidate)).collect();
    found.retain(|python| seen.insert(python.path.clone()));
    found.sort_by(|a, b| (a.minor, a.free_threaded, &a.path).cmp(&(b.minor, b.free_threaded, &b.path)));
    let (supported, unknown) =
        found.into_iter().partition(|python| known(python.free_threaded).contains(&python.minor));
    Found { supported, unknown }
}

/// The versions that are supported, of builds with a global lock or of others.
fn known(free_threaded: bool) -> RangeInclusive<u32> {
    if free_threaded { KNOWN_FREE_THREADED } else { KNOWN_PYTHONS }
}

/// Asks an interpreter what it is. Nothing if it does not run or is no CPython 3.
fn examine(candidate: &Path) -> Option<Python> {
    const QUESTION: &str = "import os, sys; print(sys.implementation.name, *sys.version_info[:2], \
                            'free-threading' in sys.version, 'd' in sys.abiflags, \
                            hasattr(sys, '_jit') and sys._jit.is_enabled(), os.path.realpath(sys.executable), sep='\\n')";
    let output = Command::new(candidate).args(["-c", QUESTION]).output().ok()?;
    let answer = String::from_utf8(output.stdout).ok()?;
    let mut lines = answer.lines();
    if (lines.next()?, lines.next()?) != ("cpython", "3") {
        return None;
    }
    let minor = lines.next()?.parse().ok()?;
    let [free_threaded, debug, jit] = [lines.next()?, lines.next()?, lines.next()?].map(|answer| answer == "True");
    Some(Python { path: PathBuf::from(lines.next()?), minor, free_threaded, debug, jit })
}

/// Says which Pythons are tested and which are not.
fn announce(found: &[Python]) {
    for python in found {
        say(&format!("testing with {python}"));
    }
    for (free_threaded, suffix) in [(false, ""), (true, "t")] {
        let is_here = |minor| found.iter().any(|python| (python.minor, python.free_threaded) == (minor, free_threaded));
        for minor in known(free_threaded).filter(|&minor| !is_here(minor)) {
            python_lacks(&format!("no 3.{minor}{suffix} here"));
        }
    }
}
