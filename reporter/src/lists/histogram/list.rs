//! What `histogram` shows of sizes.

use memprof_channel::allocator::Allocator;
use memprof_replay::allocation_sizes::{AllocationSizes, SizeClass};

use super::{Bars, sum};
use crate::lists::list::{Column, List, Room, Subject};
use crate::naming::allocator_name::allocator_name;
use crate::reading::report::Report;

/// Shares have columns of their own where bars keep this.
const BARS_NEED: usize = 16;

/// A range of sizes.
pub(super) struct SizeRow {
    /// Of which allocator; nothing for all together.
    pub allocator: Option<&'static str>,
    pub class: SizeClass,
}

/// The sizes of all allocators together, or of each.
pub(super) fn rows(sizes: &AllocationSizes, by_allocator: bool) -> Vec<SizeRow> {
    let rows = |allocator, classes: Vec<SizeClass>| classes.into_iter().map(move |class| SizeRow { allocator, class });
    if !by_allocator {
        return rows(None, sizes.all()).collect();
    }
    let name = |allocator: Option<Allocator>| allocator_name(allocator);
    sizes.by_allocator().into_iter().flat_map(|(allocator, classes)| rows(Some(name(allocator)), classes)).collect()
}

type SizeColumn<'a> = Column<'a, SizeRow>;

/// Sizes with their columns.
pub(super) fn list<'a>(report: &'a Report, rows: &'a [SizeRow], bars: Bars) -> List<'a, SizeRow> {
    let whole = sum(rows.iter().map(|row| row.class));
    let mut columns = vec![
        SizeColumn::bytes("From", |row| row.class.min_bytes).named("min_bytes"),
        SizeColumn::last_bytes("Below", |row| row.class.max_bytes).named("max_bytes"),
        SizeColumn::count("Allocations", |row| row.class.amount.allocations).named("allocations"),
        SizeColumn::share(move |row| (row.class.amount.allocations, whole.allocations)).with_room(Room::IfThereIs(1)),
        SizeColumn::bytes("Bytes", |row| row.class.amount.bytes).named("bytes"),
        SizeColumn::share(move |row| (row.class.amount.bytes, whole.bytes)).with_room(Room::IfThereIs(1)),
    ];
    if rows.iter().any(|row| row.allocator.is_some()) {
        // People read it above the rows.
        let allocator = |row: &SizeRow| row.allocator.unwrap_or_default().into();
        columns.insert(0, SizeColumn::text("Allocator", allocator).named("allocator").with_room(Room::Never));
    }
    let subject = Subject::Bar(Box::new(move |row: &SizeRow| match bars {
        Bars::Allocations => row.class.amount.allocations,
        Bars::Bytes => row.class.amount.bytes,
    }));
    List { subject_needs: BARS_NEED, ..List::without_sum(report, rows, "size", subject, columns) }
}
