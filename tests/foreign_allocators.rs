//! Programs that bring an allocator of their own: preloaded ones are recorded like the C library's; linked ones are left
//! alone. In any case the program works as without memprof.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::c_programs::{Build, compile};
use crate::support::memprof::{Finished, programs};
use crate::support::pythons;
use crate::support::recording::{Recorded, Recording, set_up, total};
use crate::support::skipping::skipped;
use crate::support::table::{Amount, sum, table};
use crate::support::unharmed::{Unharmed, repeated};

/// Threads and blocks of all kinds and sizes. 500 of them are named, of 70001 bytes each.
const PROGRAM: &str = "
import threading, truth
kept = []
def work():
    for size in range(1, 40000, 7):
        block = bytes(size)
    for _ in range(125):
        kept.append(truth.memalign(64, 70001))
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(kept), all(at % 64 == 0 for at in kept))
for block in kept: truth.free(block)
print(len(str(list(range(100000)))))
";

/// Records the program with this allocator preloaded by the user, and compares it with a run without memprof.
fn with_preloaded(library: &Path) -> Recorded {
    let python = pythons::any();
    let recording = Recording::of_code(python, PROGRAM).variable("PYTHONPATH", programs());
    let recorded = recording.variable("LD_PRELOAD", library).run().succeeds();
    let mut bare = Command::new(&python.path);
    set_up(bare.args(["-c", PROGRAM]).env("PYTHONPATH", programs()).env("LD_PRELOAD", library), recorded.folder());
    let bare = Finished::of(&mut bare).succeeds();
    assert_eq!(recorded.finished().stdout(), bare.stdout(), "{}", library.display());
    assert!(bare.stdout().starts_with("500 True\n"), "{}", bare.stderr());
    recorded
}

#[test]
fn preloaded_ones_are_recorded() {
    let mut libraries = vec![compile("own_allocator.c", "libown.so", &["-shared", "-fPIC"])];
    for names in [&["libjemalloc.so.2"][..], &["libtcmalloc_minimal.so.4"], &["libmimalloc.so.2", "libmimalloc.so.3"]] {
        let found = names.iter().find_map(|name| installed(name));
        if found.is_none() {
            skipped(&format!("{} is not installed", names[0]));
        }
        libraries.extend(found);
    }
    for library in libraries {
        let recorded = with_preloaded(&library);
        let rows = table(&recorded.capture(), "--total");
        let named = sum(&rows, |row| row.allocator == "memalign" && row.bytes % 70_001 == 0);
        assert_eq!((named.allocations, named.bytes), (500, 500 * 70_001), "{}", library.display());
        let stats = recorded.stats();
        assert_eq!((total(&stats, "skipped_events"), stats["metadata"]["complete"].as_bool()), (0, Some(true)));
    }
}

/// What an allocator maps for itself within a call is not recorded, and neither is its end outside of one. What the program maps
/// is, whoever had the addresses before.
#[test]
fn what_they_map_for_themselves() {
    let library = compile("maps_within_calls.c", "libmaps.so", &["-shared", "-fPIC"]);
    let program = compile("maps_within_calls.c", "maps_within_calls", &["-DMAIN", "-pthread"]);
    for _ in 0..repeated(3) {
        let recorded = Unharmed::command(&[program.as_os_str()]).variable("LD_PRELOAD", &library).check();
        let rows = table(&recorded.capture(), "--total");
        let blocks = sum(&rows, |row| row.allocator == "memalign");
        assert_eq!(blocks, Amount { allocations: 1000, bytes: 1000 * 8192 }, "{rows:#?}");
        let mapped = sum(&rows, |row| row.allocator == "mmap" && row.function == "map");
        assert_eq!(mapped, Amount { allocations: 204, bytes: 204 * 8192 }, "{rows:#?}");
        let left = table(&recorded.capture(), "--leaks");
        assert_eq!(sum(&left, |row| ["mmap", "memalign"].contains(&row.allocator.as_str())).bytes, 0, "{left:#?}");
    }
}

/// Where the loader would find a library.
fn installed(name: &str) -> Option<PathBuf> {
    let cache = Command::new("/sbin/ldconfig").arg("-p").output().ok()?;
    let cache = String::from_utf8_lossy(&cache.stdout).into_owned();
    let line = cache.lines().find(|line| line.trim_start().starts_with(&format!("{name} ")))?;
    fs::canonicalize(line.split(" => ").nth(1)?).ok()
}

#[test]
fn linked_ones_work_as_without() {
    let program = compile("own_allocator.c", "own_allocator", &["-DMAIN"]);
    let bare = Finished::of(&mut Command::new(&program)).ends_with(3);
    assert_eq!(bare.stdout(), "good, own_allocator\nown blocks\n");
    let recorded = Recording::of_command(&[program.as_os_str()]).run().ends_with(3);
    assert_eq!(recorded.finished().stdout(), bare.stdout());
    assert_eq!(recorded.stats()["metadata"]["complete"], true);
}

/// Where the compiler finds a library to be linked statically.
fn archive(name: &str) -> Option<PathBuf> {
    let asked = Finished::of(Command::new("c++").arg(format!("-print-file-name={name}"))).succeeds();
    Some(PathBuf::from(asked.stdout().trim())).filter(|path| path.is_absolute())
}

/// They take their first memory under locks of their own, before the program's first line, and start memprof by that.
#[test]
fn statically_linked_ones() {
    for (name, flags) in [
        ("libtcmalloc_minimal.a", &[][..]),
        ("libtcmalloc.a", &["-no-pie", "-lunwind", "-llzma"]),
        ("libjemalloc.a", &["-lm", "-ldl"]),
    ] {
        let Some(archive) = archive(name) else {
            skipped(&format!("{name} is not installed"));
            continue;
        };
        let build = Build::cpp("static_allocator.cpp", &name.replace('.', "_")).flags(&["-g", "-O1"]);
        let program = build.flags(&[archive.to_str().expect("a name in UTF-8")]).flags(flags).path();
        for _ in 0..repeated(3) {
            let recorded = Unharmed::command(&[program.as_os_str()]).check();
            let rows = table(&recorded.capture(), "--total");
            let by = |function: &str| sum(&rows, |row| row.function.starts_with(function));
            assert_eq!(by("with_new"), Amount { allocations: 40_000, bytes: 28_000_000 }, "{name}: {rows:#?}");
            assert_eq!(by("with_malloc"), Amount { allocations: 40_000, bytes: 36_000_000 }, "{name}: {rows:#?}");
            assert!(sum(&rows, |row| row.function == "main").bytes >= 30 << 20, "{name}: {rows:#?}");
        }
    }
}
