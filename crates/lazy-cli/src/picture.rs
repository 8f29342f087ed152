//! A heat map with axes and a colour bar.

use std::ops::Range;

use ndarray::Array2;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The pixels of the map at most.
const MOST_ROWS: usize = 640;
const MOST_COLUMNS: usize = 840;

const INK: RGBColor = RGBColor(40, 44, 52);
/// What is no number.
const NOTHING: RGBColor = RGBColor(190, 190, 190);
const MARGIN: (i32, i32) = (110, 84);
/// Room for the colour bar, and for the names of axes.
const REST: (i32, i32) = (170, 84);
/// Pictures are at least so wide, for the title.
const LEAST_WIDTH: i32 = 560;

/// What there is to draw.
#[derive(Debug)]
pub(crate) struct HeatMap {
    pub(crate) title: String,
    pub(crate) subtitle: String,
    /// A value for each pixel; NaN where there is none.
    pub(crate) means: Array2<f64>,
    /// The rows and columns of the array that they are of.
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
    pub(crate) y_name: String,
    pub(crate) x_name: String,
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Draws the map as a PNG.
pub(crate) fn draw(map: &HeatMap) -> Result<Vec<u8>, String> {
    let font = epaint_default_fonts::UBUNTU_LIGHT;
    plotters::style::register_font("sans-serif", FontStyle::Normal, font)
        .map_err(|_| "the font cannot be read".to_owned())?;
    let (height, width) = map.means.dim();
    let (x_scale, y_scale) = scales(width, height);
    let plot_width = width as i32 * x_scale;
    let size = (
        (MARGIN.0 + plot_width + REST.0).max(LEAST_WIDTH) as u32,
        (MARGIN.1 + height as i32 * y_scale + REST.1) as u32,
    );
    let mut pixels = vec![255; 3 * (size.0 * size.1) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        draw_into(&area, map, x_scale, y_scale).map_err(|error| error.to_string())?;
    }
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels))
        .map_err(|error| error.to_string())?;
    Ok(picture)
}

/// Whether neither side of a map is tiny when its pixels stand for squares.
fn is_near_square(n_rows: usize, n_columns: usize) -> bool {
    n_rows.max(n_columns) <= n_rows.min(n_columns).saturating_mul(4)
}

/// The rows and columns of pixels of a map of so many rows and columns of elements. Pixels stand for squares of
/// elements where that leaves neither side tiny.
pub(crate) fn size(n_rows: usize, n_columns: usize) -> (usize, usize) {
    let per_row = n_rows as f64 / MOST_ROWS as f64;
    let per_column = n_columns as f64 / MOST_COLUMNS as f64;
    let (per_row, per_column) = match is_near_square(n_rows, n_columns) {
        true => (per_row.max(per_column), per_row.max(per_column)),
        false => (per_row, per_column),
    };
    let pixels =
        |n: usize, per_pixel: f64| ((n as f64 / per_pixel.max(1.0)).round() as usize).clamp(1, n);
    (pixels(n_rows, per_row), pixels(n_columns, per_column))
}

/// The side lengths of a pixel of the map. They are equal where that leaves neither side of the map tiny.
fn scales(width: usize, height: usize) -> (i32, i32) {
    let x_scale = (MOST_COLUMNS / width).clamp(1, 60) as i32;
    let y_scale = (MOST_ROWS / height).clamp(1, 60) as i32;
    if is_near_square(height, width) {
        (x_scale.min(y_scale), x_scale.min(y_scale))
    } else {
        (x_scale, y_scale)
    }
}

fn text(size: i32, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK).pos(Pos::new(horizontal, VPos::Center))
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw_into(area: &Area<'_>, map: &HeatMap, x_scale: i32, y_scale: i32) -> Drawn {
    let (height, width) = map.means.dim();
    let scale = Scale::of(&map.means);
    area.draw_text(&map.title, &text(24, HPos::Left), (24, 26))?;
    area.draw_text(&map.subtitle, &text(16, HPos::Left), (24, 54))?;
    let x_range = MARGIN.0..MARGIN.0 + width as i32 * x_scale;
    let y_range = MARGIN.1..MARGIN.1 + height as i32 * y_scale;
    for ((row, column), value) in map.means.indexed_iter() {
        let (x, y) =
            (x_range.start + column as i32 * x_scale, y_range.start + row as i32 * y_scale);
        let pixel =
            Rectangle::new([(x, y), (x + x_scale, y + y_scale)], scale.color(*value).filled());
        area.draw(&pixel)?;
    }
    let frame = [(x_range.start - 1, y_range.start - 1), (x_range.end, y_range.end)];
    area.draw(&Rectangle::new(frame, INK))?;

    for tick in ticks(&map.columns) {
        let x = along(tick, &map.columns, &x_range);
        area.draw(&PathElement::new([(x, y_range.end), (x, y_range.end + 6)], INK))?;
        area.draw_text(&tick.to_string(), &text(16, HPos::Center), (x, y_range.end + 17))?;
    }
    // A single row needs no number.
    for tick in ticks(&map.rows).into_iter().filter(|_| !map.y_name.is_empty()) {
        let y = along(tick, &map.rows, &y_range);
        area.draw(&PathElement::new([(x_range.start - 7, y), (x_range.start - 1, y)], INK))?;
        area.draw_text(&tick.to_string(), &text(16, HPos::Right), (x_range.start - 11, y))?;
    }
    let middle = |range: &Range<i32>| (range.start + range.end) / 2;
    let style = text(18, HPos::Center);
    area.draw_text(&map.x_name, &style, (middle(&x_range), y_range.end + 48))?;
    let turned = style.transform(FontTransform::Rotate270);
    area.draw_text(&map.y_name, &turned, (24, middle(&y_range)))?;
    draw_color_bar(area, (x_range.end + 24, &y_range), &scale)
}

fn draw_color_bar(area: &Area<'_>, (x, y_range): (i32, &Range<i32>), scale: &Scale) -> Drawn {
    const WIDTH: i32 = 20;
    /// So that it can be read beside a map of few rows.
    const LEAST_HEIGHT: i32 = 120;
    let y_range =
        y_range.start..y_range.end.max(y_range.start + LEAST_HEIGHT).min(y_range.end + REST.1 - 10);
    let height = f64::from(y_range.end - y_range.start);
    for y in y_range.clone() {
        let value = scale.value(1.0 - f64::from(y - y_range.start) / height);
        area.draw(&PathElement::new([(x, y), (x + WIDTH, y)], scale.color(value)))?;
    }
    area.draw(&Rectangle::new([(x, y_range.start), (x + WIDTH, y_range.end)], INK))?;
    // Where all values are the same, one label says so.
    let n_labels = if scale.low == scale.high { 1 } else { (y_range.len() / 30).clamp(2, 5) };
    for step in 0..n_labels {
        let place = if n_labels == 1 { 0.5 } else { step as f64 / (n_labels - 1) as f64 };
        let y = y_range.end - (height * place) as i32;
        area.draw(&PathElement::new([(x + WIDTH, y), (x + WIDTH + 6, y)], INK))?;
        let label = label(scale.value(place), scale);
        area.draw_text(&label, &text(16, HPos::Left), (x + WIDTH + 10, y))?;
    }
    Ok(())
}

/// A number, to as many digits as tell the labels of a scale apart.
fn label(value: f64, scale: &Scale) -> String {
    let (range, largest) = (scale.high - scale.low, scale.low.abs().max(scale.high.abs()));
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

/// Where an index lies: in the middle of what stands for it.
fn along(index: usize, indices: &Range<usize>, range: &Range<i32>) -> i32 {
    let place = ((index - indices.start) as f64 + 0.5) / indices.len() as f64;
    range.start + (place * f64::from(range.end - range.start)) as i32
}

/// Round indices: eight of them at most.
fn ticks(indices: &Range<usize>) -> Vec<usize> {
    const MOST: usize = 8;
    let steps = (0..20).flat_map(|power| {
        [1, 2, 5].map(|digit: usize| digit.saturating_mul(10_usize.saturating_pow(power)))
    });
    let mut steps = steps.filter(|step| indices.len() / step < MOST);
    let step = steps.next().unwrap_or(usize::MAX);
    let first = indices.start.div_ceil(step).saturating_mul(step);
    (first..indices.end).step_by(step).collect()
}

/// Which colour a value has.
#[derive(Debug)]
struct Scale {
    low: f64,
    high: f64,
    /// Whether there are values on both sides of zero, which is then white.
    is_diverging: bool,
}

/// What shades are made between, from the least to the largest value; of equal lightness steps.
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
    /// From the 1st to the 99th percentile, so that a few outliers leave the others their colours.
    fn of(means: &Array2<f64>) -> Scale {
        let mut values: Vec<f64> =
            means.iter().copied().filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let Some(last) = values.len().checked_sub(1) else {
            return Scale { low: 0.0, high: 1.0, is_diverging: false };
        };
        let (low, high) = (values[last / 100], values[last - last / 100]);
        let largest = high.max(-low);
        // A few values beyond zero do not make a side of their own.
        if low < -largest / 10.0 && high > largest / 10.0 {
            Scale { low: -largest, high: largest, is_diverging: true }
        } else {
            Scale { low, high, is_diverging: false }
        }
    }

    fn value(&self, place: f64) -> f64 {
        self.low + place * (self.high - self.low)
    }

    fn color(&self, value: f64) -> RGBColor {
        if value.is_nan() {
            return NOTHING;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(&(0..5)), [0, 1, 2, 3, 4]);
        assert_eq!(ticks(&(3..1000)), [200, 400, 600, 800]);
        assert_eq!(ticks(&(0..1)), [0]);
        let many = ticks(&(0..usize::MAX));
        assert!((2..=9).contains(&many.len()), "{many:?}");
    }

    #[test]
    fn pixels_stand_for_squares_where_they_can() {
        assert_eq!(size(10, 3), (10, 3));
        assert_eq!(size(1280, 1000), (640, 500));
        assert_eq!(size(1000, 1680), (500, 840));
        assert_eq!(size(1_000_000, 50), (640, 50));
        assert_eq!(size(1, 1_000_000), (1, 840));
        assert_eq!(size(usize::MAX, usize::MAX), (640, 640));
    }

    #[test]
    fn labels_tell_values_apart() {
        let label = |value: f64, low: f64, high: f64| {
            label(value, &Scale { low, high, is_diverging: false })
        };
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
        assert_eq!(scale.color(f64::NAN), NOTHING);
        // What is the same all over has a colour, too.
        assert_ne!(Scale::of(&ndarray::array![[3.0]]).color(3.0), NOTHING);
    }
}
