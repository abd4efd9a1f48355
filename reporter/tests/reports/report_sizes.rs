//! What reports say about their size before they are written, and how large they become with deep recursion.

use std::io::{self, Read, Write};

use crate::capture_builder::CaptureBuilder;
use crate::exports::named;
use crate::family_run::family_run;
use crate::lists;
use crate::native_run::native_run;
use crate::sample_run::sample_run;
use memprof_channel::allocator::Allocator;
use memprof_replay::metric::Metric;
use memprof_reporter::diff::{self, By, Comparison, Diff, Order};
use memprof_reporter::expected_size::{ExpectedSize, SizedWrite};
use memprof_reporter::export::{FORMATS, Format, write};
use memprof_reporter::leaks::{LeakRows, LeakSettings};
use memprof_reporter::list::ListFormat;
use memprof_reporter::rows::Ranking;
use memprof_reporter::temporary::{self, SortBy, TemporarySettings};
use memprof_reporter::view::{View, ViewKind};

const NATIVE: View = View::of(ViewKind::Native);
const PYTHON_ONLY: View = View::of(ViewKind::Python);
const WITH_RUNTIME: View = View { show_runtime: true, ..View::of(ViewKind::Hybrid) };

/// A file that is given its size before it is written.
#[derive(Default)]
struct SizedFile {
    bytes: Vec<u8>,
    expected: Option<ExpectedSize>,
}

impl Write for SizedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SizedWrite for SizedFile {
    fn expect(&mut self, size: ExpectedSize) -> io::Result<()> {
        assert!(self.bytes.is_empty() && self.expected.is_none(), "once, before the first byte");
        self.expected = Some(size);
        Ok(())
    }
}

/// Names that are written otherwise than they are.
fn odd_run() -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    let odd = builder.site(&[("a,\"b\"", "c\n;d.py", 3), ("λ\\", "d\te.py", 0)], Allocator::Malloc);
    let plain = builder.site(&[("plain", "d.py", 1_000_000)], Allocator::Mmap);
    builder.allocate(0x10, 7, odd).allocate(0x20, 1_000_000_007, odd).allocate(0x30, 0, plain).allocate(0x40, 1, plain);
    builder.threads[0].name = "one, two".to_owned();
    builder
}

#[test]
fn formats_that_spell_stacks_out_say_before_how_large_they_will_be() {
    for builder in [CaptureBuilder::new(), sample_run(), native_run(), family_run(), odd_run()] {
        for view in [View::default(), PYTHON_ONLY, NATIVE, WITH_RUNTIME] {
            for (format, metric) in [named("collapsed"), named("csv"), named("gprof2dot"), named("dhat")]
                .into_iter()
                .flat_map(|format| Metric::ALL.map(|metric| (format, metric)))
            {
                let mut report = builder.report();
                if format.has_events() && report.processes().are_several() {
                    continue;
                }
                let mut file = SizedFile::default();
                write(&mut report, format, view, metric, &mut file).expect("memory can be written");
                assert_eq!(file.expected, Some(ExpectedSize::Exactly(file.bytes.len() as u64)), "{format:?} {view:?}");
            }
        }
    }
}

/// One call below the other, each with a block of its own.
fn deep_run(depth: usize) -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    let frames = vec![("descend", "deep.py", 7); depth];
    for at in (1..=depth).step_by(10) {
        let site = builder.site(&frames[..at], Allocator::Malloc);
        builder.allocate(at as u64 * 0x1000, 600, site);
    }
    builder
}

#[test]
fn deep_recursion_takes_its_square_only_where_the_format_leaves_no_choice() {
    let sizes = |format: &Format| {
        [300, 1_200].map(|depth| {
            let mut file = SizedFile::default();
            write(&mut deep_run(depth).report(), format, View::default(), Metric::Leaks, &mut file).expect("it can");
            let bytes = file.bytes.len() as u64;
            let unpacked = match file.expected {
                Some(ExpectedSize::Unpacked(_)) => {
                    let mut unpacked = Vec::new();
                    flate2::read::GzDecoder::new(&file.bytes[..]).read_to_end(&mut unpacked).expect("it is gzip'ed");
                    unpacked.len() as u64
                }
                _ => bytes,
            };
            (bytes, unpacked, file.expected)
        })
    };
    for format in FORMATS {
        let [(_, small, _), (_, large, expected)] = sizes(format);
        let is_square = large > 12 * small;
        let said = match expected {
            Some(ExpectedSize::Exactly(bytes) | ExpectedSize::About(bytes) | ExpectedSize::Unpacked(bytes)) => bytes,
            None => 0,
        };
        if is_square {
            assert!(said > large / 2 && said < large * 2, "{format:?} says {expected:?} and has {large}");
        } else {
            assert!(large < 5 * small, "{format:?}: {small}, {large}");
        }
        let spells = [named("collapsed"), named("pprof"), named("csv"), named("gprof2dot"), named("dhat")];
        assert_eq!(is_square, spells.contains(&format), "{format:?}: {small}, {large}");
    }
}

/// What is said about a size, and the size.
fn expected_and_true(file: &SizedFile) -> (u64, u64) {
    match file.expected {
        Some(ExpectedSize::About(bytes)) => (bytes, file.bytes.len() as u64),
        ref other => panic!("{other:?}"),
    }
}

fn assert_about(file: &SizedFile, what: &str) {
    let (said, bytes) = expected_and_true(file);
    assert!(bytes < 2 * said && said < 2 * bytes, "{what}: {said} are said, {bytes} are written");
}

#[test]
fn formats_of_events_say_about_how_large_they_will_be() {
    let mut builder = CaptureBuilder::new();
    let sites: Vec<_> = (1..9)
        .map(|depth| builder.site(&vec![("work", "work.py", depth); depth as usize], Allocator::Malloc))
        .collect();
    for round in 0..10_000_usize {
        builder.allocate(0x10_0000 + round as u64 * 0x100, 100 + (round % 50) as u64 * 16, sites[round % sites.len()]);
        if round >= 100 {
            builder.free(0x10_0000 + (round as u64 - 100) * 0x100);
        }
    }
    for format in [named("firefox"), named("heaptrack"), named("memray")] {
        let mut file = SizedFile::default();
        write(&mut builder.report(), format, View::default(), Metric::Peak, &mut file).expect("it can");
        assert_about(&file, format.name);
    }
}

/// The same of the reports that have stacks with all names in JSON.
#[test]
fn reports_that_spell_stacks_out_say_about_how_large_they_will_be() {
    let mut file = SizedFile::default();
    let settings = LeakSettings { view: View::default(), ranking: Ranking::Bytes, suppressed: Vec::new() };
    lists::leaks_json(&deep_run(500).report(), &settings, &mut file).expect("it can");
    assert_about(&file, "leaks");
    for format in [ListFormat::Json, ListFormat::Csv] {
        let mut file = SizedFile::default();
        let report = deep_run(500).report();
        let rows = LeakRows::of(&report, lists::by_of("stack"), &settings);
        rows.write(format, 0, &lists::no_style(), &mut file).expect("it can");
        assert_about(&file, "leaks by stack");
    }

    let mut builder = CaptureBuilder::new();
    for depth in 1..100 {
        let site = builder.site(&vec![("work", "work.py", 7); depth], Allocator::Malloc);
        builder.allocate(0x1000, 600, site).free(0x1000);
    }
    let mut file = SizedFile::default();
    lists::temporary_json(&builder.report(), View::default(), SortBy::Bytes, &mut file).expect("it can");
    assert_about(&file, "temporary");
    for (by, format) in [("stack", ListFormat::Json), ("stack", ListFormat::Csv), ("function", ListFormat::Json)] {
        let settings = TemporarySettings { view: View::default(), by: Some(lists::by_of(by)), sort: SortBy::Bytes };
        let mut file = SizedFile::default();
        let how = (format, &lists::no_style());
        temporary::write(&builder.report(), settings, lists::NO_LIMITS, how, &mut file).expect("it can");
        assert_about(&file, "temporary by something");
    }

    let comparison =
        Comparison { view: View::default(), metric: Metric::Total, by: By::Stack, order: Order::Difference };
    let (mut before, mut after) = (CaptureBuilder::new().report(), deep_run(500).report());
    let mut file = SizedFile::default();
    let diff = Diff::of(&mut before, &mut after, comparison);
    diff::write_json(&diff, &mut file).expect("it can");
    assert_about(&file, "diff");
    let mut file = SizedFile::default();
    diff::write_csv(&diff, &mut file).expect("it can");
    assert_about(&file, "diff as CSV");
}
