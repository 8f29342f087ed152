//! A heat map with axes and a colour bar, as a PNG.
//!
//! Ignorant of stored arrays, of files and of the command line.

mod scale;

use std::ops::Range;

use ndarray::Array2;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use scale::Scale;

/// The most rows of pixels in a map.
const MOST_ROWS: usize = 640;
/// The most columns of pixels in a map.
const MOST_COLUMNS: usize = 840;

const INK: RGBColor = RGBColor(40, 44, 52);
const MARGIN: (i32, i32) = (110, 84);
/// The space for the colour bar and for the names of axes.
const REST: (i32, i32) = (170, 84);
/// The least width of a picture, for the title.
const LEAST_WIDTH: i32 = 560;

/// The contents of a picture.
#[derive(Debug)]
pub(crate) struct HeatMap {
    pub(crate) title: String,
    pub(crate) subtitle: String,
    /// A value for each pixel, or NaN.
    pub(crate) means: Array2<f64>,
    /// The rows and columns of the array that the pixels cover.
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

/// Returns true if pixels can stand for squares of elements and leave neither side tiny.
fn is_near_square(n_rows: usize, n_columns: usize) -> bool {
    n_rows.max(n_columns) <= n_rows.min(n_columns).saturating_mul(4)
}

/// Returns the rows and columns of pixels for a number of rows and columns of elements. Pixels
/// stand for squares of elements if that leaves neither side tiny.
pub(crate) fn size(n_rows: usize, n_columns: usize) -> (usize, usize) {
    let per_row = n_rows as f64 / MOST_ROWS as f64;
    let per_column = n_columns as f64 / MOST_COLUMNS as f64;
    let (per_row, per_column) = if is_near_square(n_rows, n_columns) {
        (per_row.max(per_column), per_row.max(per_column))
    } else {
        (per_row, per_column)
    };
    let pixels =
        |n: usize, per_pixel: f64| ((n as f64 / per_pixel.max(1.0)).round() as usize).clamp(1, n);
    (pixels(n_rows, per_row), pixels(n_columns, per_column))
}

/// Returns the width and height of a pixel of the map in the picture. They are equal if that leaves
/// neither side of the map tiny.
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
    /// The least height of the bar, beside a map of few rows.
    const LEAST_HEIGHT: i32 = 120;
    let y_range =
        y_range.start..y_range.end.max(y_range.start + LEAST_HEIGHT).min(y_range.end + REST.1 - 10);
    let height = f64::from(y_range.end - y_range.start);
    for y in y_range.clone() {
        let value = scale.value(1.0 - f64::from(y - y_range.start) / height);
        area.draw(&PathElement::new([(x, y), (x + WIDTH, y)], scale.color(value)))?;
    }
    area.draw(&Rectangle::new([(x, y_range.start), (x + WIDTH, y_range.end)], INK))?;
    // If all values are the same, there is one label.
    let n_labels = if scale.low == scale.high { 1 } else { (y_range.len() / 30).clamp(2, 5) };
    for step in 0..n_labels {
        let place = if n_labels == 1 { 0.5 } else { step as f64 / (n_labels - 1) as f64 };
        let y = y_range.end - (height * place) as i32;
        area.draw(&PathElement::new([(x + WIDTH, y), (x + WIDTH + 6, y)], INK))?;
        let label = scale.label(scale.value(place));
        area.draw_text(&label, &text(16, HPos::Left), (x + WIDTH + 10, y))?;
    }
    Ok(())
}

/// Returns the position of an index: the middle of its pixels.
fn along(index: usize, indices: &Range<usize>, range: &Range<i32>) -> i32 {
    let place = ((index - indices.start) as f64 + 0.5) / indices.len() as f64;
    range.start + (place * f64::from(range.end - range.start)) as i32
}

/// Returns round indices, at most eight.
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
    fn pixels_stand_for_squares_if_possible() {
        assert_eq!(size(10, 3), (10, 3));
        assert_eq!(size(1280, 1000), (640, 500));
        assert_eq!(size(1000, 1680), (500, 840));
        assert_eq!(size(1_000_000, 50), (640, 50));
        assert_eq!(size(1, 1_000_000), (1, 840));
        assert_eq!(size(usize::MAX, usize::MAX), (640, 640));
    }
}
