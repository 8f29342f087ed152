//! The colours of a heat map, and the labels of its colour bar.

use ndarray::Array2;
use plotters::style::RGBColor;

/// The colour of NaN.
const NOT_A_NUMBER: RGBColor = RGBColor(190, 190, 190);

/// The colours of values.
#[derive(Debug)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    /// True if there are values on both sides of zero. Then zero is white.
    is_diverging: bool,
}

/// Colours from the least to the largest value, at equal steps of lightness. Others are mixed from
/// their neighbours.
const SEQUENTIAL: [(f64, f64, f64); 6] = [
    (68.0, 1.0, 84.0),
    (65.0, 68.0, 135.0),
    (42.0, 120.0, 142.0),
    (34.0, 168.0, 132.0),
    (122.0, 209.0, 81.0),
    (253.0, 231.0, 37.0),
];
const DIVERGING: [(f64, f64, f64); 3] =
    [(178.0, 24.0, 43.0), (247.0, 247.0, 247.0), (33.0, 102.0, 172.0)];

impl Scale {
    /// Makes a scale from the 1st to the 99th percentile, so that a few outliers do not take the
    /// colours of the others.
    pub(super) fn of(means: &Array2<f64>) -> Scale {
        let mut values: Vec<f64> =
            means.iter().copied().filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let Some(last) = values.len().checked_sub(1) else {
            return Scale { low: 0.0, high: 1.0, is_diverging: false };
        };
        let (low, high) = (values[last / 100], values[last - last / 100]);
        let largest = high.max(-low);
        // Few or small values beyond zero do not make the scale diverge.
        if low < -largest / 10.0 && high > largest / 10.0 {
            Scale { low: -largest, high: largest, is_diverging: true }
        } else {
            Scale { low, high, is_diverging: false }
        }
    }

    pub(super) fn value(&self, place: f64) -> f64 {
        self.low + place * (self.high - self.low)
    }

    pub(super) fn color(&self, value: f64) -> RGBColor {
        if value.is_nan() {
            return NOT_A_NUMBER;
        }
        let range = self.high - self.low;
        let place = if range > 0.0 { ((value - self.low) / range).clamp(0.0, 1.0) } else { 0.5 };
        let shades: &[(f64, f64, f64)] = if self.is_diverging { &DIVERGING } else { &SEQUENTIAL };
        let place = place * (shades.len() - 1) as f64;
        let i = (place as usize).min(shades.len() - 2);
        let (from, to, part) = (shades[i], shades[i + 1], place - i as f64);
        let mix = |from: f64, to: f64| (from + part * (to - from)) as u8;
        RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
    }

    /// Formats a value with as many digits as tell the labels of the scale apart.
    pub(super) fn label(&self, value: f64) -> String {
        let (range, largest) = (self.high - self.low, self.low.abs().max(self.high.abs()));
        if range == 0.0 {
            return if largest == 0.0 || (1e-3..1e6).contains(&largest) {
                value.to_string()
            } else {
                format!("{value:e}")
            };
        }
        if !(1e-3..1e6).contains(&range) || largest >= 1e6 {
            let digits = ((largest / range).log10() + 2.0).clamp(2.0, 16.0) as usize;
            return format!("{value:.digits$e}");
        }
        let digits = (2.0 - range.log10().floor()).clamp(0.0, 8.0) as usize;
        format!("{value:.digits$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_values_apart() {
        let label =
            |value: f64, low: f64, high: f64| Scale { low, high, is_diverging: false }.label(value);
        assert_eq!(label(0.25, 0.0, 1.0), "0.25");
        assert_eq!(label(1234.0, 1000.0, 2000.0), "1234");
        assert_eq!(label(1e-7, 0.0, 1e-7), "1.00e-7");
        assert_eq!(label(100.01, 100.0, 100.02), "100.0100");
        assert_eq!(label(3.5, 3.5, 3.5), "3.5");
        assert_eq!(label(1e-9, 1e-9, 1e-9), "1e-9");
        for (low, high) in [(1e6, 1e6 + 1.0), (1e12, 1e12 + 4.0), (1.0, 1.0 + 1e-9), (-3e-7, 1e-9)]
        {
            let labels: Vec<_> =
                (0..5).map(|i| label(low + (high - low) * f64::from(i) / 4.0, low, high)).collect();
            assert!(labels.windows(2).all(|pair| pair[0] != pair[1]), "{labels:?}");
        }
    }

    #[test]
    fn zero_is_white_between_signs() {
        let scale = Scale::of(&ndarray::array![[-1.0, 2.0, f64::NAN]]);
        assert_eq!((scale.low, scale.high), (-2.0, 2.0));
        assert_eq!(scale.color(0.0), RGBColor(247, 247, 247));
        assert_eq!(scale.color(f64::NAN), NOT_A_NUMBER);
        // A constant array has a colour, too.
        assert_ne!(Scale::of(&ndarray::array![[3.0]]).color(3.0), NOT_A_NUMBER);
    }
}
