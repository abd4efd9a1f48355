//! Round numbers for axes: 1, 2 or 5 of a unit, or of ten or a hundred of it.

/// A scale from 0 (or a first moment) with ticks at equal distances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis<T> {
    /// The distance of ticks.
    pub step: T,
    /// How many there are after the first.
    pub ticks: usize,
}

/// The smallest of 1, 2, 5, 10, 20, 50... that is not below `least`.
fn round_up(least: f64) -> f64 {
    if least <= 0.0 {
        return 1.0;
    }
    let magnitude = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * magnitude);
    // Rounding may have put the least slightly above itself.
    steps.into_iter().find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(steps[3])
}

/// Sizes from 0 to at least `largest` bytes, with at most `most` ticks above 0: round numbers of B, KiB, MiB and so on.
pub(super) fn sizes(largest: u64, most: usize) -> Axis<u64> {
    let least = (largest as f64 / most as f64).max(1.0);
    let mut unit = 1.0;
    while least / unit > 512.0 && unit < (1_u64 << 60) as f64 {
        unit *= 1024.0;
    }
    let in_units = round_up(least / unit).max(if unit > 1.0 { 0.5 } else { 1.0 });
    let step = ((in_units * unit) as u64).max(1);
    Axis { step, ticks: usize::try_from(largest.div_ceil(step)).unwrap_or(most).max(1) }
}

/// Seconds over a stretch of this length, with at most `most` ticks after its beginning.
pub(super) fn seconds(span_s: f64, most: usize) -> Axis<f64> {
    let step = round_up(span_s / most.max(1) as f64);
    Axis { step, ticks: (span_s / step * (1.0 + 1e-9)) as usize }
}

/// A tick of a time axis: as many digits as its steps need.
pub(super) fn seconds_label(at_s: f64, step: f64) -> String {
    let digits = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{at_s:.digits$} s")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(sizes(116 << 20, 5), Axis { step: 50 << 20, ticks: 3 });
        assert_eq!(sizes(5 << 20, 5), Axis { step: 1 << 20, ticks: 5 });
        assert_eq!(sizes(3, 5), Axis { step: 1, ticks: 3 });
        assert_eq!(sizes(0, 5), Axis { step: 1, ticks: 1 });
        assert_eq!(sizes(900 << 10, 5), Axis { step: 200 << 10, ticks: 5 });
        assert_eq!(seconds(1.57, 8), Axis { step: 0.2, ticks: 7 });
        assert_eq!(seconds(1.0, 5), Axis { step: 0.2, ticks: 5 });
        assert_eq!(seconds_label(1.4000000000000001, 0.2), "1.4 s");
        assert_eq!(seconds_label(120.0, 20.0), "120 s");
    }

    proptest! {
        #[test]
        fn all_sizes_are_below_the_last_tick(largest: u64, most in 2..20_usize) {
            let axis = sizes(largest, most);
            prop_assert!(axis.ticks <= most, "{:?}", axis);
            prop_assert!(u128::from(axis.step) * axis.ticks as u128 >= u128::from(largest), "{:?}", axis);
        }
    }
}
