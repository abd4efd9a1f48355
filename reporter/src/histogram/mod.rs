//! The report `histogram`: how large the allocations were.

mod json;
mod text;

use memprof_replay::allocation_sizes::SizeClass;
use memprof_replay::slots::Amount;

pub use json::write_json;
pub use text::{Bars, write_text};

/// The sum of classes.
fn sum(classes: &[SizeClass]) -> Amount {
    let mut sum = Amount::default();
    classes.iter().for_each(|class| sum.add(class.amount));
    sum
}
