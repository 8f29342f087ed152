//! `lazy export`.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::Range;

use indicatif::HumanBytes;
use lazy_chunks::DType;
use lazy_chunks::zarr::StoredArray;
use safetensors::tensor::{Metadata, TensorInfo};

use super::open;
use super::parts::{AT_ONCE, LEAST_PER_CHUNK, Parts, chosen};
use crate::failure::{Failure, Result};
use crate::input::{npy_header, safetensors_dtype, saturating_product, unit};
use crate::options::{Destination, Export, Format};
use crate::output_file::{OutputFile, check_place};
use crate::print;
use crate::progress::Display;
use crate::stop;

/// The most bytes to read at a time, unless a single row is larger. If a band of chunks has more,
/// each of its chunks is read several times.
const MOST_AT_ONCE: usize = 256 << 20;

pub(crate) fn run(options: &Export) -> Result<()> {
    let stored = open(&options.path)?;
    let region = region(options, &stored)?;
    let shape: Vec<_> = region.iter().map(Range::len).collect();
    let n_bytes = shape
        .iter()
        .try_fold(stored.dtype().size(), |n, size| n.checked_mul(*size.max(&1)))
        .filter(|n_bytes| *n_bytes <= isize::MAX as usize);
    if n_bytes.is_none() {
        let array = &options.path;
        return Err(Failure::Usage(format!("{array} has more bytes than a file can hold")));
    }
    let header = header(&options.format, stored.dtype(), &shape)?;
    let display = Display::new(options.quiet);
    let (path, replace) = match &options.destination {
        Destination::StandardOutput if io::stdout().is_terminal() => {
            let problem = "standard output is a terminal; name a file, or pipe the record into a \
                           program that reads .npy";
            return Err(Failure::Usage(problem.to_owned()));
        }
        Destination::StandardOutput => {
            let mut output = io::stdout().lock();
            let copied = copy(&stored, &region, &header, &mut output, &display, Failure::Output)?;
            return copied.or_stopped("stopped; standard output is incomplete");
        }
        Destination::File { path, replace } => (path, *replace),
    };
    check_place(path, replace)?;
    let failed = |source| Failure::Write { path: path.clone(), source };
    let mut file = OutputFile::create(path, replace)?;
    let mut output = BufWriter::new(file.as_file_mut());
    copy(&stored, &region, &header, &mut output, &display, failed)?
        .or_stopped("stopped; no file was written")?;
    drop(output);
    file.publish()?;
    if !options.quiet {
        let bytes: usize = shape.iter().product::<usize>() * stored.dtype().size();
        let bytes = HumanBytes(bytes as u64);
        print::note(format_args!(
            "wrote {} {shape:?} to {}, {bytes}",
            stored.dtype(),
            path.display()
        ));
    }
    Ok(())
}

/// The end of a copy.
enum Copied {
    Whole,
    Stopped,
}

impl Copied {
    fn or_stopped(self, message: &str) -> Result<()> {
        match self {
            Copied::Whole => Ok(()),
            Copied::Stopped => Err(Failure::Stopped(message.to_owned())),
        }
    }
}

fn region(options: &Export, stored: &StoredArray) -> Result<Vec<Range<usize>>> {
    let (rows, columns) = chosen(&options.path, stored.shape(), &options.rows, &options.columns)?;
    let later = stored.shape().iter().skip(2).map(|&size| 0..size);
    Ok([rows].into_iter().chain(columns).chain(later).collect())
}

/// Returns the bytes before the elements.
fn header(format: &Format, dtype: DType, shape: &[usize]) -> Result<Vec<u8>> {
    let unsupported = |format: &str, other: &str| {
        Failure::Usage(format!("a {format} file cannot hold {dtype}; export to {other} instead"))
    };
    match format {
        Format::Npy => npy_header(dtype, shape).ok_or_else(|| unsupported(".npy", ".safetensors")),
        Format::Safetensors { name } => {
            let dtype_name =
                safetensors_dtype(dtype).ok_or_else(|| unsupported(".safetensors", ".npy"))?;
            let n_bytes = shape.iter().product::<usize>() * dtype.size();
            let info =
                TensorInfo { dtype: dtype_name, shape: shape.to_vec(), data_offsets: (0, n_bytes) };
            let metadata = Metadata::new(None, vec![(name.clone(), info)])
                .map_err(|error| Failure::Usage(format!("the header is invalid: {error}")))?;
            let mut text = serde_json::to_string(&metadata)
                .map_err(|error| Failure::Usage(format!("the header is invalid: {error}")))?;
            // The safetensors library pads in the same way, so that elements are aligned.
            text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
            Ok([&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat())
        }
    }
}

/// Writes the header, and then the elements a few rows at a time, or a part of a large row.
fn copy(
    stored: &StoredArray,
    region: &[Range<usize>],
    header: &[u8],
    output: &mut impl Write,
    display: &Display,
    failed: impl Fn(io::Error) -> Failure,
) -> Result<Copied> {
    output.write_all(header).map_err(&failed)?;
    let bytes = |sizes: &[Range<usize>]| {
        sizes.iter().map(Range::len).product::<usize>() * stored.dtype().size()
    };
    let unit = unit(stored, AT_ONCE);
    // Small chunks count as larger ones.
    let unit_bytes = saturating_product(unit).saturating_mul(stored.dtype().size());
    let cost = LEAST_PER_CHUNK.div_ceil(unit_bytes);
    let row_bytes = bytes(&region[1..]).saturating_mul(cost);
    // Parts are whole chunks, so that none is read twice.
    let at_once = |unit: usize, bytes_each: usize| {
        let n_units = (AT_ONCE / unit.saturating_mul(bytes_each).max(1)).max(1);
        let most = (MOST_AT_ONCE / bytes_each.max(1)).max(1);
        unit.saturating_mul(n_units).min(most)
    };
    let rows = Parts { range: region[0].clone(), at_once: at_once(unit[0], row_bytes) };
    let columns = match region {
        [_, columns, trailing @ ..] if row_bytes > MOST_AT_ONCE => {
            let bytes_each = bytes(trailing).saturating_mul(cost);
            Parts { range: columns.clone(), at_once: at_once(unit[1], bytes_each) }
        }
        // All columns at once.
        _ => Parts { range: region.get(1).cloned().unwrap_or(0..1), at_once: usize::MAX },
    };
    let bar = display.of_steps(region[0].len() as u64, "rows");
    for rows in rows.all().filter(|_| row_bytes > 0) {
        for columns in columns.all() {
            if stop::is_asked_for() {
                display.clear();
                return Ok(Copied::Stopped);
            }
            let mut part = region.to_vec();
            part[0] = rows.clone();
            if let Some(of_part) = part.get_mut(1) {
                *of_part = columns;
            }
            let block = stored.read_region(&part)?;
            output.write_all(block.data()).map_err(&failed)?;
        }
        bar.inc(rows.len() as u64);
    }
    display.clear();
    output.flush().map_err(&failed)?;
    Ok(Copied::Whole)
}
