//! The reports for a terminal as they are called: colours, characters, the flags of memray's users, and mistakes.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::memprof::{Finished, memprof};
use crate::support::pseudo_terminal;

/// Recorded by an earlier memprof: a script that allocates in a function `work`.
const CAPTURE: &[u8] = include_bytes!("../reporter/tests/captures/version-3.bin");

struct Given {
    folder: TempDir,
    capture: PathBuf,
}

impl Given {
    fn capture() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let capture = folder.path().join("small.bin");
        fs::write(&capture, CAPTURE).expect("a file can be written");
        Self { folder, capture }
    }

    /// A report in an environment that says nothing of colours, locales and widths but this.
    fn report(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
        let mut command = memprof(&arguments[..1]);
        command.arg(&self.capture).args(&arguments[1..]).current_dir(self.folder.path());
        for name in ["NO_COLOR", "FORCE_COLOR", "TERM", "LC_ALL", "LC_CTYPE", "LANG", "COLUMNS"] {
            command.env_remove(name);
        }
        Finished::of(command.envs(variables.iter().copied()))
    }

    fn text(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let finished = self.report(arguments, variables).succeeds();
        assert_eq!(finished.stderr(), "", "{arguments:?}");
        finished.stdout()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(arguments, &[])).expect("it is JSON")
    }
}

const TEXTS: [&str; 8] = ["stats", "table", "summary", "lines", "leaks", "temporary", "histogram", "timeline"];

#[test]
fn colours_are_for_those_who_can_see_them() {
    let given = Given::capture();
    for name in TEXTS {
        let plain = given.text(&[name], &[]);
        assert!(!plain.contains('\x1b'), "{name}: {plain}");
        let forced = given.text(&[name], &[("FORCE_COLOR", "1")]);
        assert!(forced.contains("\x1b[1m"), "{name}: {forced}");
        for (option, variables) in [
            (None, &[("FORCE_COLOR", "1"), ("NO_COLOR", "1")][..]),
            (Some("--no-color"), &[("FORCE_COLOR", "1")]),
            (None, &[("FORCE_COLOR", "")]),
            (None, &[("FORCE_COLOR", "0")]),
        ] {
            let arguments: Vec<&str> = [name].into_iter().chain(option).collect();
            assert_eq!(given.text(&arguments, variables), plain, "{name} {variables:?}");
        }
    }
}

#[test]
fn ascii_is_for_terminals_that_have_nothing_else() {
    let given = Given::capture();
    for name in TEXTS {
        let ascii = given.text(&[name, "--no-unicode"], &[]);
        assert!(ascii.is_ascii(), "{name}: {ascii}");
        assert_eq!(given.text(&[name], &[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]), ascii, "{name}");
        let unicode = given.text(&[name], &[]);
        assert_eq!(given.text(&[name], &[("LC_ALL", ""), ("LANG", "C.UTF-8")]), unicode, "{name}");
        assert_eq!(unicode.is_ascii(), unicode == ascii, "{name}");
    }
    for name in ["histogram", "timeline", "stats"] {
        assert!(!given.text(&[name], &[]).is_ascii(), "{name} draws");
    }
}

#[test]
fn text_is_as_wide_as_asked() {
    let given = Given::capture();
    for name in TEXTS {
        let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        for (width, asked) in
            [(60, given.text(&[name, "--width", "60"], &[])), (60, given.text(&[name], &[("COLUMNS", "60")]))]
        {
            assert!(widest(&asked) <= width, "{name}: {asked}");
        }
        assert!(widest(&given.text(&[name], &[])) <= 80, "{name}");
    }
}

#[test]
fn memray_s_flags_mean_the_same() {
    let given = Given::capture();
    let by_total = given.text(&["summary", "--sort", "total", "-n", "3"], &[]);
    assert_eq!(given.text(&["summary", "-s", "1", "-r", "3"], &[]), by_total);
    assert_eq!(given.text(&["summary", "--sort-column", "2", "--max-rows", "3"], &[]), by_total);
    assert_ne!(given.text(&["summary", "-s", "5", "-r", "3"], &[]), by_total);
    let temporary = given.text(&["table", "--temporary-allocations"], &[]);
    assert_eq!(given.text(&["table", "--temporary-allocation-threshold", "1"], &[]), temporary);
    let larger = given.json(&["temporary", "--temporary-allocation-threshold", "1000", "--json"]);
    let usual = given.json(&["temporary", "--json"]);
    let bytes = |report: &Value| report["total"]["bytes"].as_u64().expect("a number");
    assert!(bytes(&larger) > bytes(&usual) && larger["threshold"] == 1000);
    assert_eq!(given.json(&["table", "--threshold", "1000", "--peak", "--json"])["metric"], "peak");
    // Files rather than standard output.
    given.report(&["stats", "--num-largest", "3", "--json", "-o", "stats.json"], &[]).succeeds();
    let written = fs::read_to_string(given.folder.path().join("stats.json")).expect("it was written");
    assert_eq!(written, given.text(&["stats", "-n", "3", "--json"], &[]));
    given.report(&["stats", "--json", "-o", "stats.json"], &[]).refuses(1, &["stats.json", "-f"]);
    given.report(&["stats", "--json", "-o", "stats.json", "-f"], &[]).succeeds();
    given.report(&["table", "--split-threads", "--no-web", "-o", "table.html"], &[]).succeeds();
    assert!(given.folder.path().join("table.html").is_file());
}

#[test]
fn mistakes_are_said() {
    let given = Given::capture();
    given.report(&["lines", "nowhere.py"], &[]).refuses(1, &["small.bin", "nowhere.py", "without a file"]);
    given.report(&["lines", "small_v3.py:nothing"], &[]).refuses(1, &["no function nothing", "work"]);
    given.report(&["leaks", "--suppressions", "nowhere"], &[]).refuses(1, &["nowhere", "No such file"]);
    fs::write(given.folder.path().join("known.txt"), "# mine\nleek:work\n").expect("a file can be written");
    given.report(&["leaks", "--suppressions", "known.txt"], &[]).refuses(1, &["known.txt", "line 2", "leek:work"]);
    fs::write(given.folder.path().join("known.txt"), "leak:importlib\n").expect("a file can be written");
    let text = given.text(&["leaks", "--suppressions", "known.txt"], &[]);
    assert!(text.contains("Suppressed: ") && text.contains("importlib"), "{text}");
    for wrong in
        [&["summary", "--sort", "size"][..], &["summary", "-s", "6"], &["temporary", "--sort", "own"], &["leaks", "-n"]]
    {
        given.report(wrong, &[]).ends_with(2);
    }
    for (wrong, why) in [
        (&["leaks", "--by", "lines"][..], "memory is listed by stack, function, line"),
        (&["temporary", "--by", "line,stack"], "one at most"),
        (&["leaks", "--by", "stack", "--frames", "3"], "'--by <WHAT>' cannot be used with '--frames <N>'"),
    ] {
        let refused = given.report(wrong, &[]).ends_with(2).stderr();
        assert!(refused.contains(why), "{wrong:?}: {refused}");
    }
    given.report(&["timeline", "--svg", "run.svg"], &[]).succeeds();
    given.report(&["timeline", "--svg", "run.svg"], &[]).refuses(1, &["run.svg", "exists", "-f"]);
    given.report(&["timeline", "--svg", "run.svg", "-f"], &[]).succeeds();
}

/// Leaks are listed by place without their stacks, unless suppressions have to know these.
#[test]
fn leaks_by_something_are_those_of_the_table() {
    let given = Given::capture();
    fs::write(given.folder.path().join("nothing.txt"), "leak:of no such name\n").expect("a file can be written");
    fs::write(given.folder.path().join("known.txt"), "leak:importlib\n").expect("a file can be written");
    let bytes = |report: &Value| report["total"]["bytes"].as_u64().expect("a number");
    for by in
        ["stack", "function", "line", "file", "module", "package", "allocator", "process", "thread", "file,thread"]
    {
        let table = given.json(&["table", "--leaks", "--by", by, "--json"]);
        let leaks = |options: &[&str]| given.json(&[&["leaks", "--by", by, "--json"], options].concat());
        assert_eq!(leaks(&[])["rows"], table["rows"], "{by}");
        assert_eq!(leaks(&["--suppressions", "nothing.txt"])["rows"], table["rows"], "{by}");
        let suppressed = leaks(&["--suppressions", "known.txt"]);
        let taken = suppressed["suppressed"][0]["bytes"].as_u64().expect("a number");
        assert!(taken > 0 && bytes(&suppressed) + taken == bytes(&table), "{by}");
        let rows = suppressed["rows"].as_array().expect("rows").iter();
        assert_eq!(rows.map(|row| row["bytes"].as_u64().expect("a number")).sum::<u64>(), bytes(&suppressed), "{by}");
    }
    let text = given.text(&["leaks", "--by", "function", "--suppressions", "known.txt"], &[]);
    assert!(text.contains("Function") && text.contains("Suppressed: "), "{text}");
}

/// What a command writes to the terminal that it is run on, be it output or errors. No more than a terminal's buffer holds.
fn on_terminal(command: &mut Command) -> String {
    let (master, slave) = pseudo_terminal::open();
    let output = slave.try_clone().expect("there are descriptors");
    let status = command.stdout(output).stderr(slave).status().expect("memprof can be started");
    assert!(status.success(), "{status}");
    // The command's own copies go with it.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (mut shown, mut piece) = (Vec::new(), [0; 1024]);
    let mut master = File::from(master);
    // When nobody has the other end any more, reading fails.
    while let Ok(length @ 1..) = master.read(&mut piece) {
        shown.extend_from_slice(&piece[..length]);
    }
    String::from_utf8(shown).expect("it is UTF-8")
}

/// A capture of which the end is missing, and the whole one.
fn cut_off() -> Given {
    let given = Given::capture();
    fs::write(given.folder.path().join("whole.bin"), CAPTURE).expect("a file can be written");
    fs::write(&given.capture, &CAPTURE[..CAPTURE.len() - 40]).expect("a file can be written");
    given
}

/// Every report that is a text for people.
fn texts() -> Vec<Vec<&'static str>> {
    let others = [
        &["tree", "--text"][..],
        &["table", "--show-imports"],
        &["leaks", "--by", "function"],
        &["temporary", "--by", "process"],
        &["check", "--max-peak", "1TB"],
        &["check", "--max-peak", "1TB", "--format", "github"],
        &["check", "--max-peak", "1TB", "--format", "markdown"],
        &["diff", "whole.bin"],
        &["diff", "whole.bin", "--format", "markdown"],
    ];
    TEXTS.into_iter().map(|name| vec![name]).chain(others.map(<[_]>::to_vec)).collect()
}

const NOTE: &str = "Parts of the capture are left out";

/// A text for people has what they must know, be it on a terminal, in a pipe or in a file.
#[test]
fn what_must_be_known_stands_once() {
    let given = cut_off();
    let command = |arguments: &[&str]| {
        let mut command = memprof(arguments);
        command.arg(&given.capture).current_dir(given.folder.path());
        command
    };
    for arguments in texts() {
        let shown = on_terminal(&mut command(&arguments));
        assert_eq!(shown.matches(NOTE).count(), 1, "{arguments:?}: {shown}");
        let piped = Finished::of(&mut command(&arguments)).succeeds();
        assert_eq!((piped.stdout().matches(NOTE).count(), piped.stderr()), (1, String::new()), "{arguments:?}");
    }
    // Of two captures, each has its own.
    let both = Finished::of(command(&["diff"]).arg(&given.capture)).succeeds();
    assert_eq!((both.stdout().matches(NOTE).count(), both.stderr()), (2, String::new()));
}

/// What is for programs or goes to a file may have it, too; whoever asked for it gets a message.
#[test]
fn who_gets_no_text_is_told_what_must_be_known() {
    let given = cut_off();
    let jsons = TEXTS.into_iter().chain(["tree"]).map(|name| vec![name, "--json"]);
    let others = [
        &["diff", "--json", "whole.bin"][..],
        &["diff", "--format", "csv", "whole.bin"],
        &["leaks", "--by", "file", "--json"],
        &["temporary", "--by", "file", "--json"],
        &["check", "--max-peak", "1TB", "--format", "json"],
        &["check", "--format", "gab"],
        &["check", "--max-peak", "1TB", "--fail-above", "peak=1TB", "--baseline", "whole.bin", "--format", "json"],
        &["export", "--format", "csv"],
        &["export", "--format", "json"],
        &["report", "-f", "-o", "out"],
        &["flamegraph", "-f", "-o", "out"],
        &["flamegraph", "-f", "--diff", "whole.bin", "-o", "out"],
        &["table", "--html", "-f", "-o", "out"],
        &["diff", "--html", "-f", "-o", "out", "whole.bin"],
        &["stats", "--json", "-f", "-o", "out"],
        &["timeline", "-f", "--svg", "out"],
    ];
    let line = format!("memprof: {}: {NOTE}", given.capture.display());
    for arguments in jsons.chain(others.map(<[_]>::to_vec)) {
        let mut command = memprof(&arguments);
        let finished = Finished::of(command.arg(&given.capture).current_dir(given.folder.path())).succeeds();
        assert_eq!(finished.stderr().matches(&line).count(), 1, "{arguments:?}: {}", finished.stderr());
        let is_json = arguments.contains(&"--json") || arguments.contains(&"json");
        if is_json && !arguments.contains(&"-o") {
            assert_eq!(finished.stdout().matches(NOTE).count(), 1, "{arguments:?}: the document has it");
        }
    }
    // The other capture of a check is in none of its texts.
    let arguments = ["check", "--fail-above", "peak=1TB", "--baseline"];
    let check = Finished::of(memprof(arguments).arg(&given.capture).arg(given.folder.path().join("whole.bin")));
    let check = check.succeeds();
    assert_eq!((check.stdout().matches(NOTE).count(), check.stderr().matches(&line).count()), (0, 1));
}

#[test]
fn nobody_needs_to_listen_to_what_is_said() {
    let given = Given::capture();
    fs::write(&given.capture, &CAPTURE[..CAPTURE.len() - 40]).expect("a file can be written");
    for arguments in
        [&["stats"][..], &["flamegraph", "-o", "page.html"], &["export", "--format", "collapsed", "-o", "text"]]
    {
        let (reader, writer) = std::io::pipe().expect("there are descriptors");
        drop(reader);
        let mut command = memprof(&arguments[..1]);
        command.arg(&given.capture).args(&arguments[1..]).current_dir(given.folder.path());
        let status = command.stdout(Stdio::null()).stderr(writer).status();
        assert!(status.expect("memprof can be started").success(), "{arguments:?}");
    }
}
