//! A moment of a run as somebody types it.

use std::fmt;
use std::str::FromStr;

/// Where in a run: seconds after its start, or a share of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// Seconds from the start.
    Seconds(f64),
    /// From 0 (the start) to 1 (the end).
    Share(f64),
}

/// Text that names no moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidMoment;

impl fmt::Display for InvalidMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a moment is a number of seconds (2.5), with a unit (250ms, 2.5s, 3m, 1h), or a share of the run (50%)",
        )
    }
}

impl std::error::Error for InvalidMoment {}

const UNITS: [(&str, f64); 7] =
    [("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("min", 60.0), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        let number = |text: &str| {
            let value: f64 = text.trim_end().parse().map_err(|_| InvalidMoment)?;
            if value.is_finite() && value >= 0.0 { Ok(value) } else { Err(InvalidMoment) }
        };
        if let Some(percent) = text.strip_suffix('%') {
            let share = number(percent)? / 100.0;
            return if share <= 1.0 { Ok(Self::Share(share)) } else { Err(InvalidMoment) };
        }
        for (unit, seconds) in UNITS {
            if let Some(count) = text.strip_suffix(unit) {
                return Ok(Self::Seconds(number(count)? * seconds));
            }
        }
        number(text).map(Self::Seconds)
    }
}

impl Moment {
    /// In seconds after the start of a run of this length.
    #[must_use]
    pub fn seconds(self, duration_s: f64) -> f64 {
        match self {
            Self::Seconds(seconds) => seconds,
            Self::Share(share) => share * duration_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_units_and_shares_are_read() {
        for (text, seconds) in [
            ("2.5", 2.5),
            ("0", 0.0),
            ("2.5s", 2.5),
            ("250ms", 0.25),
            ("250 ms", 0.25),
            ("40us", 4e-5),
            ("3m", 180.0),
            ("3min", 180.0),
            ("1h", 3600.0),
            ("50%", 5.0),
            ("100%", 10.0),
        ] {
            let moment: Moment = text.parse().unwrap_or_else(|_| panic!("{text} is a moment"));
            assert!((moment.seconds(10.0) - seconds).abs() < 1e-12, "{text}");
        }
        for text in ["", "s", "-1", "1x", "101%", "nan", "inf", "1 2"] {
            assert_eq!(text.parse::<Moment>(), Err(InvalidMoment), "{text}");
        }
    }
}
