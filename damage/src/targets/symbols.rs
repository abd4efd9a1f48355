//! Files with names: ELF, its tables and debugging information, and maps of run-time code.

use std::fs;
use std::path::Path;

use memprof_capture::file::{Module, NativeFrame, SymbolSource};
use memprof_channel::ids::{FrameId, ModuleId};
use memprof_recorder::symbols::{KeptFiles, Options, Process, Resolution};
use tempfile::TempDir;

thread_local! {
    /// A file system for the recorded program: each thread has its own, as no file may change while it is mapped.
    static ROOT: TempDir = root();
}

/// In memory where that is possible.
fn root() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("tmp")).expect("a folder can be made");
    folder
}

/// Takes the bytes for a library, and for a map of run-time code, and names addresses in both.
///
/// # Panics
/// When a reader is at fault, or files cannot be written.
pub fn run(bytes: &[u8]) {
    let _ = named(bytes);
}

/// The same, with the number of frames that got names.
///
/// # Panics
/// See [`run`].
#[must_use]
pub fn named(bytes: &[u8]) -> usize {
    ROOT.with(|root| named_in(root.path(), bytes))
}

fn named_in(root: &Path, bytes: &[u8]) -> usize {
    fs::write(root.join("lib.so"), bytes).expect("a file can be written");
    fs::write(root.join("tmp/perf-1.map"), bytes).expect("a file can be written");
    let module = Module {
        path: "/lib.so".to_owned(),
        build_id: Vec::new(),
        bias: 0,
        start: 0,
        end: u64::MAX,
        is_interpreter: false,
    };
    // Where the code of a small library is, and the ends of all there is.
    let addresses = (0x200..0x600).step_by(4).chain((0x1000..0x1200).step_by(4)).chain([0, 1, u64::MAX - 1, u64::MAX]);
    let frame =
        |module: Option<ModuleId>, address| NativeFrame { module, address, interrupted: true, evaluates: false };
    let frames = addresses.flat_map(|address| [frame(Some(ModuleId(0)), address), frame(None, address)]);
    let options = Options { sysroot: Some(root.to_owned()), unpack: true, ..Options::default() };
    let process = Process { pid: 1, began: 0 };
    let found =
        Resolution::of(&[Some(module)], (0..).map(FrameId).zip(frames), &[process], &options, &KeptFiles::default());
    for outcome in &found.modules {
        // A recording survives a panic in here, and says so.
        let stumbled = matches!(&outcome.source, SymbolSource::Unreadable(_, why) if why.contains("stumbled"));
        assert!(!stumbled, "a panic while names were read");
    }
    found.symbols.len()
}
