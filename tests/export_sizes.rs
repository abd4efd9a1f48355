//! Reports that would be far larger than their capture: said before a disk is full, and no part of them stays, whatever
//! ends memprof meanwhile.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::memprof::{EXECUTABLE, Finished, memprof};
use crate::support::pythons;
use crate::support::recording::{Recorded, Recording};
use crate::support::skipping::machine_forbids;

/// So many levels that stacks spelled out take tens of gigabytes.
const DEEP: u64 = 50_000;

fn deep() -> &'static Recorded {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    RECORDED.get_or_init(|| recorded(&DEEP.to_string()))
}

/// So deep that it takes some time to spell the stacks out, and no more than a disk may be expected to have.
fn less_deep() -> &'static Recorded {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    RECORDED.get_or_init(|| recorded("6000"))
}

fn recorded(levels: &str) -> Recorded {
    let recording = Recording::of_script(pythons::any(), "levels_that_keep.py").argument(levels);
    let recorded = recording.option("--no-native").run().succeeds();
    assert_eq!(recorded.finished().stdout(), format!("{levels}\n"));
    recorded
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn export(recorded: &Recorded, format: &str, output: &Path) -> Command {
    let mut command = memprof(["export", "--format", format, "-o"]);
    command.arg(output).arg(recorded.capture());
    command
}

#[test]
fn what_spells_stacks_out_is_refused_before_it_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for format in ["collapsed", "csv", "gprof2dot", "dhat", "pprof"] {
        let output = folder.path().join(format);
        let began = Instant::now();
        let refused = Finished::of(&mut export(deep(), format, &output)).ends_with(1);
        let errors = refused.stderr();
        let path = output.display().to_string();
        // On a disk that is nearly full it is that which is said.
        let what_to_do = if errors.contains(" left") { "on another disk with -o" } else { "add --force" };
        for word in [path.as_str(), " GiB", what_to_do] {
            assert!(errors.contains(word), "no \"{word}\" in: {errors}");
        }
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(began.elapsed() < Duration::from_secs(60), "{format} was written: {:?}", began.elapsed());
    }
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn what_refers_to_stacks_is_no_larger_than_it_must_be() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for format in ["speedscope", "json", "firefox", "heaptrack", "memray"] {
        let output = folder.path().join(format);
        Finished::of(&mut export(deep(), format, &output)).succeeds();
        let bytes = output.metadata().expect("it is there").len();
        // Some hundred bytes for each stack, of which some would be 50,000 frames long.
        assert!(bytes < 400 * DEEP, "{format}: {bytes} bytes");
    }
    let file = |name: &str| File::open(folder.path().join(name)).expect("it is there");
    let speedscope: Value = serde_json::from_reader(file("speedscope")).expect("it is JSON");
    let opens = speedscope["profiles"][0]["events"].as_array().expect("a list");
    let (mut depth, mut deepest) = (0_u64, 0);
    for event in opens {
        depth = if event["type"] == "O" { depth + 1 } else { depth - 1 };
        deepest = depth.max(deepest);
    }
    assert!(depth == 0 && deepest >= DEEP, "{deepest}");
}

/// An inverted tree has each level's stack below the place that allocated, and all of them share their rows: what it takes
/// to print it must not be each stack for itself.
#[test]
fn trees_of_deep_recursion_need_little_memory() {
    for inverted in [&[][..], &["--inverted"]] {
        let mut tree = memprof(["tree", "--json", "--leaks"]);
        tree.args(inverted).arg(leaking().capture());
        tree.stdout(Stdio::piped());
        // SAFETY: between fork and exec a limit may be set.
        unsafe {
            tree.pre_exec(|| {
                let most = libc::rlimit { rlim_cur: 1 << 30, rlim_max: 1 << 30 };
                libc::setrlimit(libc::RLIMIT_AS, &raw const most);
                Ok(())
            })
        };
        let printed = Finished::of(&mut tree).succeeds();
        let tree: Value = serde_json::from_str(&printed.stdout()).expect("it is JSON");
        assert!(tree["calls"].as_array().map_or(0, Vec::len) > 20_000);
    }
}

/// Where nothing is kept on a disk there is none to fill. A file is one, also as standard output.
#[test]
fn a_pipe_takes_what_comes_and_a_file_does_not() {
    let capture = deep().capture();
    let command = format!("'{EXECUTABLE}' export --format csv '{}' | head -c 100000", capture.display());
    let piped = Finished::of(Command::new("sh").args(["-c", &command])).succeeds();
    assert_eq!((piped.stdout().len(), piped.stderr()), (100_000, String::new()));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let before = folder.path().join("before.bin");
    let run = ["run", "-q", "--no-native", "-o"];
    Finished::of(memprof(run).arg(&before).args(["-c", "pass"])).succeeds();
    let diff = ["diff", "--total", "--by", "stack", "--json"];
    let reports = [
        memprof_on(&["export", "--format", "csv"], &[&capture]),
        memprof_on(&diff, &[&before, &capture]),
        memprof_on(&["diff", "--total", "--by", "stack", "--format", "csv"], &[&before, &capture]),
        memprof_on(&["leaks", "--json"], &[&leaking().capture()]),
        memprof_on(&["leaks", "--by", "stack", "--json"], &[&leaking().capture()]),
    ];
    for mut report in reports {
        let output = folder.path().join("output");
        let file = File::create(&output).expect("a file can be made");
        let refused = Finished::of_output_to(&mut report, file.into()).ends_with(1);
        let errors = refused.stderr();
        assert!(errors.contains("standard output") && errors.contains(" GiB") && errors.contains("pipe"), "{errors}");
        assert_eq!(output.metadata().expect("it is there").len(), 0);
    }
}

fn memprof_on(arguments: &[&str], captures: &[&Path]) -> Command {
    let mut command = memprof(arguments);
    command.args(captures);
    command
}

/// A program that ends with the blocks of all levels: leaks, each with a stack of its own.
fn leaking() -> &'static Recorded {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let code = "
import os, sys, threading
sys.setrecursionlimit(100_000)
threading.stack_size(512 << 20)
kept = []
def descend(level):
    kept.append(bytearray(600))
    descend(level - 1) if level else os._exit(0)
threading.Thread(target=descend, args=(20_000,)).start()
";
        Recording::of_code(pythons::any(), code).option("--no-native").run().succeeds()
    })
}

/// A long export, of which some MiB are written.
struct Export {
    child: Child,
    folder: tempfile::TempDir,
}

impl Export {
    /// In the middle of it. `prepare` changes how it is called.
    fn begin(prepare: impl FnOnce(Command) -> Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut command = prepare(export(less_deep(), "csv", &folder.path().join("output.csv")));
        command.arg("--force").stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("it can be started");
        let export = Self { child, folder };
        let deadline = Instant::now() + Duration::from_secs(60);
        while export.written() < 1 << 20 {
            assert!(Instant::now() < deadline, "it does not get to writing");
            sleep(Duration::from_millis(2));
        }
        export
    }

    /// The bytes of the file that is being written, with a name or without.
    fn written(&self) -> u64 {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.child.id())).into_iter().flatten().flatten();
        let of_output = descriptors
            .filter(|entry| fs::read_link(entry.path()).is_ok_and(|path| path.starts_with(self.folder.path())));
        of_output.filter_map(|entry| Some(fs::metadata(entry.path()).ok()?.len())).max().unwrap_or(0)
    }

    /// Sends a signal, and returns the names of what is left and the signal that it was ended by.
    fn end(mut self, signal: libc::c_int) -> (Vec<String>, Option<i32>) {
        self.signal(signal);
        let status = self.child.wait().expect("it ends");
        (names(self.folder.path()), std::os::unix::process::ExitStatusExt::signal(&status))
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: sends a signal to a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as libc::pid_t, signal) }, 0);
    }
}

/// With the reactions to signals that a program in the foreground has: shells let those in the background ignore some.
fn in_foreground(mut command: Command) -> Command {
    // SAFETY: between fork and exec a disposition may be set.
    unsafe {
        command.pre_exec(|| {
            for signal in ENDING {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        })
    };
    command
}

const ENDING: [libc::c_int; 5] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGXCPU];

#[test]
fn signals_leave_no_part_of_a_file() {
    for signal in ENDING {
        assert_eq!(Export::begin(in_foreground).end(signal), (Vec::new(), Some(signal)));
    }
    // Where the disk knows files without a name, nothing can leave one.
    let export = Export::begin(|command| command);
    if names(export.folder.path()).is_empty() {
        assert_eq!(export.end(libc::SIGKILL), (Vec::new(), Some(libc::SIGKILL)));
    } else {
        machine_forbids("files without a name");
    }
}

/// Without `/proc` a file cannot get its name at the end, and so has another one until then, as on disks that know no
/// other way.
#[test]
fn signals_leave_no_part_of_a_file_that_has_a_name() {
    let hidden = ["-rm", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"];
    let possible = Command::new("unshare").args(hidden).arg("true").stderr(Stdio::null()).status();
    if !possible.is_ok_and(|status| status.success()) {
        return machine_forbids("hiding /proc");
    }
    let without_proc = |command: Command| {
        let mut unshare = Command::new("unshare");
        unshare.args(hidden).arg(command.get_program()).args(command.get_args());
        in_foreground(unshare)
    };
    for signal in ENDING {
        let export = Export::begin(without_proc);
        let part = names(export.folder.path());
        assert!(matches!(&part[..], [name] if name.starts_with(".output.csv.") && name.ends_with(".part")), "{part:?}");
        assert_eq!(export.end(signal), (Vec::new(), Some(signal)));
    }
}

/// A terminal that closes does not end what was started to go on without it.
#[test]
fn signals_that_are_ignored_end_nothing() {
    let export = Export::begin(|mut command| {
        // SAFETY: between fork and exec a disposition may be set.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                Ok(())
            })
        };
        command
    });
    export.signal(libc::SIGHUP);
    let before = export.written();
    let deadline = Instant::now() + Duration::from_secs(60);
    while export.written() <= before {
        assert!(Instant::now() < deadline, "it does not go on");
        sleep(Duration::from_millis(2));
    }
    assert_eq!(export.end(libc::SIGTERM), (Vec::new(), Some(libc::SIGTERM)));
}
