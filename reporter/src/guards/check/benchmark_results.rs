//! The figures of a run for services that follow them over time.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::{Figure, of_run};
use crate::reading::report::Report;

/// An entry of the format `customSmallerIsBetter` of github-action-benchmark
/// (<https://github.com/benchmark-action/github-action-benchmark>).
#[derive(Serialize)]
struct Entry<'a> {
    name: String,
    unit: &'static str,
    value: u64,
    extra: &'a str,
}

/// A measure of the Bencher Metric Format (<https://bencher.dev/docs/reference/bencher-metric-format/>).
#[derive(Serialize)]
struct Measure {
    value: u64,
}

fn figures(report: &Report) -> impl Iterator<Item = (Figure, u64)> {
    Figure::ALL.into_iter().filter_map(|figure| Some((figure, of_run(report, figure)?)))
}

/// Writes a list for github-action-benchmark, of the benchmark of this name.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_github_action_benchmark(report: &Report, name: &str, out: &mut impl Write) -> io::Result<()> {
    let extra = &report.metadata().command_line;
    let entry = |(figure, value): (Figure, u64)| Entry {
        name: format!("{name}: {}", figure.name()),
        unit: figure.unit(),
        value,
        extra,
    };
    serde_json::to_writer_pretty(&mut *out, &figures(report).map(entry).collect::<Vec<_>>())?;
    writeln!(out)
}

/// Writes an object in the Bencher Metric Format, of the benchmark of this name.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_bencher(report: &Report, name: &str, out: &mut impl Write) -> io::Result<()> {
    let measure = |(figure, value): (Figure, u64)| {
        let name = match figure {
            Figure::Allocations => figure.name().to_owned(),
            _ => format!("{}-bytes", figure.name()),
        };
        (name, Measure { value })
    };
    let measures: BTreeMap<String, Measure> = figures(report).map(measure).collect();
    serde_json::to_writer_pretty(&mut *out, &BTreeMap::from([(name, measures)]))?;
    writeln!(out)
}
