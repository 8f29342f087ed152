//! Files that store elements uncompressed: `.npy` and `.safetensors`.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lazy_chunks::{ArrayBlock, BlockPool, DType};
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::layout::{Layout, Runs};
use super::npy::{Header, read_header};
use super::order::natural_order;
use super::source::{SourceFile, unreadable};
use super::{InputError, Selection};
use crate::stop;

/// The most bytes in a block of a file, unless a single row has more. The CPU's caches still hold a
/// block of this size when it is written.
const MOST_AT_ONCE: usize = 4 << 20;

/// The most bytes in a block of whole rows, where each block costs as much as a matrix of all pairs
/// of columns.
const MOST_OF_WHOLE_ROWS: usize = 32 << 20;

/// The most bytes in a row that is read as a whole. A longer row is cut along axis 1 into parts of
/// this size.
const MOST_OF_A_ROW: usize = 64 << 20;

/// The largest distance in bytes between the starts of runs that are read together with the bytes
/// between them.
const NEAR: usize = 64 << 10;

/// The number of bytes that are read at a time of runs that are near each other.
const WINDOW: usize = 1 << 20;

/// An array whose elements are stored uncompressed in a file.
#[derive(Debug)]
pub(crate) struct InFile {
    pub(crate) name: String,
    pub(crate) file: Arc<SourceFile>,
    pub(crate) layout: Layout,
    /// The position of the first element in the file, in bytes.
    offset: u64,
    /// The most bytes in a block, unless a single row has more.
    most_at_once: usize,
    has_whole_rows: bool,
    is_one_block: bool,
    /// True if the file may hold other arrays, which are selected by name.
    pub(crate) is_in_archive: bool,
}

impl InFile {
    fn new(
        name: String,
        file: &Arc<SourceFile>,
        layout: Layout,
        offset: u64,
        (cutting, is_in_archive): (Cutting, bool),
    ) -> InFile {
        let (file, most_at_once) = (Arc::clone(file), cutting.most_at_once());
        let (has_whole_rows, is_one_block) = (cutting.whole_rows, cutting.keeps_blocks);
        InFile {
            name,
            file,
            layout,
            offset,
            most_at_once,
            has_whole_rows,
            is_one_block,
            is_in_archive,
        }
    }

    pub(crate) fn rows_at_once(&self) -> usize {
        if self.is_one_block {
            return self.layout.shape[0];
        }
        // Rows without elements take no memory.
        self.most_at_once.checked_div(self.layout.row_bytes()).unwrap_or(self.layout.shape[0])
    }

    /// Returns the number of columns that are read at once. None if all columns are.
    pub(crate) fn columns_at_once(&self) -> Option<usize> {
        let shape = &self.layout.shape;
        let is_cut = !self.has_whole_rows && !self.is_one_block;
        let is_cut = is_cut && shape.len() > 1 && !shape.contains(&0);
        let is_large = self.layout.row_bytes() > MOST_OF_A_ROW;
        (is_cut && is_large).then(|| (MOST_OF_A_ROW / self.layout.column_bytes().max(1)).max(1))
    }

    pub(crate) fn read(
        &self,
        rows: Range<usize>,
        columns: Option<Range<usize>>,
        pool: &BlockPool<u8>,
    ) -> Result<ArrayBlock, InputError> {
        let runs = self.layout.runs(&rows, columns.as_ref());
        let data = if runs.n_bytes() == 0 {
            Bytes::new()
        } else {
            let mut buffer = self.layout.buffer(&self.name, runs.n_bytes(), pool)?;
            let file = self.file.reopen()?;
            for (i, part) in buffer.chunks_exact_mut(runs.n_runs * runs.length).enumerate() {
                let start = runs.start + i * runs.outer_stride;
                self.read_runs(&file, Runs { start, ..runs }, part)?;
            }
            buffer.into_block().data().clone()
        };
        self.layout.block(&self.name, rows, columns, data)
    }

    /// Reads runs of bytes, and stores them one after the other.
    fn read_runs(&self, file: &File, runs: Runs, buffer: &mut [u8]) -> Result<(), InputError> {
        let start = self.offset + runs.start as u64;
        let at_once = (WINDOW / runs.stride).clamp(1, runs.n_runs);
        if at_once == 1 || runs.stride > NEAR {
            for (i, run) in buffer.chunks_exact_mut(runs.length).enumerate() {
                self.file.read_at(file, start + (i * runs.stride) as u64, run)?;
            }
            return Ok(());
        }
        let mut window = vec![0; at_once * runs.stride];
        for (i, near) in buffer.chunks_mut(at_once * runs.length).enumerate() {
            // The bytes after the last run may be beyond the end of the file.
            let n_bytes = (near.len() / runs.length - 1) * runs.stride + runs.length;
            let offset = start + (i * at_once * runs.stride) as u64;
            self.file.read_at(file, offset, &mut window[..n_bytes])?;
            let apart = window.chunks(runs.stride);
            for (run, from) in near.chunks_exact_mut(runs.length).zip(apart) {
                run.copy_from_slice(&from[..runs.length]);
            }
        }
        Ok(())
    }
}

/// The settings that determine how arrays are cut into blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cutting {
    /// True if each array becomes one row.
    pub(crate) stack: bool,
    /// True if each block has all columns.
    pub(crate) whole_rows: bool,
    /// True if each array is one block, and each chunk of a Zarr array.
    pub(crate) keeps_blocks: bool,
}

impl Cutting {
    /// Returns the most bytes in a block, unless a single row has more.
    pub(crate) fn most_at_once(self) -> usize {
        if self.whole_rows { MOST_OF_WHOLE_ROWS } else { MOST_AT_ONCE }
    }
}

/// Opens the arrays of a `.npy` file, which may have several records.
pub(crate) fn open_npy(path: &Path, cutting: Cutting) -> Result<Vec<InFile>, InputError> {
    let (source, mut opened) = SourceFile::open(path)?;
    let source = Arc::new(source);
    let actual = source.n_bytes();
    let mut arrays: Vec<InFile> = Vec::new();
    let mut end = 0;
    while end < actual || arrays.is_empty() {
        if stop::is_asked_for() {
            return Err(InputError::Stopped);
        }
        let name = match arrays.len() {
            0 => source.name(),
            number => format!("{}, record {number}", source.name()),
        };
        opened.seek(SeekFrom::Start(end)).map_err(|source| unreadable(path, source))?;
        let mut reader = BufReader::with_capacity(256, &opened);
        let header =
            read_header(&name, &mut reader, cutting.stack).map_err(|error| match error {
                InputError::Corrupt { .. }
                | InputError::NoRecord { .. }
                | InputError::Ended { .. }
                    if end > 0 =>
                {
                    InputError::Corrupt {
                        name: source.name(),
                        reason: format!(
                            "it has {} bytes after the array, which are not another .npy record",
                            actual - end
                        ),
                    }
                }
                error => error,
            })?;
        let Some(Header { layout, n_bytes }) = header else {
            return Err(InputError::Corrupt { name, reason: "it is empty".into() });
        };
        let offset = end + n_bytes;
        end = offset + layout.n_bytes() as u64;
        if actual < end {
            return Err(InputError::Truncated { name, expected: end, actual });
        }
        arrays.push(InFile::new(name, &source, layout, offset, (cutting, false)));
    }
    Ok(arrays)
}

/// Opens the selected arrays of a `.safetensors` file.
pub(crate) fn open_safetensors(
    path: &Path,
    selection: &Selection,
    cutting: Cutting,
) -> Result<Vec<InFile>, InputError> {
    let (source, file) = SourceFile::open(path)?;
    let source = Arc::new(source);
    let (first_byte, metadata) = read_metadata(&source, &file)?;
    let mut names = metadata.offset_keys();
    names.sort_by(|a, b| natural_order(a, b));
    let mut arrays = Vec::new();
    for tensor in names.iter().filter(|tensor| selection.has(tensor)) {
        let info = metadata.info(tensor).expect("the name is from the header");
        let name = format!("{}, tensor {tensor:?}", source.name());
        let dtype = dtype(info.dtype).ok_or_else(|| InputError::UnsupportedDType {
            name: name.clone(),
            dtype: info.dtype.to_string(),
            remedy: "save bool, integers, floats of 16 bits or more, or complex64",
        });
        let shape: Vec<_> = info.shape.iter().map(|&size| size as u64).collect();
        let layout = dtype
            .and_then(|dtype| {
                Layout::new(&name, dtype, &shape, false, cfg!(target_endian = "big"))?
                    .of_blocks(&name, cutting.stack)
            })
            .map_err(InputError::in_archive)?;
        let offset = first_byte + info.data_offsets.0 as u64;
        arrays.push(InFile::new(name, &source, layout, offset, (cutting, true)));
    }
    if arrays.is_empty() {
        let name = source.name();
        return Err(InputError::NoArrays { name, pattern: selection.pattern() });
    }
    Ok(arrays)
}

/// Reads the header of a `.safetensors` file. Returns it with the position of the first element.
fn read_metadata(source: &SourceFile, file: &File) -> Result<(u64, Metadata), InputError> {
    /// The longest header that the format allows, in bytes.
    const LONGEST: u64 = 100_000_000;
    const LENGTH: u64 = size_of::<u64>() as u64;
    let corrupt = |reason: String| InputError::Corrupt { name: source.name(), reason };
    let Some(rest) = source.n_bytes().checked_sub(LENGTH) else {
        return Err(corrupt("it is too short for a header".to_owned()));
    };
    let mut length = [0; LENGTH as usize];
    source.read_at(file, 0, &mut length)?;
    let length = u64::from_le_bytes(length);
    if length > rest.min(LONGEST) {
        return Err(corrupt(format!("its header declares a length of {length} bytes")));
    }
    let mut header = vec![0; length as usize];
    source.read_at(file, LENGTH, &mut header)?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|error| corrupt(error.to_string()))?;
    let (expected, actual) = (metadata.data_len() as u64, rest - length);
    if actual != expected {
        let reason =
            format!("it has {actual} bytes of elements, but its header declares {expected}");
        return Err(corrupt(reason));
    }
    Ok((LENGTH + length, metadata))
}

fn dtype(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::BOOL => DType::Bool,
        Dtype::I8 => DType::Int8,
        Dtype::I16 => DType::Int16,
        Dtype::I32 => DType::Int32,
        Dtype::I64 => DType::Int64,
        Dtype::U8 => DType::UInt8,
        Dtype::U16 => DType::UInt16,
        Dtype::U32 => DType::UInt32,
        Dtype::U64 => DType::UInt64,
        Dtype::F16 => DType::Float16,
        Dtype::BF16 => DType::BFloat16,
        Dtype::F32 => DType::Float32,
        Dtype::F64 => DType::Float64,
        Dtype::C64 => DType::Complex64,
        _ => return None,
    })
}

/// Returns the name of a dtype in a `.safetensors` file. None if the format lacks the dtype.
pub(crate) fn safetensors_dtype(wanted: DType) -> Option<Dtype> {
    use Dtype::*;
    let all = [BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64, C64];
    all.into_iter().find(|one| dtype(*one) == Some(wanted))
}
