//! The picture: the most suspicious digits, and a heat map of the influence values.

use std::error::Error;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

use lazy_chunks::BlockSizes;
use lazy_chunks::zarr::StoredArray;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::digits::{Digits, N_CLASSES};

const SIZE: (u32, u32) = (1640, 900);
const DIGITS_WIDTH: u32 = 700;
const FLIPPED: RGBColor = RGBColor(200, 30, 40);
const INK: RGBColor = RGBColor(40, 44, 52);

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// Draws the most suspicious digits beside the heat map of the values, and writes them as a PNG.
pub(crate) fn draw(
    path: &Path,
    train: &Digits,
    test: &Digits,
    suspicious: &[usize],
    values: &StoredArray,
) -> Drawn {
    let font = epaint_default_fonts::UBUNTU_LIGHT;
    plotters::style::register_font("sans-serif", FontStyle::Normal, font)
        .map_err(|_| "the font cannot be read")?;
    let mut pixels = vec![255; 3 * (SIZE.0 * SIZE.1) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        let (left, right) = root.split_horizontally(DIGITS_WIDTH);
        draw_digits(&left, train, suspicious)?;
        draw_heat_map(&right, train, test, values)?;
        root.present()?;
    }
    // Other workers may draw the same picture.
    let new = path.with_extension(format!("{}.png", std::process::id()));
    let mut encoder = png::Encoder::new(File::create(&new)?, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&pixels)?;
    std::fs::rename(new, path)?;
    Ok(())
}

fn text(size: i32, color: RGBColor, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&color).pos(Pos::new(horizontal, VPos::Center))
}

fn draw_digits(area: &Area<'_>, train: &Digits, suspicious: &[usize]) -> Drawn {
    const COLUMNS: usize = 6;
    const ROWS: usize = 5;
    const CELL: (i32, i32) = (108, 158);
    const PIXEL: i32 = 11;
    const ORIGIN: (i32, i32) = (30, 84);

    area.draw_text("Most suspicious training digits", &text(27, INK, HPos::Left), (30, 30))?;
    let subtitle = "by self-influence; flipped labels in red";
    area.draw_text(subtitle, &text(18, INK, HPos::Left), (30, 60))?;
    for (place, &digit) in suspicious.iter().take(COLUMNS * ROWS).enumerate() {
        let x = ORIGIN.0 + (place % COLUMNS) as i32 * CELL.0;
        let y = ORIGIN.1 + (place / COLUMNS) as i32 * CELL.1;
        for ((row, column), value) in train.image(digit).indexed_iter() {
            let gray = (255.0 * (1.0 - value)) as u8;
            let corner = (x + column as i32 * PIXEL, y + row as i32 * PIXEL);
            let pixel = [corner, (corner.0 + PIXEL, corner.1 + PIXEL)];
            area.draw(&Rectangle::new(pixel, RGBColor(gray, gray, gray).filled()))?;
        }
        let color = if train.is_flipped(digit) { FLIPPED } else { INK };
        let side = 8 * PIXEL;
        area.draw(&Rectangle::new([(x, y), (x + side, y + side)], color.stroke_width(2)))?;
        let style = text(18, color, HPos::Center);
        let given = format!("given {}", train.labels[digit]);
        area.draw_text(&given, &style, (x + side / 2, y + side + 16))?;
        let truth = format!("true {}", train.true_labels[digit]);
        area.draw_text(&truth, &style, (x + side / 2, y + side + 38))?;
    }
    Ok(())
}

fn draw_heat_map(area: &Area<'_>, train: &Digits, test: &Digits, values: &StoredArray) -> Drawn {
    let title = "Influence of training digits on the loss of test digits";
    area.draw_text(title, &text(27, INK, HPos::Left), (70, 30))?;
    let subtitle = "digits sorted by label; blue reduces the loss, red increases it";
    area.draw_text(subtitle, &text(18, INK, HPos::Left), (70, 60))?;

    let test_order = by_label(&test.labels);
    let train_order = by_label(&train.labels);
    let sorted = sorted_values(values, &test_order, &train_order)?;
    let scale = quantile_of_magnitudes(&sorted, 0.98);

    let (x_range, y_range) = (90..810, 84..824);
    for y in y_range.clone() {
        for x in x_range.clone() {
            let rows = covered(y, &y_range, test.len());
            let columns = covered(x, &x_range, train.len());
            let mean = sorted.slice(s![rows, columns]).mean().unwrap_or(0.0);
            area.draw_pixel((x, y), &diverging(mean / scale))?;
        }
    }

    // The classes as ticks: a line between two classes, the label in the middle of each.
    let (x_classes, y_classes) = (class_ranges(&train.labels), class_ranges(&test.labels));
    let along = |value: usize, n: usize, range: &Range<i32>| {
        range.start + (value as f64 / n as f64 * f64::from(range.end - range.start)) as i32
    };
    for (class, (x_class, y_class)) in x_classes.iter().zip(&y_classes).enumerate() {
        let label = class.to_string();
        let x = |value| along(value, train.len(), &x_range);
        let y = |value| along(value, test.len(), &y_range);
        let middle = (x_class.start + x_class.end) / 2;
        area.draw_text(&label, &text(19, INK, HPos::Center), (x(middle), y_range.end + 16))?;
        let middle = (y_class.start + y_class.end) / 2;
        area.draw_text(&label, &text(19, INK, HPos::Center), (x_range.start - 16, y(middle)))?;
        let lines = [
            [(x(x_class.end), y_range.end), (x(x_class.end), y_range.end + 8)],
            [(x_range.start - 8, y(y_class.end)), (x_range.start, y(y_class.end))],
        ];
        for line in lines {
            area.draw(&PathElement::new(line, INK))?;
        }
    }
    let frame = [(x_range.start, y_range.start), (x_range.end, y_range.end)];
    area.draw(&Rectangle::new(frame, INK))?;
    let middle = |range: &Range<i32>| (range.start + range.end) / 2;
    let x_title = format!("{} training digits, by given label", train.len());
    let y_title = format!("{} test digits, by label", test.len());
    let x_style = text(20, INK, HPos::Center);
    let y_style = x_style.transform(FontTransform::Rotate270);
    area.draw_text(&x_title, &x_style, (middle(&x_range), y_range.end + 48))?;
    area.draw_text(&y_title, &y_style, (x_range.start - 50, middle(&y_range)))?;
    draw_color_bar(area, (x_range.end + 24, y_range), scale)
}

fn draw_color_bar(area: &Area<'_>, (x, y_range): (i32, Range<i32>), scale: f64) -> Drawn {
    const WIDTH: i32 = 22;
    let height = f64::from(y_range.end - y_range.start);
    for y in y_range.clone() {
        let value = 1.0 - 2.0 * f64::from(y - y_range.start) / height;
        area.draw(&PathElement::new([(x, y), (x + WIDTH, y)], diverging(value)))?;
    }
    let frame = [(x, y_range.start), (x + WIDTH, y_range.end)];
    area.draw(&Rectangle::new(frame, INK))?;
    for step in 0..=4 {
        let y = y_range.start + (height * f64::from(step) / 4.0) as i32;
        let value = scale * (1.0 - f64::from(step) / 2.0);
        area.draw(&PathElement::new([(x + WIDTH, y), (x + WIDTH + 6, y)], INK))?;
        let label = if step == 2 { "0".to_owned() } else { format!("{value:+.1}") };
        area.draw_text(&label, &text(17, INK, HPos::Left), (x + WIDTH + 10, y))?;
    }
    Ok(())
}

/// Returns the indices of digits in the order of their labels.
fn by_label(labels: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|&i| labels[i]);
    order
}

/// Returns the range of each class among digits in the order of their labels.
fn class_ranges(labels: &[usize]) -> Vec<Range<usize>> {
    let mut end = 0;
    let ranges = (0..N_CLASSES).map(|class| {
        let start = end;
        end += labels.iter().filter(|&&label| label == class).count();
        start..end
    });
    ranges.collect()
}

/// Returns the values with rows and columns in these orders. Reads them one block at a time.
fn sorted_values(
    values: &StoredArray,
    rows: &[usize],
    columns: &[usize],
) -> Result<Array2<f64>, Box<dyn Error>> {
    let mut places = Array1::zeros(rows.len());
    for (place, &row) in rows.iter().enumerate() {
        places[row] = place;
    }
    let mut sorted = Array2::zeros((rows.len(), columns.len()));
    let sizes = BlockSizes::uniform(rows.len(), 64);
    for (i, block) in values.sequence(sizes.clone())?.blocks().enumerate() {
        let block = block?;
        let block: ArrayView2<'_, f64> = block.as_array()?;
        for (row, line) in sizes.range(i).zip(block.rows()) {
            sorted.row_mut(places[row]).assign(&line.select(Axis(0), columns));
        }
    }
    Ok(sorted)
}

fn quantile_of_magnitudes(values: &Array2<f64>, quantile: f64) -> f64 {
    let mut magnitudes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
    let place = ((magnitudes.len() - 1) as f64 * quantile) as usize;
    *magnitudes.select_nth_unstable_by(place, f64::total_cmp).1
}

/// Returns the cells, of `n` along an axis, that a pixel of `range` covers: at least one.
fn covered(pixel: i32, range: &Range<i32>, n: usize) -> Range<usize> {
    let (pixel, n_pixels) = ((pixel - range.start) as usize, range.len());
    let start = pixel * n / n_pixels;
    start..((pixel + 1) * n / n_pixels).max(start + 1).min(n)
}

/// Returns blue for 1 and above, white for 0, and red for −1 and below.
fn diverging(value: f64) -> RGBColor {
    let ends = if value > 0.0 { (24.0, 84.0, 168.0) } else { (190.0, 30.0, 45.0) };
    let strength = value.abs().min(1.0).powf(0.7);
    let mix = |end: f64| (255.0 + strength * (end - 255.0)) as u8;
    RGBColor(mix(ends.0), mix(ends.1), mix(ends.2))
}
