//! Sizes and counts as people write them: `300MiB`, `1.5 GB`, `1e6`, `1_000_000`.

use std::fmt;
use std::str::FromStr;

/// A size in bytes. As text a number with B, KB or KiB, MB or MiB, GB or GiB, TB or TiB (or the letter alone) after it;
/// all of these are powers of 1024, as in memprof's reports. A plain number is bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A number of things, as text with a fraction or exponent if need be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

/// Text that is no quantity: what it should have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidQuantity(pub &'static str);

impl fmt::Display for InvalidQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidQuantity {}

const NO_SIZE: InvalidQuantity =
    InvalidQuantity("a size is a number with B, KiB, MiB or GiB (KB, MB and GB mean the same): 300MiB, 1.5 GB, 4096");
const NO_COUNT: InvalidQuantity = InvalidQuantity("a count is a whole number: 1000000, 1_000_000 or 1e6");

impl FromStr for Bytes {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let text = text.trim();
        let unit_at = text.rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |at| at + 1);
        let (number, unit) = text.split_at(unit_at);
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            "t" | "tb" | "tib" => 1 << 40,
            _ => return Err(NO_SIZE),
        };
        scaled(number, factor).map(Self).ok_or(NO_SIZE)
    }
}

impl FromStr for Count {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let value = scaled(text, 1).ok_or(NO_COUNT)?;
        // 1.5 is no count, but 1.5e3 is.
        let is_whole = text.trim().replace('_', "").parse::<f64>().is_ok_and(|value| value.fract() == 0.0);
        if is_whole { Ok(Self(value)) } else { Err(NO_COUNT) }
    }
}

/// A number times a factor, to the nearest whole; nothing if it is no such number, negative or too large. Whole numbers
/// are exact.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let number = number.trim();
    // Only between digits, as in TOML and Rust.
    if number.starts_with('_') || number.ends_with('_') || number.contains("__") {
        return None;
    }
    let digits = number.replace('_', "");
    if let Ok(whole) = digits.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    // Words such as `inf` are numbers to the parser.
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let value = digits.parse::<f64>().ok().filter(|_| is_number)? * factor as f64;
    // From 2^64 on there is no u64, and the float above u64::MAX is just that.
    (value < u64::MAX as f64).then_some(value.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("4_096 B", 4096),
            ("1KB", 1024),
            ("1 KiB", 1024),
            ("1k", 1024),
            ("300MiB", 300 << 20),
            ("300 mb", 300 << 20),
            ("1.5GB", 3 << 29),
            ("1e3", 1000),
            (".5KiB", 512),
            ("2TiB", 2 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "B", "MiB", "-1", "1 PiBs", "1.2.3MB", "inf", "nan", "1 MiB 2", "99999999999GiB", "_1", "1__0"]
        {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_whole() {
        for (text, count) in [("1e6", 1_000_000), ("1_000_000", 1_000_000), ("1.5e3", 1500), ("0", 0), (" 7 ", 7)] {
            assert_eq!(text.parse(), Ok(Count(count)), "{text}");
        }
        for text in ["1.5", "", "-1", "1e", "1k", "1e30", "infinity"] {
            assert!(text.parse::<Count>().is_err(), "{text}");
        }
    }
}
