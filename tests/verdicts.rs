//! What `memprof check` and `memprof diff` end with: 0, 3 for a limit that is exceeded, 2 for wrong usage, 1 for the rest.

use std::fs;
use std::path::Path;

use memprof_channel::allocator::Allocator::Malloc;
use tempfile::TempDir;

use crate::capture_builder::CaptureBuilder;
use crate::support::memprof::{Finished, memprof};

/// A folder with two captures: `before.bin` has 10,000 bytes in one block, `after.bin` 12,000 in two.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let source = folder.path().join("shop.py");
    fs::write(&source, "rows = load()\n").expect("a file can be written");
    for (name, sizes) in [("before.bin", &[10_000][..]), ("after.bin", &[10_000, 2_000])] {
        let mut builder = CaptureBuilder::new();
        let site = builder.site(&[("load", source.to_str().expect("it is UTF-8"), 1)], Malloc);
        for (number, &size) in (1..).zip(sizes) {
            builder.allocate(number << 16, size, site);
        }
        builder.write(&folder.path().join(name));
    }
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    Finished::of(memprof(arguments).current_dir(folder))
}

#[test]
fn check_ends_with_three_if_a_limit_is_exceeded() {
    let folder = folder();
    let check = |arguments: &[&str]| run(folder.path(), &[&["check", "after.bin"], arguments].concat());
    for fine in [
        &["--max-peak", "12000"][..],
        &["--max-peak", "12kB", "--max-allocations", "2e0", "--max-total", "1_000_000", "--max-rss", "1GiB"],
        &["--baseline", "before.bin", "--fail-above", "100%"],
        &[
            "--baseline",
            "before.bin",
            "--fail-above",
            "5%",
            "--fail-above",
            "peak=2000B",
            "--fail-above",
            "total=20%",
            "--fail-above",
            "leaked=2KB",
            "--fail-above",
            "allocations=100%",
        ],
        &["--format", "gab"],
        &["--format", "bencher"],
    ] {
        assert_eq!(check(fine).ends_with(0).stderr(), "", "{fine:?}");
    }
    for breach in [
        &["--max-peak", "11999"][..],
        &["--max-peak", "1GB", "--max-allocations", "1"],
        &["--max-leaked", "0", "--format", "json"],
        &["--max-rss", "1MiB", "--format", "markdown"],
        &["--max-temporary", "0", "--max-total", "11KiB"],
        &["--baseline", "before.bin", "--fail-above", "19.9%"],
        &["--baseline", "before.bin", "--fail-above", "1 KiB"],
        &["--baseline", "before.bin", "--fail-above", "100%", "--fail-above", "leaked=1B"],
    ] {
        assert!(!check(breach).ends_with(3).stdout().is_empty(), "{breach:?}");
    }
}

#[test]
fn check_tells_wrong_usage_from_what_cannot_be_read() {
    let folder = folder();
    fs::write(folder.path().join("budget.toml"), "max-peak = 1\n\nmax-peek = 2\n").expect("a file can be written");
    fs::write(folder.path().join("leaks.txt"), "leak:x\nrace:y\n").expect("a file can be written");
    let check = |arguments: &[&str]| run(folder.path(), &[&["check"], arguments].concat());
    check(&["after.bin"]).refuses(2, &["no limit", "--max-peak", "--budget", "--baseline"]);
    check(&["after.bin", "--budget", "budget.toml"]).refuses(2, &["budget.toml, line 3", "max-peek"]);
    check(&["after.bin", "--max-leaked", "0", "--suppressions", "leaks.txt"]).refuses(2, &["leaks.txt", "line 2"]);
    for wrong in [
        &["after.bin", "--max-peak", "lots"][..],
        &["after.bin", "--max-allocations", "1.5"],
        &["after.bin", "--fail-above", "5%"],
        &["after.bin", "--baseline", "before.bin"],
        &["after.bin", "--baseline", "before.bin", "--fail-above", "speed=5%"],
        &["after.bin", "--baseline", "before.bin", "--fail-above", "allocations=1MiB"],
    ] {
        assert_eq!(check(wrong).ends_with(2).stdout(), "", "{wrong:?}");
    }
    check(&["nothing.bin", "--max-peak", "1"]).refuses(1, &["nothing.bin"]);
    check(&["after.bin", "--budget", "nothing.toml"]).refuses(1, &["budget", "nothing.toml"]);
    check(&["after.bin", "--max-peak", "1", "--suppressions", "nothing.txt"]).refuses(1, &["nothing.txt"]);
    check(&["after.bin", "--baseline", "nothing.bin", "--fail-above", "5%"]).refuses(1, &["nothing.bin"]);
}

#[test]
fn options_come_before_the_budget_and_suppressions_take_leaks_out() {
    let folder = folder();
    fs::write(folder.path().join("budget.toml"), "max-peak = 1\nmax-leaked = 0\n").expect("a file can be written");
    fs::write(folder.path().join("leaks.txt"), "# known\nleak:shop.py\n").expect("a file can be written");
    let check = |arguments: &[&str]| run(folder.path(), &[&["check", "after.bin"], arguments].concat());
    check(&["--budget", "budget.toml"]).ends_with(3);
    check(&["--budget", "budget.toml", "--max-peak", "1MiB", "--suppressions", "leaks.txt"]).ends_with(0);
    check(&["--budget", "budget.toml", "--max-peak", "1MiB"]).ends_with(3);
}

#[test]
fn check_on_github_annotates_lines_and_appends_to_the_summary() {
    let folder = folder();
    let summary = folder.path().join("summary.md");
    fs::write(&summary, "from another step\n").expect("a file can be written");
    let github = |workspace: &Path, summary: &Path| {
        let mut command = memprof(["check", "after.bin", "--max-peak", "1", "--format", "github"]);
        let command = command.env("GITHUB_WORKSPACE", workspace).env("GITHUB_STEP_SUMMARY", summary);
        Finished::of(command.current_dir(folder.path()))
    };
    let printed = github(folder.path(), &summary).ends_with(3).stdout();
    assert!(printed.lines().any(|line| line.starts_with("::error file=shop.py,line=1,")), "{printed}");
    let written = fs::read_to_string(&summary).expect("it can be read");
    assert!(written.starts_with("from another step\n### Memory: 1 of 1 limit exceeded\n"), "{written}");
    let finished = github(folder.path(), &folder.path().join("no folder/summary.md")).ends_with(1);
    assert!(finished.stderr().contains("no folder/summary.md"), "{}", finished.stderr());
}

#[test]
fn diff_ends_with_three_above_its_limit() {
    let folder = folder();
    let diff = |arguments: &[&str]| run(folder.path(), &[&["diff"], arguments].concat());
    let formats = [&[][..], &["--json"], &["--format", "markdown"], &["--format", "csv"]];
    for format in formats.into_iter().chain([&["--by", "stack"][..], &["--by", "line"]]) {
        let arguments = [&["before.bin", "after.bin"], format].concat();
        assert!(!diff(&arguments).ends_with(0).stdout().is_empty());
        let finished = diff(&[&arguments[..], &["--fail-above", "5%"]].concat()).ends_with(3);
        assert_eq!(finished.stderr(), "memprof: 2.0 KiB (+20.0%) more live at the peak than before; the limit is 5%\n");
        assert!(!finished.stdout().is_empty());
    }
    diff(&["before.bin", "after.bin", "--fail-above", "20%"]).ends_with(0);
    diff(&["before.bin", "after.bin", "--fail-above", "2000"]).ends_with(0);
    diff(&["before.bin", "after.bin", "--fail-above", "1.9KiB"]).ends_with(3);
    diff(&["after.bin", "before.bin", "--fail-above", "0%"]).ends_with(0);
    diff(&["before.bin", "after.bin", "--fail-above", "much"]).ends_with(2);
    diff(&["before.bin"]).ends_with(2);
    diff(&["before.bin", "nothing.bin"]).refuses(1, &["nothing.bin"]);
    diff(&["before.bin", "after.bin", "--view", "native"]).refuses(1, &["before.bin", "native"]);
}
