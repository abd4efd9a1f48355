//! Captures that are missing, foreign, cut off or damaged: one clear sentence, or a report that says what is missing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use memprof_capture::file::format::FILE_VERSION;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::executables::copy_executable;
use crate::support::memprof::{EXECUTABLE, Finished, memprof};
use crate::support::pythons;
use crate::support::recording::{Recording, total};

/// Recorded by an earlier memprof.
const OLD_CAPTURE: &[u8] = include_bytes!("../reporter/tests/captures/version-1.bin");

/// Every way to read a capture, with where it writes to.
const REPORTS: [&[&str]; 15] = [
    &["check", "--max-peak", "1TB"],
    &["check", "--format", "bencher"],
    &["stats"],
    &["stats", "--json"],
    &["table"],
    &["table", "--json", "--total"],
    &["table", "--html", "-o", "report"],
    &["flamegraph", "-o", "report"],
    &["flamegraph", "--svg", "-o", "report"],
    &["summary"],
    &["lines"],
    &["leaks"],
    &["temporary", "--json"],
    &["histogram"],
    &["timeline"],
];

/// A folder with a file in it.
struct Given {
    folder: TempDir,
    file: PathBuf,
}

impl Given {
    fn nothing(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self { file: folder.path().join(name), folder }
    }

    fn file(name: &str, contents: &[u8]) -> Self {
        let given = Self::nothing(name);
        fs::write(&given.file, contents).expect("a file can be written");
        given
    }

    fn report(&self, report: &[&str]) -> Finished {
        Finished::of(memprof(report).arg(&self.file).current_dir(self.folder.path()))
    }

    /// Requires that no report can be made of it, for this reason, and that nothing is left of the attempt.
    #[track_caller]
    fn is_refused(&self, reason: &str) {
        let before = self.names();
        for report in REPORTS {
            let name = self.file.to_str().expect("it is ASCII");
            self.report(report).refuses(1, &[name, reason]);
            assert_eq!(self.names(), before, "{report:?}");
        }
    }

    fn names(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder can be read");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

fn sound_capture() -> Vec<u8> {
    let recorded = Recording::of_code(pythons::any(), "x = [bytes(700 + i) for i in range(3000)]").run().succeeds();
    fs::read(recorded.capture()).expect("it can be read")
}

#[test]
fn files_that_are_no_captures() {
    Given::nothing("missing.bin").is_refused("there is no file");
    Given::file("empty.bin", b"").is_refused("is empty");
    Given::file("picture.png", b"\x89PNG\r\n\x1a\n and much more").is_refused("is not a memprof capture");
    Given::file("short.bin", b"m").is_refused("");
    let folder = Given::nothing("folder.bin");
    fs::create_dir(&folder.file).expect("a folder can be made");
    folder.is_refused("is a folder");
}

#[test]
fn a_capture_of_another_user() {
    let given = Given::file("theirs.bin", b"memprof\0");
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    // SAFETY: asks for this process's user and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        set_mode(&given.file, 0);
        given.is_refused("Permission denied");
        return;
    }
    // Root may read everything, so that another user must try, with a copy that it can execute.
    let executable = given.folder.path().join("memprof");
    copy_executable(Path::new(EXECUTABLE), &executable);
    set_mode(given.folder.path(), 0o755);
    set_mode(&given.file, 0o600);
    let finished = Finished::of(Command::new(&executable).arg("stats").arg(&given.file).uid(65534).gid(65534));
    let errors = finished.refuses(1, &[]).stderr();
    assert_eq!(errors, format!("memprof: cannot read {}: Permission denied\n", given.file.display()));
}

#[test]
fn captures_of_a_newer_memprof() {
    let mut bytes = sound_capture();
    // The version comes after the eight bytes that all captures begin with.
    bytes[8..12].copy_from_slice(&(FILE_VERSION + 1).to_le_bytes());
    Given::file("newer.bin", &bytes).is_refused("newer than this memprof");
    bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    Given::file("newer.bin", &bytes).is_refused("newer than this memprof");
}

#[test]
fn a_sound_capture_is_reported_on_without_a_note() {
    let given = Given::file("sound.bin", &sound_capture());
    for report in REPORTS {
        let finished = given.report(&[report, &["-f"][..usize::from(report.contains(&"-o"))]].concat()).succeeds();
        let errors = finished.stderr();
        assert!(errors.lines().all(|line| line.starts_with("memprof: wrote ")), "{report:?}: {errors}");
    }
}

#[test]
fn processes_that_were_not_recorded() {
    let given = Given::file("old.bin", OLD_CAPTURE);
    let stats = given.report(&["stats", "--json"]).succeeds().stdout();
    let stats: Value = serde_json::from_str(&stats).expect("it is JSON");
    let pid = stats["processes"][0]["pid"].as_u64().expect("a number").to_string();
    for report in REPORTS {
        let [name, options @ ..] = report else { panic!("a report has a name") };
        let of = |pid: &str| given.report(&[&[*name, "--process", pid], options].concat());
        of("1").refuses(1, &["old.bin", "no process 1 was recorded", &pid, "small_v1.py"]);
        of(&pid).succeeds();
        let _ = fs::remove_file(given.folder.path().join("report"));
    }
}

#[test]
fn reports_are_not_overwritten_unless_asked() {
    let given = Given::file("sound.bin", &sound_capture());
    let report = given.folder.path().join("report");
    fs::write(&report, "precious").expect("a file can be written");
    for arguments in REPORTS.iter().filter(|arguments| arguments.contains(&"-o")) {
        given.report(arguments).refuses(1, &["report", "-f"]);
        assert_eq!(fs::read(&report).expect("it is there"), b"precious");
    }
    for arguments in REPORTS.iter().filter(|arguments| arguments.contains(&"-o")) {
        given.report(&[arguments, &["-f"][..]].concat()).succeeds();
        assert_ne!(fs::read(&report).expect("it is there"), b"precious");
        fs::write(&report, "precious").expect("a file can be written");
    }
}

#[test]
fn reports_that_cannot_be_written() {
    let given = Given::file("sound.bin", &sound_capture());
    for report in [&["flamegraph"][..], &["flamegraph", "--svg"], &["table", "--html"]] {
        let to = |path: &'static str| given.report(&[report, &["-f", "-o", path]].concat());
        to("no/such/folder/page").refuses(1, &["no/such/folder/page", "No such file"]);
        to("sound.bin/page").refuses(1, &["sound.bin/page", "Not a directory"]);
        to("/dev/full").refuses(1, &["/dev/full", "No space left"]);
        to("/").refuses(1, &["/", "directory"]);
    }
}

/// The totals of a capture that may be damaged; nothing if it is refused, with a proper sentence.
#[track_caller]
fn totals(bytes: &[u8]) -> Option<Value> {
    let given = Given::file("damaged.bin", bytes);
    let finished = given.report(&["stats", "--json"]);
    if finished.status() != 0 {
        finished.refuses(1, &[given.file.to_str().expect("it is ASCII")]);
        return None;
    }
    let finished = finished.succeeds();
    Some(serde_json::from_str(&finished.stdout()).expect("stats --json prints JSON"))
}

fn is_complete(stats: &Value) -> bool {
    stats["metadata"]["complete"] == true
}

/// The more is left, the more is reported; and it is said that there was more.
#[test]
fn cut_off_anywhere() {
    let bytes = sound_capture();
    let whole = totals(&bytes).expect("it is sound");
    assert!(is_complete(&whole));
    let lengths = (0..80).chain((80..bytes.len()).step_by(bytes.len() / 80)).chain(bytes.len() - 40..bytes.len());
    let (mut before, mut readable) = (0, 0);
    for length in lengths {
        let Some(stats) = totals(&bytes[..length]) else {
            assert_eq!(readable, 0, "{length} bytes are refused, fewer were not");
            continue;
        };
        readable += 1;
        // At the very end is an index, which holds nothing that is not elsewhere.
        assert!(stats == whole || !is_complete(&stats), "{length} of {} bytes", bytes.len());
        assert_eq!(is_complete(&stats), stats["notes"].as_array().is_some_and(Vec::is_empty), "{length}");
        let allocations = total(&stats, "allocations");
        assert!((before..=total(&whole, "allocations")).contains(&allocations), "{length} bytes: {allocations}");
        before = allocations;
    }
    assert!(readable > 80, "most of them should be readable: {readable}");
    assert_eq!(before, total(&whole, "allocations"), "the end holds no events");
}

/// A single wrong bit is found wherever it is: the report is refused, says so, or is not affected.
#[test]
fn a_wrong_bit_anywhere() {
    let bytes = sound_capture();
    let whole = totals(&bytes).expect("it is sound");
    let bits = (0..bytes.len() * 8).step_by(bytes.len() * 8 / 300);
    let (mut refused, mut noticed) = (0, 0);
    for bit in bits.chain(0..128) {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match totals(&bytes) {
            None => refused += 1,
            Some(stats) if !is_complete(&stats) => noticed += 1,
            Some(stats) => assert_eq!(stats, whole, "bit {bit}"),
        }
    }
    assert!(noticed > 200 && refused > 50, "{noticed} noticed, {refused} refused");
}

/// Damage at the end, the middle and the beginning, in every report.
#[test]
fn all_reports_on_damaged_captures() {
    let bytes = sound_capture();
    let hole = |from: usize, to: usize| {
        let mut bytes = bytes.clone();
        bytes[from..to].fill(0);
        bytes
    };
    let length = bytes.len();
    let damaged = [
        bytes[..length / 2].to_vec(),
        bytes[..length - 1].to_vec(),
        hole(length / 4, length / 2),
        hole(length / 2, length),
        hole(600, 700),
        [&bytes[..length / 3], &bytes[length / 3 + 5..]].concat(),
        [&bytes[..], b"something after it"].concat(),
    ];
    for (index, bytes) in damaged.iter().enumerate() {
        let given = Given::file("damaged.bin", bytes);
        for report in REPORTS {
            let finished = given.report(&[report, &["-f"][..usize::from(report.contains(&"-o"))]].concat()).succeeds();
            let (text, errors) = (finished.stdout(), finished.stderr());
            // A text says what is missing. For what is no text, or goes elsewhere, standard error does.
            let is_text = !report.iter().any(|word| ["--json", "--format", "-o"].contains(word));
            let is_told = errors.starts_with(&format!("memprof: {}: ", Path::display(&given.file)));
            assert_eq!((is_told, is_text && text.contains("Note")), (!is_text, is_text), "{index}: {errors}{text}");
        }
    }
}
