//! `histogram --json`; docs/histogram.schema.json describes it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use memprof_replay::allocation_sizes::{AllocationSizes, SizeClass};
use memprof_replay::slots::Amount;
use serde::Serialize;

use super::sum;
use crate::naming::allocator_name::allocator_name;
use crate::reading::metadata::Metadata;
use crate::reading::report::Report;

#[derive(Serialize)]
struct Histogram<'a> {
    schema: &'static str,
    metadata: &'a Metadata,
    notes: &'a [String],
    #[serde(flatten)]
    all: Classes,
    by_allocator: BTreeMap<&'static str, Classes>,
}

#[derive(Serialize)]
struct Classes {
    total: Amount,
    sizes: Vec<Class>,
}

#[derive(Serialize)]
struct Class {
    min_bytes: u64,
    max_bytes: u64,
    #[serde(flatten)]
    amount: Amount,
}

impl Classes {
    fn of(classes: &[SizeClass]) -> Self {
        let class =
            |class: &SizeClass| Class { min_bytes: class.min_bytes, max_bytes: class.max_bytes, amount: class.amount };
        Self { total: sum(classes.iter().copied()), sizes: classes.iter().map(class).collect() }
    }
}

/// Writes the sizes as one JSON object.
///
/// # Errors
/// What `out` answers to a write.
pub(super) fn write(report: &Report, sizes: &AllocationSizes, out: &mut impl Write) -> io::Result<()> {
    let by_allocator =
        sizes.by_allocator().into_iter().map(|(allocator, classes)| (allocator_name(allocator), Classes::of(&classes)));
    let histogram = Histogram {
        schema: "memprof-histogram-1",
        metadata: report.metadata(),
        notes: report.notes(),
        all: Classes::of(&sizes.all()),
        by_allocator: by_allocator.collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &histogram)?;
    writeln!(out)
}
