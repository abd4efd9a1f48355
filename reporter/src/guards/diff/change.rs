//! One thing before and after.

use std::cmp::Ordering;

use memprof_replay::slots::Amount;
use serde::Serialize;

/// What became of a place from one capture to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has memory only after.
    New,
    /// It had memory only before.
    Gone,
    /// It has more bytes; or as many in more allocations.
    Grown,
    /// It has fewer bytes; or as many in fewer allocations.
    Shrunk,
    /// It has the same bytes in as many allocations.
    Unchanged,
}

impl Status {
    /// All of them, as reports list them.
    pub const ALL: [Self; 5] = [Self::New, Self::Grown, Self::Shrunk, Self::Gone, Self::Unchanged];

    /// The name in all reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Grown => "grown",
            Self::Shrunk => "shrunk",
            Self::Unchanged => "unchanged",
        }
    }
}

/// How much more there is, or less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Difference {
    /// Requested bytes.
    pub bytes: i128,
    /// Allocations.
    pub allocations: i128,
}

impl Difference {
    /// Adds another difference.
    pub const fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.allocations += other.allocations;
    }
}

/// An amount before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// In the capture that is compared with.
    pub before: Amount,
    /// In the capture in question.
    pub after: Amount,
}

impl Change {
    /// Adds another change.
    pub const fn add(&mut self, other: Self) {
        self.before.add(other.before);
        self.after.add(other.after);
    }

    /// After minus before.
    #[must_use]
    pub const fn difference(&self) -> Difference {
        Difference {
            bytes: self.after.bytes as i128 - self.before.bytes as i128,
            allocations: self.after.allocations as i128 - self.before.allocations as i128,
        }
    }

    /// What happened.
    #[must_use]
    pub fn status(&self) -> Status {
        let Difference { bytes, allocations } = self.difference();
        match (bytes, allocations).cmp(&(0, 0)) {
            Ordering::Equal => Status::Unchanged,
            _ if self.before.is_zero() => Status::New,
            _ if self.after.is_zero() => Status::Gone,
            Ordering::Greater => Status::Grown,
            Ordering::Less => Status::Shrunk,
        }
    }

    /// The difference of the bytes in percent of those before; nothing where there were none.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        percent(self.before.bytes, self.after.bytes)
    }
}

/// The difference in percent of what was before; nothing where that was nothing.
#[must_use]
pub fn percent(before: u64, after: u64) -> Option<f64> {
    (before > 0).then(|| (after as f64 - before as f64) * 100.0 / before as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: (u64, u64), after: (u64, u64)) -> Change {
        let amount = |(bytes, allocations)| Amount { bytes, allocations };
        Change { before: amount(before), after: amount(after) }
    }

    #[test]
    fn allocations_decide_where_bytes_are_equal() {
        for (before, after, status) in [
            ((0, 0), (8, 1), Status::New),
            ((0, 0), (0, 1), Status::New),
            ((8, 1), (0, 0), Status::Gone),
            ((0, 1), (0, 0), Status::Gone),
            ((0, 1), (8, 1), Status::Grown),
            ((8, 1), (8, 2), Status::Grown),
            ((8, 2), (8, 1), Status::Shrunk),
            ((9, 1), (8, 2), Status::Shrunk),
            ((8, 1), (8, 1), Status::Unchanged),
        ] {
            assert_eq!(change(before, after).status(), status, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_share_of_nothing_is_no_number() {
        assert_eq!(change((200, 1), (250, 1)).percent(), Some(25.0));
        assert_eq!(change((200, 1), (0, 0)).percent(), Some(-100.0));
        assert_eq!(change((0, 1), (250, 1)).percent(), None);
    }

    #[test]
    fn the_largest_amounts_have_differences() {
        let all = change((u64::MAX, u64::MAX), (0, 0));
        assert_eq!(all.difference(), Difference { bytes: -i128::from(u64::MAX), allocations: -i128::from(u64::MAX) });
    }
}
