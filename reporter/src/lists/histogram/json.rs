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

const SCHEMA: &str = "memprof-histogram-1";

/// # memprof histogram --json
/// docs/metrics.md defines every figure. Allocations in the selected part of the run, by powers of two of their sizes.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Histogram<'a> {
    schema: &'static str,
    metadata: &'a Metadata,
    /// What is missing or uncertain in the capture, a sentence each.
    notes: &'a [String],
    #[serde(flatten)]
    all: Classes,
    /// The same for each allocator that was used.
    by_allocator: BTreeMap<&'static str, Classes>,
}

/// How large allocations were.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Classes {
    total: Amount,
    /// From the smallest size that occurs to the largest.
    sizes: Vec<Class>,
}

/// Allocations whose size lies in a range.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Class {
    /// The smallest size that counts here.
    min_bytes: u64,
    /// The largest.
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
        schema: SCHEMA,
        metadata: report.metadata(),
        notes: report.notes(),
        all: Classes::of(&sizes.all()),
        by_allocator: by_allocator.collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &histogram)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatting::json_schema::assert_type_in_docs;

    #[test]
    fn the_schema_is_in_docs() {
        assert_type_in_docs::<Histogram>(SCHEMA, &[]);
    }
}
