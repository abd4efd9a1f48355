//! A small library with functions in functions, and tools to take it apart.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use memprof_capture::file::Module;
use object::{Object, ObjectSymbol};
use tempfile::TempDir;

/// Its code.
pub const SOURCE: &str = "\
__attribute__((noinline)) static int hidden(int x) {
    return x * 3;
}
static inline __attribute__((always_inline)) int inner(volatile int *p) {
    *p += 1;
    return *p;
}
static inline __attribute__((always_inline)) int middle(volatile int *p) {
    return inner(p) + 1;
}
int visible(volatile int *p) {
    return middle(p) + hidden(*p);
}
";

/// A library in a folder of its own.
pub struct Library {
    pub folder: TempDir,
    pub path: PathBuf,
}

pub fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Library {
    pub fn new(flags: &[&str]) -> Self {
        Self::of(SOURCE, "c", flags)
    }

    pub fn of(source: &str, language: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (code, path) = (folder.path().join("code"), folder.path().join("lib.so"));
        fs::write(&code, source).unwrap();
        let common = ["-shared", "-fPIC", "-nostdlib", "-o", text(&path), "-x", language, text(&code)];
        run("cc", &[flags, &common].concat());
        Self { folder, path }
    }

    pub fn with_debugging_information() -> Self {
        Self::new(&["-g", "-O2", "-Wl,--build-id"])
    }

    /// The file's symbols, with their extents.
    pub fn extent(&self, name: &str) -> std::ops::Range<u64> {
        let data = fs::read(&self.path).unwrap();
        let file = object::File::parse(&*data).unwrap();
        let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name)).unwrap();
        symbol.address()..symbol.address() + symbol.size()
    }

    pub fn build_id(&self) -> Vec<u8> {
        let data = fs::read(&self.path).unwrap();
        object::File::parse(&*data).unwrap().build_id().unwrap().unwrap_or_default().to_vec()
    }

    pub fn module(&self) -> Module {
        module(&self.path, self.build_id())
    }

    /// Moves the debugging information to another file.
    pub fn split_off(&self, to: &Path) {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        run("objcopy", &["--only-keep-debug", text(&self.path), text(to)]);
        run("strip", &["--strip-all", text(&self.path)]);
    }

    pub fn debug_file_by_build_id(&self, folder: &Path) -> PathBuf {
        let hex: String = self.build_id().iter().map(|byte| format!("{byte:02x}")).collect();
        folder.join(".build-id").join(&hex[..2]).join(format!("{}.debug", &hex[2..]))
    }
}

pub fn module(path: &Path, build_id: Vec<u8>) -> Module {
    let path = text(path).to_owned();
    Module { path, build_id, bias: 0, start: 0, end: u64::MAX, is_interpreter: false }
}
