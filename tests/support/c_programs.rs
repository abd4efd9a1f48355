//! Compiles the native programs of the tests.

use std::collections::hash_map::DefaultHasher;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::memprof::programs;
use super::pythons::Python;

/// The library that Python programs allocate with.
pub fn truth_library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| compile("libtruth.c", "libtruth.so", &["-shared", "-fPIC"]))
}

/// An allocator that handlers may use, whatever they interrupt, and leave by `longjmp`: with the C library's own, a program
/// whose stack overflows in `malloc` may wait for ever for a lock that it holds.
pub fn signal_safe_allocator() -> PathBuf {
    compile("signal_safe_allocator.c", "libsafe.so", &["-shared", "-fPIC"])
}

/// Compiles a C source of the test programs as it is.
pub fn compile(source: &str, result: &str, flags: &[&str]) -> PathBuf {
    // Nothing is optimised: a compiler may leave out allocations that it sees through.
    Build::c(source, result).flags(&["-O0", "-g", "-Werror"]).flags(flags).path()
}

/// A program or library to be made of one of the test programs' sources.
#[derive(Clone)]
pub struct Build {
    compiler: &'static str,
    sources: Vec<PathBuf>,
    result: String,
    flags: Vec<OsString>,
    /// What the linker reads after the sources.
    libraries: Vec<String>,
}

impl Build {
    fn new(compiler: &'static str, source: &str, result: &str, flags: &[&str]) -> Self {
        let build =
            Self { compiler, sources: Vec::new(), result: result.to_owned(), flags: Vec::new(), libraries: Vec::new() };
        build.source(source).flags(flags)
    }

    /// Of C.
    pub fn c(source: &str, result: &str) -> Self {
        let build = Self::new("cc", source, result, &["-Wall", "-pthread"]);
        Self { libraries: vec!["-ldl".to_owned()], ..build }
    }

    /// Of C++.
    pub fn cpp(source: &str, result: &str) -> Self {
        let build = Self::new("c++", source, result, &["-std=c++17", "-Wall", "-pthread"]);
        Self { libraries: vec!["-ldl".to_owned()], ..build }
    }

    /// Of Rust.
    pub fn rust(source: &str, result: &str) -> Self {
        // The linker gets what it would get anyway: whatever else is configured is for memprof itself.
        Self::new("rustc", source, result, &["--edition=2021", "-Clinker=cc"])
    }

    /// An extension module of C, to be found by this name in the folder of the result.
    pub fn extension(source: &str, name: &str, python: &Python) -> Self {
        let question = "import sysconfig; print(sysconfig.get_path('include'))";
        let output = Command::new(&python.path).args(["-c", question]).output().expect("Python runs");
        let include = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Self::c(source, &format!("{name}.so")).flags(&["-shared", "-fPIC", "-isystem", &include])
    }

    /// A C program that runs this Python's interpreter as a part of itself. Nothing if the Python comes without the
    /// library for that.
    pub fn embedding(source: &str, name: &str, python: &Python) -> Option<Self> {
        let question = "import sysconfig\n\
            get = sysconfig.get_config_var\n\
            print(sysconfig.get_path('include'), get('LIBDIR'), get('LDVERSION'), sep='\\n')\n\
            print(get('LIBS'), get('SYSLIBS'), '-Wl,-rpath,' + get('LIBDIR'))";
        let output = Command::new(&python.path).args(["-c", question]).output().expect("Python runs");
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        let [include, folder, version, libraries] = answer.lines().collect::<Vec<_>>()[..] else { panic!("{answer}") };
        let library = format!("libpython{version}");
        if ["so", "a"].iter().all(|kind| !Path::new(folder).join(format!("{library}.{kind}")).exists()) {
            return None;
        }
        let mut build = Self::c(source, name).flags(&["-isystem", include]);
        build.libraries = vec![format!("-L{folder}"), format!("-lpython{version}")];
        build.libraries.extend(libraries.split_whitespace().map(str::to_owned));
        // The interpreter's symbols are the program's, where it is linked in as a whole.
        build.libraries.push("-Wl,--export-dynamic".to_owned());
        Some(build)
    }

    /// With one more source.
    pub fn source(mut self, source: &str) -> Self {
        self.sources.push(programs().join(source));
        self
    }

    /// With more options for the compiler.
    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(OsString::from));
        self
    }

    /// Where it is. It is made if that has not been done yet, by this process or another one, with these flags and of
    /// sources with these contents.
    pub fn path(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("built-{:016x}", self.hash()));
        let path = folder.join(&self.result);
        if path.exists() {
            return path;
        }
        // Test processes may do this at the same time: each compiles a file of its own, and the last one takes the
        // name.
        fs::create_dir_all(&folder).expect("a folder can be made");
        let own = folder.join(format!("{}.{}.{:?}", self.result, std::process::id(), std::thread::current().id()));
        self.make(&own);
        fs::rename(&own, &path).expect("a file can be renamed");
        path
    }

    /// Makes it again, here.
    pub fn make(&self, path: &Path) {
        let mut command = Command::new(self.compiler);
        command.args(&self.flags).args(&self.sources).args(&self.libraries).arg("-o").arg(path);
        let finished = command.output();
        let output = finished.unwrap_or_else(|error| panic!("the tests need {}: {error}", self.compiler));
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?} fails: {messages}");
    }

    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.compiler, &self.sources, &self.result, &self.flags, &self.libraries).hash(&mut hasher);
        for entry in fs::read_dir(programs()).expect("the folder can be read").flatten() {
            // Headers are included by any of them.
            let path = entry.path();
            if self.sources.contains(&path) || path.extension() == Some(OsStr::new("h")) {
                fs::read(path).expect("a source can be read").hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

/// Runs a tool that comes with the compiler.
#[track_caller]
pub fn tool(name: &str, arguments: &[&OsStr]) -> String {
    let output = Command::new(name).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("the tests need {name}, of the package binutils: {error}"));
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?} fails: {messages}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
