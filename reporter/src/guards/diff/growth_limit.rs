//! How much more memory is too much: what `--fail-above` says.

use std::fmt;
use std::str::FromStr;

use super::change::percent;
use crate::formatting::quantities::{Bytes, InvalidQuantity};
use crate::formatting::size_units::size;

/// The most that a figure may grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GrowthLimit {
    /// By this many percent of what it was.
    Percent(f64),
    /// By this much.
    Bytes(Bytes),
}

/// Text that says no such limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidGrowthLimit(String);

impl fmt::Display for InvalidGrowthLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidGrowthLimit {}

impl FromStr for GrowthLimit {
    type Err = InvalidGrowthLimit;

    fn from_str(text: &str) -> Result<Self, InvalidGrowthLimit> {
        let invalid = || InvalidGrowthLimit("a limit is a share (5%) or a size (10MiB)".to_owned());
        if let Some(number) = text.strip_suffix('%') {
            let percent: f64 = number.trim().parse().map_err(|_| invalid())?;
            return if percent.is_finite() && percent >= 0.0 { Ok(Self::Percent(percent)) } else { Err(invalid()) };
        }
        text.parse().map(Self::Bytes).map_err(|InvalidQuantity(_)| invalid())
    }
}

impl fmt::Display for GrowthLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Bytes(bytes) => f.write_str(&size(bytes.0)),
        }
    }
}

impl GrowthLimit {
    /// Whether a figure has grown by more. Of nothing, any growth is more than a share.
    #[must_use]
    pub fn is_exceeded(&self, before: u64, after: u64) -> bool {
        match *self {
            Self::Percent(limit) => after > before && percent(before, after).is_none_or(|grown| grown > limit),
            Self::Bytes(Bytes(limit)) => after.saturating_sub(before) > limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_shares_or_sizes() {
        assert_eq!("5%".parse(), Ok(GrowthLimit::Percent(5.0)));
        assert_eq!("0.5 %".parse(), Ok(GrowthLimit::Percent(0.5)));
        assert_eq!("10MiB".parse(), Ok(GrowthLimit::Bytes(Bytes(10 << 20))));
        for text in ["", "%", "-1%", "NaN%", "inf%", "5 %%", "MiB", "much"] {
            assert!(text.parse::<GrowthLimit>().is_err(), "{text}");
        }
    }

    #[test]
    fn as_much_as_allowed_is_allowed() {
        let share = GrowthLimit::Percent(5.0);
        assert!(!share.is_exceeded(100, 105));
        assert!(share.is_exceeded(100, 106));
        assert!(!share.is_exceeded(100, 0));
        assert!(!share.is_exceeded(0, 0));
        assert!(share.is_exceeded(0, 1));
        let size = GrowthLimit::Bytes(Bytes(10));
        assert!(!size.is_exceeded(100, 110));
        assert!(size.is_exceeded(100, 111));
        assert!(!size.is_exceeded(u64::MAX, 0));
    }
}
