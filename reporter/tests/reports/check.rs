//! Captures held against limits: what counts, which sites are named, and how it is printed (golden/check*). After a
//! change that is wanted, run the test with `MEMPROF_UPDATE_GOLDEN=1` and check the difference.

use std::fs;

use crate::capture_builder::{CaptureBuilder, Place};
use crate::family_run;
use crate::family_run::family_run;
use crate::golden_text::assert_golden;
use crate::json_schema;
use crate::sample_run::sample_run;
use memprof_channel::allocator::Allocator::Malloc;
use memprof_reporter::check::{
    Budget, Figure, Finding, Limit, Outcome, Rules, Scope, write_annotations, write_bencher,
    write_github_action_benchmark, write_json, write_markdown, write_text,
};
use memprof_reporter::report::Report;
use memprof_reporter::suppressions::Suppressions;
use memprof_reporter::text::TextStyle;
use memprof_reporter::view::View;
use serde_json::{Value, json};

const KIB: u64 = 1024;

/// Rules with the limits of a budget file.
fn rules(budget: &str) -> Rules {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("memprof.toml");
    fs::write(&path, budget).expect("a file can be written");
    Rules {
        budget: Budget::read(&path).unwrap_or_else(|error| panic!("{error}")),
        growth: Vec::new(),
        suppressions: Suppressions::default(),
        view: View::default(),
        sites: 3,
    }
}

fn check(builder: &CaptureBuilder, rules: &Rules) -> (Report, Outcome) {
    let mut report = builder.report();
    let outcome = Outcome::of(&mut report, None, rules);
    (report, outcome)
}

fn values(outcome: &Outcome) -> Vec<(Figure, u64)> {
    outcome.findings.iter().map(|finding| (finding.figure, finding.value)).collect()
}

const MAIN: Place = ("main", "/srv/shop/main.py", 10);
const LOAD: Place = ("load", "/srv/shop/db/load.py", 20);
const ROWS: Place = ("rows", "/srv/shop/db/rows.py", 30);
const READ: Place = ("read", "/usr/lib/python3.12/csv.py", 40);

/// main calls load (8 KiB), which calls rows (4 KiB, leaked) and read (2 KiB in two blocks); main itself has 1 KiB.
fn shop() -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    for (number, (stack, size)) in (1..).zip([
        (&[MAIN, LOAD][..], 8 * KIB),
        (&[MAIN, LOAD, ROWS], 4 * KIB),
        (&[MAIN, LOAD, READ], KIB),
        (&[MAIN, LOAD, READ], KIB),
        (&[MAIN], KIB),
    ]) {
        let site = builder.site(stack, Malloc);
        builder.allocate(number << 16, size, site);
    }
    builder.free(1 << 16).free(3 << 16).free(4 << 16).free(5 << 16);
    builder
}

#[test]
fn every_figure_of_the_run() {
    let budget = "max-peak = 0\nmax-leaked = 0\nmax-total = 0\nmax-temporary = 0\nmax-allocations = 0\nmax-rss = 0";
    let (_, outcome) = check(&shop(), &rules(budget));
    // The second block of read is followed by one other, that of main by none.
    let expected = [
        (Figure::Peak, 15 * KIB),
        (Figure::Leaked, 4 * KIB),
        (Figure::Total, 15 * KIB),
        (Figure::Temporary, 2 * KIB),
        (Figure::Allocations, 5),
        (Figure::Rss, 50 << 20),
    ];
    assert_eq!(values(&outcome), expected);
    assert!(outcome.findings.iter().all(Finding::is_breach));
    assert_eq!(outcome.breaches().count(), 6);
}

#[test]
fn as_much_as_allowed_is_allowed() {
    let (_, fine) = check(&shop(), &rules("max-peak = \"15 KiB\"\nmax-allocations = 5"));
    assert!(fine.has_passed());
    assert!(fine.findings.iter().all(|finding| finding.sites.is_empty()));
    let (_, breach) = check(&shop(), &rules("max-peak = 15359\nmax-allocations = 5"));
    assert_eq!(breach.breaches().map(|breach| breach.figure).collect::<Vec<_>>(), [Figure::Peak]);
}

#[test]
fn the_largest_stacks_are_named() {
    let (_, outcome) = check(&shop(), &rules("max-peak = 1\nmax-allocations = 1"));
    let sites = |number: usize| -> Vec<(String, u64, usize)> {
        let sites = outcome.findings[number].sites.iter();
        sites.map(|site| (site.frames[0].label(), site.amount.bytes, site.frames.len())).collect()
    };
    let load = ("load (/srv/shop/db/load.py:20)".to_owned(), 8 * KIB, 2);
    let rows = ("rows (/srv/shop/db/rows.py:30)".to_owned(), 4 * KIB, 3);
    let read = ("read (/usr/lib/python3.12/csv.py:40)".to_owned(), 2 * KIB, 3);
    assert_eq!(sites(0), [load.clone(), rows, read.clone()]);
    assert_eq!(sites(1)[..2], [read, load], "two allocations come before one");
}

#[test]
fn limits_on_code_count_what_it_calls_unless_own() {
    let budget = "
        [[function]]
        pattern = 'lo*'
        max-peak = 0
        [[function]]
        pattern = 'load'
        own = true
        max-peak = 0
        [[file]]
        pattern = 'db'
        own = true
        max-total = 0
        [[file]]
        pattern = '/usr/*'
        max-allocations = 0
        [[module]]
        pattern = 'shop.db'
        max-leaked = 0
        [[module]]
        pattern = 'csv'
        own = true
        max-peak = 0
        [[function]]
        pattern = 'misspelt'
        max-peak = 0
    ";
    let (_, outcome) = check(&shop(), &rules(budget));
    // Functions come first, then files, then modules.
    let expected = [
        (Figure::Peak, 14 * KIB),
        (Figure::Peak, 8 * KIB),
        (Figure::Peak, 0),
        (Figure::Total, 12 * KIB),
        (Figure::Allocations, 2),
        (Figure::Leaked, 4 * KIB),
        (Figure::Peak, 2 * KIB),
    ];
    assert_eq!(values(&outcome), expected);
    assert_eq!(outcome.notes, ["no function in any stack is like misspelt: is it written as in a report?"]);
    let own = Scope::Code { kind: "function", pattern: "load".to_owned(), is_own: true };
    assert_eq!(outcome.findings[1].scope, own);
    assert_eq!(outcome.findings[1].sites.len(), 1, "only its own");
}

#[test]
fn native_code_belongs_to_its_library() {
    let mut builder = CaptureBuilder::new();
    let main = builder.python(MAIN);
    let library = builder.module("/venv/numpy/_core/_multiarray.so", false);
    let array = builder.native(Some(library), 0x40, &[("PyArray_New", "multiarray/ctors.c", 7)]);
    let site = builder.site_of(&[main, array], Malloc);
    builder.allocate(1 << 16, KIB, site);
    for pattern in ["numpy", "_multiarray*", "numpy._core"] {
        let (_, outcome) = check(&builder, &rules(&format!("[[module]]\npattern = '{pattern}'\nmax-peak = 1")));
        assert_eq!(values(&outcome), [(Figure::Peak, KIB)], "{pattern}");
    }
}

#[test]
fn each_process_has_its_own_figures() {
    let budget = "
        [[process]]
        pattern = 'pool.py'
        max-peak = '3 MiB'
        max-rss = '15 MiB'
        [[process]]
        pattern = 'gzip -9 *'
        max-peak = '1 KiB'
        [[process]]
        pattern = 'pool'
        max-peak = 0
    ";
    let (_, outcome) = check(&family_run(), &rules(budget));
    let scopes = outcome.breaches().map(|breach| match breach.scope {
        Scope::Process { pid, .. } => (pid, breach.figure),
        _ => panic!("{:?}", breach.scope),
    });
    let (main, worker, gzip) = (family_run::MAIN, family_run::WORKER, family_run::GZIP);
    let expected = [(main, Figure::Peak), (main, Figure::Rss), (worker, Figure::Peak), (gzip, Figure::Peak)];
    assert_eq!(scopes.collect::<Vec<_>>(), expected);
    assert!(outcome.notes.contains(&"no process is like pool".to_owned()), "{:?}", outcome.notes);
    for breach in outcome.breaches().filter(|breach| breach.figure == Figure::Peak) {
        assert!(breach.sites.len() <= 2, "only those of the process: {:?}", breach.sites);
    }
}

#[test]
fn suppressed_leaks_do_not_count() {
    let mut rules = rules("max-leaked = 0\n[[function]]\npattern = 'rows'\nmax-leaked = 0\nmax-peak = 1");
    rules.suppressions = Suppressions::parse("leak:^rows$\nleak:nothing").expect("they are well formed");
    let (_, outcome) = check(&shop(), &rules);
    assert_eq!(values(&outcome), [(Figure::Leaked, 0), (Figure::Peak, 4 * KIB), (Figure::Leaked, 0)]);
    assert_eq!(outcome.breaches().count(), 1, "the peak counts as ever");
    let taken: Vec<_> = outcome.suppressed.iter().map(|it| (it.pattern.as_str(), it.amount.bytes)).collect();
    assert_eq!(taken, [("^rows$", 4 * KIB), ("nothing", 0)]);
}

/// The shop with more rows, at another line.
fn grown_shop() -> CaptureBuilder {
    let mut builder = shop();
    let site = builder.site(&[MAIN, LOAD, ("rows", "/srv/shop/db/rows.py", 33)], Malloc);
    for number in 10..13 {
        builder.allocate(number << 16, 2 * KIB, site);
    }
    builder
}

fn against_baseline(limits: &[(Figure, &str)]) -> (Report, Outcome) {
    let mut rules = rules("");
    rules.growth = limits.iter().map(|&(figure, limit)| (figure, limit.parse().expect("a limit"))).collect();
    let (mut report, mut baseline) = (grown_shop().report(), shop().report());
    let outcome = Outcome::of(&mut report, Some(&mut baseline), &rules);
    (report, outcome)
}

#[test]
fn growth_since_a_baseline() {
    // The total goes from 15 to 21 KiB: 40%.
    let (_, outcome) = against_baseline(&[(Figure::Total, "40%"), (Figure::Leaked, "6KiB"), (Figure::Peak, "0%")]);
    assert!(outcome.has_passed(), "{:?}", outcome.findings);
    let (_, outcome) = against_baseline(&[(Figure::Total, "39.9%"), (Figure::Allocations, "50%"), (Figure::Rss, "0%")]);
    let breaches: Vec<_> = outcome.breaches().map(|breach| breach.figure).collect();
    assert_eq!(breaches, [Figure::Total, Figure::Allocations]);
    let total = &outcome.findings[0];
    assert_eq!(total.actual(), "+40.0%");
    assert!(matches!(total.limit, Limit::Growth { before, .. } if before == 15 * KIB));
    let sites: Vec<_> = total.sites.iter().map(|site| (site.frames[0].label(), site.amount.bytes)).collect();
    assert_eq!(sites, [("rows (/srv/shop/db/rows.py:33)".to_owned(), 6 * KIB)], "at the line with most of it");
}

fn printed(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("memory can be written");
    String::from_utf8(out).expect("it is UTF-8")
}

/// Limits of all kinds, and leaks to be suppressed.
fn mixed() -> (Report, Outcome) {
    let mut rules = rules(
        "max-peak = '1 MiB'\nmax-leaked = '20 MiB'\nmax-allocations = 20\nmax-rss = '8 MiB'\n\
         [[function]]\npattern = 'is_prime'\nmax-total = '1 KiB'\n\
         [[file]]\npattern = 'random.py'\nown = true\nmax-peak = '2 MiB'\n\
         [[module]]\npattern = 'nowhere'\nmax-peak = 1\n\
         [[process]]\npattern = '*random_primes*'\nmax-peak = '1 GiB'\n",
    );
    rules.suppressions = Suppressions::parse("leak:random.py").expect("it is well formed");
    check(&sample_run(), &rules)
}

#[test]
fn texts_at_several_widths() {
    let (report, outcome) = mixed();
    for width in [60, 80, 120] {
        let text = printed(|out| write_text(&report, &outcome, &TextStyle::new(width, false), out));
        let too_wide = text.lines().find(|line| line.chars().count() > width);
        assert_eq!(too_wide, None, "at {width}: {text}");
        assert_golden(&format!("check-{width}.txt"), &text);
    }
}

#[test]
fn markdown_for_a_summary() {
    let (report, outcome) = mixed();
    assert_golden("check.md", &printed(|out| write_markdown(&report, &outcome, out)));
    let (report, outcome) = against_baseline(&[(Figure::Total, "5%"), (Figure::Leaked, "1 KiB")]);
    assert_golden("check-baseline.md", &printed(|out| write_markdown(&report, &outcome, out)));
}

#[test]
fn json_follows_its_schema() {
    let cases = [mixed(), against_baseline(&[(Figure::Total, "5%"), (Figure::Leaked, "1 KiB")])];
    let family = check(&family_run(), &rules("[[process]]\npattern = '*'\nmax-peak = '3 MiB'"));
    for (report, outcome) in cases.into_iter().chain([family]) {
        let json: Value = serde_json::from_str(&printed(|out| write_json(&report, &outcome, out))).expect("it is JSON");
        json_schema::check("check.schema.json", &json);
        assert_eq!(json["passed"], json!(false));
        let limits = json["limits"].as_array().expect("a list");
        assert_eq!(limits.len(), outcome.findings.len());
        for (limit, finding) in limits.iter().zip(&outcome.findings) {
            assert_eq!(limit["passed"], json!(!finding.is_breach()));
        }
    }
}

#[test]
fn annotations_are_at_lines_of_the_workspace() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("a,b:c.py");
    fs::write(&file, "").expect("a file can be written");
    let here: Place = ("load", file.to_str().expect("it is ASCII"), 12);
    let mut builder = CaptureBuilder::new();
    for (number, stack) in (1..).zip([&[MAIN, here, READ][..], &[MAIN, READ]]) {
        let site = builder.site(stack, Malloc);
        builder.allocate(number << 16, 4 * KIB * number, site);
    }
    let (_, outcome) = check(&builder, &rules("max-peak = 0\nmax-rss = 1"));
    let lines = printed(|out| write_annotations(&outcome, folder.path(), out));
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(
        lines[0],
        "::error file=a%2Cb%3Ac.py,line=12,title=memprof%3A max-peak::12.0 KiB live at the peak in the run, 0 B allowed. \
         Of it 4.0 KiB in 1 allocation (33.3%25) from read (/usr/lib/python3.12/csv.py:40)"
    );
    let elsewhere = tempfile::tempdir().expect("a temporary folder can be made");
    let lines = printed(|out| write_annotations(&outcome, elsewhere.path(), out));
    let first = "::error title=memprof%3A max-peak::12.0 KiB live at the peak in the run, 0 B allowed";
    assert_eq!(lines.lines().next(), Some(first));
}

#[test]
fn figures_for_benchmark_services() {
    let report = shop().report();
    let entries: Value =
        serde_json::from_str(&printed(|out| write_github_action_benchmark(&report, "shop", out))).expect("it is JSON");
    assert_eq!(entries.as_array().map(Vec::len), Some(6));
    let command = "python3 examples/random_primes_sum.py 1000";
    let peak = json!({ "name": "shop: peak", "unit": "bytes", "value": 15 * KIB, "extra": command });
    assert_eq!(entries[0], peak);
    let results: Value = serde_json::from_str(&printed(|out| write_bencher(&report, "shop", out))).expect("it is JSON");
    assert_eq!(results["shop"]["peak-bytes"], json!({ "value": 15 * KIB }));
    assert_eq!(results["shop"]["allocations"], json!({ "value": 5 }));
    let mut unmeasured = shop();
    unmeasured.summary = None;
    let results: Value =
        serde_json::from_str(&printed(|out| write_bencher(&unmeasured.report(), "shop", out))).expect("it is JSON");
    assert_eq!(results["shop"].get("rss-bytes"), None);
    let (_, outcome) = check(&unmeasured, &rules("max-rss = 1"));
    assert_eq!(outcome.notes, ["no resident set was measured: its limit is not checked"]);
}
