//! Numbers as people read them: sizes in powers of 1024, thousands apart, seconds, percent.

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// `0 B`, `1023 B`, `1.0 KiB`, `75.3 MiB`: one digit after the point from KiB on.
#[must_use]
pub fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 1);
    // What would be printed as 1024.0 is 1.0 of the next unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `1,234,567`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `0.012 s`, `75.310 s`.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    format!("{seconds:.3} s")
}

/// The share of a whole: `12.3%`; `<0.1%` for what is little but not nothing; `-` where there is no whole.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    let percent = part as f64 * 100.0 / whole as f64;
    match (part, whole) {
        (_, 0) => "-".to_owned(),
        (1.., _) if percent < 0.05 => "<0.1%".to_owned(),
        _ => format!("{percent:.1}%"),
    }
}

/// `1 allocation`, `2 allocations`, `2 processes`.
#[must_use]
pub fn counted(number: u64, one: &str) -> String {
    let ending = match number {
        1 => "",
        _ if one.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {one}{ending}", count(number))
}

/// A difference of sizes: `+12.3 MiB`, `-1.0 KiB`, `0 B`.
#[must_use]
pub fn signed_size(bytes: i128) -> String {
    format!("{}{}", sign(bytes), size(magnitude(bytes)))
}

/// A difference of counts: `+1,234`, `-5`, `0`.
#[must_use]
pub fn signed_count(number: i128) -> String {
    format!("{}{}", sign(number), count(magnitude(number)))
}

/// A difference in percent: `+8.1%`, `-<0.1%`, `+12,345.6%`; `-` where there was nothing before.
#[must_use]
pub fn signed_percent(percent: Option<f64>) -> String {
    match percent {
        None => "-".to_owned(),
        Some(0.0) => "0.0%".to_owned(),
        Some(percent) => {
            let sign = if percent < 0.0 { '-' } else { '+' };
            let tenths = (percent.abs() * 10.0).round();
            if tenths == 0.0 {
                format!("{sign}<0.1%")
            } else {
                format!("{sign}{}.{}%", count((tenths / 10.0) as u64), tenths as u64 % 10)
            }
        }
    }
}

const fn sign(number: i128) -> &'static str {
    match number {
        ..0 => "-",
        0 => "",
        1.. => "+",
    }
}

fn magnitude(number: i128) -> u64 {
    number.unsigned_abs().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_four_digits_at_most() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (1 << 20, "1.0 MiB"),
            (79_000_000, "75.3 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "event"), "1 event");
        assert_eq!(counted(2000, "event"), "2,000 events");
    }

    #[test]
    fn differences_have_a_sign() {
        assert_eq!([0, 1536, -1536].map(signed_size), ["0 B", "+1.5 KiB", "-1.5 KiB"]);
        assert_eq!(signed_size(-i128::from(u64::MAX)), "-16.0 EiB");
        assert_eq!([0, 1234, -1234].map(signed_count), ["0", "+1,234", "-1,234"]);
        let percents = [None, Some(0.0), Some(8.06), Some(-100.0), Some(0.04), Some(-0.04), Some(12_345.67)];
        let texts = ["-", "0.0%", "+8.1%", "-100.0%", "+<0.1%", "-<0.1%", "+12,345.7%"];
        assert_eq!(percents.map(signed_percent), texts);
    }

    #[test]
    fn a_share_of_nothing_is_no_number() {
        assert_eq!(percent(1, 8), "12.5%");
        assert_eq!(percent(0, 8), "0.0%");
        assert_eq!(percent(1, 10_000), "<0.1%");
        assert_eq!(percent(0, 0), "-");
    }
}
