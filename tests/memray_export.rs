//! Captures as memray files, judged by memray's own reader: it must find the same memory at the same stacks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::c_programs::{Build, compile};
use crate::support::exported::{Exported, Frame, Sample, Stack, list, text};
use crate::support::memprof::{Finished, memprof, programs};
use crate::support::packages::with_version;
use crate::support::pythons::{self, Python};
use crate::support::recording::{Recorded, Recording};
use crate::support::table::Amount;

/// A Python with the memray whose format it is.
fn with_memray() -> Option<&'static Python> {
    static PYTHON: OnceLock<Option<Python>> = OnceLock::new();
    PYTHON.get_or_init(|| with_version(pythons::any(), "memray", "1.20.0")).as_ref()
}

/// A capture as memprof and as memray see it.
struct Both {
    ours: Exported,
    theirs: Value,
}

impl Both {
    #[track_caller]
    fn of(recorded: &Recorded, memray: &Python, options: &[&str]) -> Self {
        let file = recorded.folder().join("memray.bin");
        let mut export = memprof(["export", "--format", "memray", "-f", "-o"]);
        Finished::of(export.arg(&file).args(options).arg(recorded.capture())).succeeds();
        Self { ours: Exported::of(&recorded.capture(), options), theirs: read(memray, &file) }
    }

    /// Requires that all sums are the same.
    #[track_caller]
    fn agree(&self) -> &Self {
        for metric in ["peak", "leaked", "temporary"] {
            self.agree_by(metric, metric, |sample| (sample.stack.clone(), String::new()));
        }
        self.agree_by("peak", "peak_by_thread", |sample| (sample.stack.clone(), sample.thread.clone()));
        let ours = self.ours.sums("total", |sample| (sample.stack.clone(), memray_name(&sample.allocator)));
        assert_same(&ours, &sums(&self.theirs["total"]), "total");
        let peak = &self.ours.json["totals"]["peak"]["bytes"];
        assert_eq!(*peak, self.theirs["peak_memory"], "the peak");
        self
    }

    #[track_caller]
    fn agree_by(&self, metric: &str, name: &str, key: impl Fn(&Sample) -> (Stack, String)) {
        let mut ours = self.ours.sums(metric, key);
        let mut theirs = sums(&self.theirs[name]);
        for stack in self.stacks_that_map() {
            if metric == "temporary" {
                // memray takes a mapping that is unmapped at once for temporary, too.
                theirs.retain(|key, _| key.0 != stack);
                ours.retain(|key, _| key.0 != stack);
            }
            for (key, amount) in theirs.iter_mut().filter(|(key, _)| key.0 == stack) {
                // It counts a mapping of which a part in the middle was unmapped as two allocations.
                let own = ours.get(key).copied().unwrap_or_default();
                assert!(amount.allocations >= own.allocations, "{name}: {key:?}");
                amount.allocations = own.allocations;
            }
        }
        assert_same(&ours, &theirs, name);
    }

    fn stacks_that_map(&self) -> BTreeSet<Stack> {
        let maps = |sample: &&Sample| memray_name(&sample.allocator) == "mmap";
        self.ours.samples.iter().filter(maps).map(|sample| sample.stack.clone()).collect()
    }

    /// All sums of a program's own allocators together: that it did what it should.
    fn total(&self, allocator: &str) -> Amount {
        let sums = self.ours.sums("total", |sample| sample.allocator.clone());
        sums.get(allocator).copied().unwrap_or_default()
    }
}

/// What memray's own reader finds in a file.
#[track_caller]
fn read(memray: &Python, file: &Path) -> Value {
    let mut reader = Command::new(&memray.path);
    reader.arg(programs().join("memray_records.py")).arg(file).stdin(Stdio::null());
    serde_json::from_str(&Finished::of(&mut reader).succeeds().stdout()).expect("the reader prints JSON")
}

/// What memray calls an allocator that it does not know.
fn memray_name(allocator: &str) -> String {
    match allocator {
        "mremap" | "sbrk" | "mmap_shared" | "mmap_file" => "mmap",
        "jemalloc" | "mimalloc" => "malloc",
        same => same,
    }
    .to_owned()
}

/// Amounts by stack and something else, as `memray_records.py` prints them.
fn sums(records: &Value) -> BTreeMap<(Stack, String), Amount> {
    let entry = |record: &Value| {
        let number = |index: usize| record[index].as_u64().expect("a number");
        let stack = list(&record[0]).iter().map(frame).collect();
        ((stack, text(&record[1])), Amount { bytes: number(2), allocations: number(3) })
    };
    list(records).iter().map(entry).collect()
}

fn frame(frame: &Value) -> Frame {
    (text(&frame[0]), text(&frame[1]), frame[2].as_u64().expect("a line"))
}

#[track_caller]
fn assert_same(ours: &BTreeMap<(Stack, String), Amount>, theirs: &BTreeMap<(Stack, String), Amount>, what: &str) {
    let keys: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    for key in keys {
        assert_eq!(ours.get(key), theirs.get(key), "{what}: ours and memray's at {key:?}");
    }
}

#[track_caller]
fn check_script(script: &str, options: &[&str], allocators: &[&str]) {
    let Some(memray) = with_memray() else { return };
    let mut recording = Recording::of_script(pythons::any(), script);
    for option in options {
        recording = recording.option(*option);
    }
    let recorded = recording.run();
    assert!(!recorded.finished().stderr().contains("Traceback"), "{script}: {}", recorded.finished().stderr());
    let both = Both::of(&recorded, memray, &[]);
    both.agree();
    for allocator in allocators {
        assert_ne!(both.total(allocator), Amount::default(), "{script} does not call {allocator}");
    }
}

#[test]
fn every_function_and_realloc_in_all_ways() {
    check_script("every_allocator.py", &[], &["malloc", "calloc", "realloc", "posix_memalign", "pvalloc", "mmap"]);
}

#[test]
fn mappings_that_are_unmapped_in_parts() {
    check_script("unmapped_parts.py", &["--no-native"], &["mmap"]);
}

#[test]
fn threads_that_free_for_each_other() {
    check_script("threads_apart.py", &[], &["valloc"]);
}

#[test]
fn calls_at_random_with_pythons_own_allocators() {
    check_script("random_calls.py", &["--trace-python-allocators"], &["pymalloc_malloc", "pymalloc_realloc"]);
}

#[test]
fn deep_stacks() {
    check_script("deep_recursion.py", &[], &[]);
}

/// What an `exec` drops is neither freed nor leaked; memray gets it as freed.
#[test]
fn a_program_that_becomes_another() {
    check_script("becomes_another.py", &[], &["valloc", "pvalloc"]);
}

#[test]
fn python_and_native_frames_in_every_view() {
    let Some(memray) = with_memray() else { return };
    let python = pythons::any();
    let library = Build::extension("crossing.c", "crossing", python).flags(&["-g", "-O2"]).path();
    let folder = library.parent().expect("it is in a folder");
    let recorded = Recording::of_script(python, "python_and_c.py").variable("PYTHONPATH", folder).run().succeeds();
    for view in ["hybrid", "python", "native"] {
        Both::of(&recorded, memray, &["--view", view]).agree();
    }
    Both::of(&recorded, memray, &["--show-runtime"]).agree();
}

/// `mremap`, and mappings over mappings.
#[test]
fn address_space_of_a_c_program() {
    let Some(memray) = with_memray() else { return };
    let program = compile("mappings.c", "mappings", &[]);
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    let both = Both::of(&recorded, memray, &[]);
    assert_ne!(both.agree().total("mremap"), Amount::default());
}

/// What `sbrk` allocates need not begin at a multiple of eight bytes, as memray's addresses do: up to seven bytes are
/// lost where one piece ends and the next one begins.
#[test]
fn the_end_of_the_data_segment_nearly() {
    let Some(memray) = with_memray() else { return };
    let program = compile("program_break.c", "program_break", &[]);
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    let both = Both::of(&recorded, memray, &[]);
    let pieces = both.total("sbrk").allocations;
    let bytes = |value: &Value| value.as_u64().expect("a number");
    let (ours, theirs) = (bytes(&both.ours.json["totals"]["peak"]["bytes"]), bytes(&both.theirs["peak_memory"]));
    assert!(pieces > 0 && ours.abs_diff(theirs) <= 7 * pieces, "{ours}, {theirs}, {pieces} pieces");
}

/// A selection is exported as if there was nothing else.
#[test]
fn a_selection() {
    let Some(memray) = with_memray() else { return };
    let recorded = Recording::of_script(pythons::any(), "every_allocator.py").run().succeeds();
    let both = Both::of(&recorded, memray, &["--allocator", "valloc"]);
    let theirs = sums(&both.theirs["total"]);
    let ours = both.ours.sums("total", |sample| (sample.stack.clone(), sample.allocator.clone()));
    assert!(!ours.is_empty());
    assert_same(&ours, &theirs, "total");
}

#[test]
fn facts_about_the_run() {
    let Some(memray) = with_memray() else { return };
    let code = "import time\nkept = [bytearray(100_000)]\ntime.sleep(0.2)";
    let recorded = Recording::of_code(pythons::any(), code).option("--trace-python-allocators").run().succeeds();
    let Both { ours, theirs } = Both::of(&recorded, memray, &[]);
    let metadata = &ours.json["metadata"];
    for (theirs, ours) in [
        ("command_line", &metadata["command_line"]),
        ("pid", &metadata["pid"]),
        ("python_allocator", &metadata["python_allocator"]),
        ("trace_python_allocators", &metadata["python_allocators_traced"]),
    ]
    .map(|(name, ours)| (&theirs[name], ours))
    {
        assert_eq!(theirs, ours);
    }
    let seconds = metadata["duration_s"].as_f64().expect("a number");
    let difference = theirs["duration_ms"].as_f64().expect("a number") - seconds * 1e3;
    assert!(difference.abs() <= 1.0, "{difference} ms");
    let samples: Vec<(u64, u64)> = list(&theirs["snapshots"])
        .iter()
        .map(|sample| (sample[0].as_u64().expect("a time"), sample[1].as_u64().expect("a size")))
        .collect();
    assert!(samples.len() >= 2 && samples.is_sorted_by_key(|sample| sample.0), "{samples:?}");
    assert!(samples.iter().any(|&(_, size)| size > 1 << 20), "{samples:?}");
}

/// memray's reporters take the file for one of their own.
#[test]
fn memrays_reporters_open_it() {
    let Some(memray) = with_memray() else { return };
    let recorded = Recording::of_script(pythons::any(), "threads_apart.py").run().succeeds();
    let file = recorded.folder().join("memray.bin");
    Finished::of(memprof(["export", "--format", "memray", "-o"]).arg(&file).arg(recorded.capture())).succeeds();
    let report = |arguments: &[&str], output: Option<&str>| {
        let mut command = Command::new(&memray.path);
        command.args(["-m", "memray"]).args(arguments).env("COLUMNS", "300");
        if let Some(output) = output {
            command.arg("-f").arg("-o").arg(recorded.folder().join(output));
        }
        Finished::of(command.arg(&file).stdin(Stdio::null())).succeeds().stdout()
    };
    let read = |name: &str| std::fs::read_to_string(recorded.folder().join(name)).expect("the report is there");
    assert!(report(&["stats"], None).contains("VALLOC: 1001"), "100 + 200 + 300 + 400 + 1");
    assert!(report(&["summary"], None).contains("threads_apart.py"));
    for flags in [&["flamegraph"][..], &["flamegraph", "--temporal"], &["flamegraph", "--leaks", "--split-threads"]] {
        report(flags, Some("page.html"));
        assert!(read("page.html").contains("threads_apart.py"), "{flags:?}");
    }
    report(&["table"], Some("table.html"));
    assert!(read("table.html").contains("threads_apart.py"));
    report(&["transform", "csv"], Some("rows.csv"));
    assert!(read("rows.csv").contains("VALLOC"));
}

/// memray has a file for each process, and so has an export of a family.
#[test]
fn each_process_of_a_family() {
    let recorded = Recording::of_script(pythons::any(), "family.py").option("--follow-fork").run().ends_with(3);
    let (capture, folder) = (recorded.capture(), recorded.folder());
    let export = |output: &Path| {
        let mut command = memprof(["export", "--format", "memray", "-o"]);
        Finished::of(command.arg(output).arg(&capture))
    };
    export(Path::new("-")).refuses(1, &["several processes", "-o FILE", "--process PID"]);
    export(Path::new("/dev/null")).refuses(1, &["several processes", "-o FILE", "--process PID"]);
    let errors = export(&folder.join("family.bin")).succeeds().stderr();
    let processes = recorded.stats()["processes"].clone();
    assert!(list(&processes).len() >= 6 && errors.lines().count() == list(&processes).len(), "{errors}");
    let memray = with_memray();
    for process in list(&processes) {
        let pid = process["pid"].to_string();
        let file = folder.join(format!("family.{pid}.bin"));
        assert!(std::fs::read(&file).expect("it is there").starts_with(b"memray\0"));
        let Some(memray) = memray else { continue };
        let both = Both { ours: Exported::of(&capture, &["--process", &pid]), theirs: read(memray, &file) };
        assert_eq!(both.agree().theirs["pid"], process["pid"]);
    }
    assert!(!folder.join("family.bin").exists());
    export(&folder.join("family.bin")).refuses(1, &["exists already", "-f"]);
}
