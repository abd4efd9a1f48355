//! The columns of lists that say what something allocated itself, and with all that it called.

use memprof_replay::metric::{Metric, Sums};

use super::{Column, Room};

/// The columns for a metric whose total is `whole` bytes: those for people first for that metric, then one for each other
/// metric, if there is room.
pub(crate) fn call_columns<'a, R: 'a>(
    metric: Metric,
    whole: u64,
    own: fn(&R) -> Sums,
    with_callees: fn(&R) -> Sums,
) -> Vec<Column<'a, R>> {
    let mut columns = vec![
        Column::amounts(own).named("own").meaning("What it allocated itself."),
        Column::amounts(with_callees).named("with_callees").meaning("Likewise, with all that it called."),
        Column::bytes("Own", move |row| own(row)[metric].bytes),
        Column::share(move |row| (own(row)[metric].bytes, whole)),
        Column::bytes("Total", move |row| with_callees(row)[metric].bytes),
        Column::share(move |row| (with_callees(row)[metric].bytes, whole)),
        Column::count("Allocs", move |row| own(row)[metric].allocations),
    ];
    let others = Metric::ALL.into_iter().filter(|&other| other != metric);
    columns.extend((1..).zip(others).map(|(number, other)| {
        Column::bytes(head(other), move |row| with_callees(row)[other].bytes).with_room(Room::IfThereIs(number))
    }));
    columns
}

/// The head of a column for what a metric counts, with all that was called.
pub(crate) const fn head(metric: Metric) -> &'static str {
    match metric {
        Metric::Peak => "Peak",
        Metric::Leaks => "Leaked",
        Metric::Total => "Allocated",
        Metric::Temporary => "Temporary",
    }
}
