//! Moments as people write them, in UTC.

const NS_PER_S: u64 = 1_000_000_000;

/// `2026-11-23T05:40:12.123Z` for nanoseconds since 1970.
#[must_use]
pub fn iso_8601(unix_ns: u64) -> String {
    let (seconds, milliseconds) = (unix_ns / NS_PER_S, unix_ns % NS_PER_S / 1_000_000);
    let (year, month, day) = civil_date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil_date(days: u64) -> (u64, u64, u64) {
    // Years are counted from March here, so that the day of a leap year comes last; eras are 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(iso_8601(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_8601(951_782_400 * NS_PER_S), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso_8601(1_795_412_412 * NS_PER_S + 123_456_789), "2026-11-23T05:40:12.123Z");
        assert_eq!(iso_8601(4_107_542_399 * NS_PER_S), "2100-02-28T23:59:59.000Z");
    }
}
